import { join } from 'node:path';
import ts from 'typescript';
import { root } from '../../test/architecture/source-files.ts';

/** What a user can import, and from where. */
export const entries: Readonly<Record<string, string>> = {
  changeover: 'index.ts',
  'changeover/testing': 'testing.ts',
  'changeover/pg': 'pg.ts',
  'changeover/better-sqlite3': 'better-sqlite3.ts',
  'changeover/kysely': 'kysely.ts',
  'changeover/duckdb': 'duckdb.ts',
  'changeover/statements': 'statements.ts',
  'changeover/knex': 'knex.ts',
};

/** A member of something that is exported: an option, a method, a field. */
export interface Member {
  readonly name: string;
  readonly type: string;
  readonly text: string;
}

/** An exported name as its doc comment has it. */
export interface Exported {
  readonly from: string;
  readonly name: string;
  readonly kind: 'class' | 'function' | 'interface' | 'type' | 'value';
  readonly text: string;
  readonly tags: readonly { readonly name: string; readonly text: string }[];
  /** As it is written where it is declared; the empty string for interfaces and classes. */
  readonly declaration: string;
  readonly members: readonly Member[];
  /** The code of an error's class; undefined for anything else. */
  readonly errorCode: string | undefined;
}

/** Every name that `changeover` and its subpaths export, in the order of their names. */
export function exportedNames(): Exported[] {
  const paths = Object.entries(entries).map(
    ([from, file]) => [from, `packages/changeover/src/${file}`] as const,
  );
  return exportsOf(new Map(paths));
}

/** What callers may catch, wherever it is thrown: each file's exports, by the file. */
const errorFiles = [
  'packages/core/src/errors.ts',
  'packages/engines/src/api/storage-errors.ts',
  'packages/pooled/src/pool/pool-errors.ts',
  'packages/bridge/src/call/members.ts',
  'packages/bridge/src/guarantees/errors.ts',
  'packages/adapters/src/pg/connection-settings.ts',
  'packages/adapters/src/shared/last-write-error.ts',
  'packages/adapters/src/shared/transaction-wait-error.ts',
];

/** Every class of errors that callers may see, exported by `changeover` or not. */
export function errorClasses(): Exported[] {
  return exportsOf(new Map(errorFiles.map((file) => [file, file]))).filter(
    ({ kind, name }) => kind === 'class' && name.endsWith('Error'),
  );
}

/** The exports of each file, by what it is imported as. */
function exportsOf(paths: ReadonlyMap<string, string>): Exported[] {
  const config = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path));
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root);
  const program = ts.createProgram(
    [...paths.values()].map((path) => join(root, path)),
    options,
  );
  const checker = program.getTypeChecker();
  return [...paths].flatMap(([from, path]) => {
    const source = program.getSourceFile(join(root, path));
    const module = source && checker.getSymbolAtLocation(source);
    if (module === undefined) throw new Error(`${from} has no exports`);
    return checker
      .getExportsOfModule(module)
      .map((symbol) => describe(checker, from, symbol))
      .sort((one, other) => (one.name < other.name ? -1 : 1));
  });
}

function describe(checker: ts.TypeChecker, from: string, alias: ts.Symbol): Exported {
  const symbol =
    (alias.flags & ts.SymbolFlags.Alias) === 0 ? alias : checker.getAliasedSymbol(alias);
  const declaration = symbol.declarations?.[0];
  if (declaration === undefined) throw new Error(`${alias.name} has no declaration`);
  const hasMembers = ts.isInterfaceDeclaration(declaration) || ts.isClassDeclaration(declaration);
  return {
    from,
    name: alias.name,
    kind: kindOf(declaration),
    text: plain(ts.displayPartsToString(symbol.getDocumentationComment(checker))),
    tags: symbol.getJsDocTags(checker).map(({ name, text }) => ({
      name,
      text: plain(ts.displayPartsToString(text)),
    })),
    declaration: hasMembers ? '' : declarationText(declaration),
    members: hasMembers ? membersOf(checker, declaration) : [],
    errorCode: ts.isClassDeclaration(declaration)
      ? /'([A-Z]+(?:_[A-Z]+)*)'/.exec(declaration.getText())?.[1]
      : undefined,
  };
}

function kindOf(declaration: ts.Declaration): Exported['kind'] {
  if (ts.isClassDeclaration(declaration)) return 'class';
  if (ts.isFunctionDeclaration(declaration)) return 'function';
  if (ts.isInterfaceDeclaration(declaration)) return 'interface';
  return ts.isTypeAliasDeclaration(declaration) ? 'type' : 'value';
}

function membersOf(
  checker: ts.TypeChecker,
  declaration: ts.InterfaceDeclaration | ts.ClassDeclaration,
): Member[] {
  return declaration.members.flatMap((member) => {
    const { name } = member;
    if (name === undefined || ts.isPrivateIdentifier(name)) return [];
    if (ts.isConstructorDeclaration(member) || isHidden(member)) return [];
    // An error's own name says nothing that its heading doesn't.
    if (ts.isClassDeclaration(declaration) && name.getText() === 'name') return [];
    const symbol = checker.getSymbolAtLocation(name);
    const written = name.getText().replaceAll(/^'|'$/g, '');
    return [
      {
        name: written,
        type: memberType(member),
        text: plain(ts.displayPartsToString(symbol?.getDocumentationComment(checker))),
      },
    ];
  });
}

function isHidden(member: ts.Node): boolean {
  return (
    ts.canHaveModifiers(member) &&
    (ts.getModifiers(member) ?? []).some(({ kind }) =>
      [ts.SyntaxKind.PrivateKeyword, ts.SyntaxKind.ProtectedKeyword].includes(kind),
    )
  );
}

/** As written, without the body: a person reads the source's own words for a type. */
function memberType(member: ts.TypeElement | ts.ClassElement): string {
  if (ts.isPropertySignature(member) || ts.isPropertyDeclaration(member))
    return oneLine(member.type?.getText() ?? '');
  if (ts.isGetAccessor(member)) return oneLine(member.type?.getText() ?? '');
  if (ts.isMethodSignature(member) || ts.isMethodDeclaration(member))
    return oneLine(
      `(${member.parameters.map((one) => one.getText()).join(', ')}) => ${member.type?.getText() ?? 'void'}`,
    );
  return '';
}

function declarationText(declaration: ts.Declaration): string {
  if (ts.isFunctionDeclaration(declaration)) {
    const { body } = declaration;
    const text = declaration.getText();
    const head = body === undefined ? text : text.slice(0, -body.getText().length);
    return head.replace(/^export (async )?/, '').replace(/;?\s*$/, '');
  }
  if (ts.isVariableDeclaration(declaration))
    return `const ${declaration.name.getText()}${declaration.type === undefined ? '' : `: ${declaration.type.getText()}`}`;
  return declaration
    .getText()
    .replace(/^export /, '')
    .replace(/;$/, '');
}

function oneLine(text: string): string {
  return text
    .replaceAll(/\/\*\*[^]*?\*\//g, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

/** `{@link Name}` is a name in Markdown's own way. */
function plain(text: string): string {
  return text.replaceAll(/\{@link (\S+?)\s*\}/g, '`$1`').replaceAll('\r', '');
}
