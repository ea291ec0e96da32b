import { dirname, resolve } from 'node:path';
import { Node, type SourceFile, type VariableDeclaration } from 'ts-morph';
import type { Singleton } from './find-singleton.ts';
import { exportedNames, targetOf } from './find-singleton.ts';
import type { Operation } from './infer-kind.ts';
import type { OpenProject } from './project.ts';

/** A place in the project that uses the singleton. */
export interface CallSite {
  /** Below the project's root. */
  readonly file: string;
  readonly line: number;
  /** The operation; undefined where the handle is used as a whole. */
  readonly operation: string | undefined;
  /** The line of the source. */
  readonly text: string;
}

/** Where the singleton is used. */
export interface CallSites {
  /** All of them: none must change for the bridge. */
  readonly stay: readonly CallSite[];
  /** Those among them that use an answer at once: they need `await` before an asynchronous pooled leg can answer. */
  readonly needAwait: readonly CallSite[];
}

/** Finds who uses the singleton. */
export function findCallSites(
  project: OpenProject,
  singleton: Singleton,
  operations: readonly Operation[],
): CallSites {
  return singleton.shape === 'handle'
    ? handleSites(project, singleton)
    : methodSites(project, singleton, operations);
}

function methodSites(
  project: OpenProject,
  singleton: Exclude<Singleton, { shape: 'handle' }>,
  operations: readonly Operation[],
): CallSites {
  const stay: CallSite[] = [];
  const needAwait: CallSite[] = [];
  const own = singleton.shape === 'instance' ? singleton.owner : project.file;
  for (const member of singleton.members.methods) {
    const operation = operations.find(({ name }) => name === member.name);
    if (!('findReferencesAsNodes' in member.nameNode)) continue;
    const find = member.nameNode.findReferencesAsNodes as () => Node[];
    for (const node of find.call(member.nameNode)) {
      // What the object's own methods call of it stays on their leg.
      if (
        node.getSourceFile() === own.getSourceFile() &&
        (own === project.file || isInside(node, own))
      )
        continue;
      if (isImportOrExport(node)) continue;
      const site = siteOf(project, node, member.name);
      stay.push(site);
      if (operation?.synchronous === true && !isAwaited(node) && isCalled(node))
        needAwait.push(site);
    }
  }
  return { stay: sorted(stay), needAwait: sorted(needAwait) };
}

function handleSites(
  project: OpenProject,
  { handles }: Extract<Singleton, { shape: 'handle' }>,
): CallSites {
  const sites: CallSite[] = [];
  const names = exportedNames(project.file);
  for (const { creation } of handles) {
    const target = targetOf(creation);
    const variable = target === undefined ? undefined : project.file.getVariableDeclaration(target);
    const name = variable?.getNameNode();
    if (name === undefined || !Node.isIdentifier(name)) continue;
    for (const node of name.findReferencesAsNodes())
      if (!isImportOrExport(node) && node.getSourceFile() !== project.file)
        sites.push(siteOf(project, node));
  }
  for (const declaration of project.file.getFunctions()) {
    const name = declaration.getNameNode();
    if (name === undefined || !names.has(name.getText())) continue;
    for (const node of name.findReferencesAsNodes())
      if (!isImportOrExport(node) && node.getSourceFile() !== project.file)
        sites.push(siteOf(project, node));
  }
  const stay = sorted(sites.length > 0 ? sites : importers(project));
  const synchronous = handles.every(({ kind }) => kind === 'better-sqlite3');
  return {
    stay,
    needAwait: synchronous
      ? stay.filter(({ text }) => /\.(?:prepare|exec|pragma|transaction|backup)\(/.test(text))
      : [],
  };
}

/** The lines that import or require the module and those that name what they got, where it can't be followed from the handle. */
function importers(project: OpenProject): CallSite[] {
  const { sources, file, pathOf } = project;
  return sources.flatMap((source) => {
    const imported = source
      .getImportDeclarations()
      .filter((one) => one.getModuleSpecifierSourceFile() === file)
      .map((one) => ({
        file: pathOf(source),
        line: one.getStartLineNumber(),
        operation: undefined,
        text: one.getText(),
      }));
    const required = source.getVariableDeclarations().flatMap((one) => {
      const [, module] =
        /^require\((['"])(\..*)\1\)$/.exec(one.getInitializer()?.getText() ?? '')?.slice(1) ?? [];
      return module !== undefined && isModule(source, module, file) ? namedBy(one) : [];
    });
    return [...imported, ...required.map((node) => siteOf(project, node))];
  });
}

/** Whether `require` finds a file by what it was given. */
function isModule(from: SourceFile, module: string, file: SourceFile): boolean {
  const plain = (path: string): string => path.replace(/(?:\/index)?\.[cm]?[jt]s$/, '');
  return plain(resolve(dirname(from.getFilePath()), module)) === plain(file.getFilePath());
}

function namedBy(declaration: VariableDeclaration): Node[] {
  const name = declaration.getNameNode();
  return Node.isIdentifier(name) ? [name, ...name.findReferencesAsNodes()] : [name];
}

function siteOf({ pathOf }: OpenProject, node: Node, operation?: string): CallSite {
  const file = node.getSourceFile();
  const line = node.getStartLineNumber();
  return { file: pathOf(file), line, operation, text: lineOf(file, line) };
}

function lineOf(file: SourceFile, line: number): string {
  return (file.getFullText().split('\n')[line - 1] ?? '').trim();
}

function isInside(node: Node, owner: Node): boolean {
  return node.getFirstAncestor((one) => one === owner) !== undefined || node === owner;
}

function isImportOrExport(node: Node): boolean {
  const parent = node.getParent();
  return (
    Node.isImportSpecifier(parent) ||
    Node.isImportClause(parent) ||
    Node.isNamespaceImport(parent) ||
    Node.isExportSpecifier(parent) ||
    Node.isExportAssignment(parent) ||
    Node.isBindingElement(parent)
  );
}

/** The call whose callee a name is the end of. */
function callOf(node: Node): Node | undefined {
  const parent = node.getParent();
  const callee =
    Node.isPropertyAccessExpression(parent) && parent.getNameNode() === node ? parent : node;
  const call = callee.getParent();
  return Node.isCallExpression(call) && call.getExpression() === callee ? call : undefined;
}

function isCalled(node: Node): boolean {
  return callOf(node) !== undefined;
}

function isAwaited(node: Node): boolean {
  return Node.isAwaitExpression(callOf(node)?.getParent());
}

function sorted(sites: readonly CallSite[]): CallSite[] {
  const unique = new Map(
    sites.map((one) => [`${one.file}:${String(one.line)}:${one.operation ?? ''}`, one]),
  );
  return [...unique.values()].sort((one, other) =>
    one.file === other.file ? one.line - other.line : one.file < other.file ? -1 : 1,
  );
}
