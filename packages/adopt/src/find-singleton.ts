import {
  type BinaryExpression,
  type ExportAssignment,
  type Expression,
  type NewExpression,
  Node,
  type ObjectLiteralExpression,
  type SourceFile,
  SyntaxKind,
  type VariableDeclaration,
} from 'ts-morph';
import { type Handle, handlesIn } from './handles.ts';
import { importedAs, importsOf } from './imported.ts';
import { dialectOf, namesInDialect } from './kysely-dialect.ts';
import { takesStatement } from './infer-kind.ts';
import {
  type AnyClass,
  isFunction,
  type Member,
  memberOf,
  type Members,
  membersOfClass,
  membersOfLiteral,
} from './members.ts';

/** Where the bridge goes: at each executed statement of a handle, or at the methods of the project's own object. */
export type Seam = 'statement' | 'methods';

/** What a module hands out, and where the bridge is written. */
export type Singleton =
  /** A handle that an adapter stands in for: what makes it is wrapped. */
  | { readonly shape: 'handle'; readonly handles: readonly Handle[] }
  /** An instance of the project's own class: what makes it is wrapped. */
  | {
      readonly shape: 'instance';
      readonly owner: AnyClass;
      readonly creation: NewExpression;
      readonly members: Members;
    }
  /** An object as it is written. */
  | {
      readonly shape: 'object';
      readonly literal: ObjectLiteralExpression;
      readonly holder: VariableDeclaration | ExportAssignment | BinaryExpression;
      readonly members: Members;
    }
  /** The exported functions of a module. */
  | {
      readonly shape: 'functions';
      readonly module: 'esm' | 'commonjs';
      readonly members: Members;
    };

type Own = Exclude<Singleton, { readonly shape: 'handle' }>;

/** Finds what a module hands out; undefined where it is nothing that a bridge stands in for. */
export function findSingleton(file: SourceFile, seam: Seam | undefined): Singleton | undefined {
  const handles = seamHandles(file);
  const handle: Singleton | undefined =
    handles.length > 0 ? { shape: 'handle', handles } : undefined;
  if (seam === 'statement') return handle;
  const own = findInstance(file) ?? findObject(file) ?? findFunctions(file);
  if (seam === 'methods' || handle === undefined) return own;
  if (own === undefined || handsOut(file, handles)) return handle;
  // A class that opens its own connection can be made a second time, with a connection of its own. Functions and objects share the module's one handle, and
  // methods that take any statement say nothing of what they do: there the statement is the seam that compares something.
  const takesAny = own.members.methods.some(takesStatement);
  return own.shape === 'instance' && opensItself(own.owner) && !takesAny ? own : handle;
}

/** The handles to be wrapped: Kysely's own connection is its dialect's matter. Where that is handed out as well, it is bridged, and
 * Kysely over it. */
function seamHandles(file: SourceFile): Handle[] {
  const handles = handlesIn(file);
  if (!handles.some(({ kind }) => kind === 'kysely')) return handles;
  const names = exportedNames(file);
  const connections = handles
    .filter(({ kind }) => kind !== 'kysely')
    .map((handle) => ({ ...handle, name: targetOf(handle.creation) ?? '' }))
    .filter(({ name }) => names.has(name));
  return handles.filter((handle) => {
    if (handle.kind !== 'kysely')
      return connections.some((one) => one.creation === handle.creation);
    const written = dialectOf(handle.creation);
    if (written === undefined) return false;
    const taken = namesInDialect(written.dialect);
    return !connections.some(({ name }) => taken.includes(name));
  });
}

/** Whether a class makes the connection that its instances use. */
export function opensItself(owner: AnyClass): boolean {
  const imports = importsOf(owner.getSourceFile());
  return owner.getDescendants().some((node) => {
    if (!Node.isNewExpression(node) && !Node.isCallExpression(node)) return false;
    const imported = importedAs(node.getExpression(), imports);
    // What a singleton's accessor opens and hands to the constructor is given, not opened.
    return imported !== undefined && !local.test(imported.module) && !isInStatic(node);
  });
}

/** Modules that open nothing: the project's own, and those of Node that hold no data. */
const local = /^(?:\.|#|@\/|~\/|(?:node:)?(?:path|util|events|crypto|assert|url|async_hooks|os)$)/;

function isInStatic(node: Node): boolean {
  const member = node.getFirstAncestor((one) => Node.isMethodDeclaration(one));
  return Node.isMethodDeclaration(member) && member.isStatic();
}

/** Whether a handle itself is exported, or what an exported function makes once. */
function handsOut(file: SourceFile, handles: readonly Handle[]): boolean {
  return handles.some(({ creation }) => {
    const target = targetOf(creation);
    if (target === undefined) return isExportedValue(creation);
    if (exportedNames(file).has(target)) return true;
    return exportedFunctions(file).some(({ body }) =>
      body
        ?.getDescendantsOfKind(SyntaxKind.ReturnStatement)
        .some(
          (one) =>
            (one.getExpression()?.getText() ?? '')
              .replace(/[!;]|\s+as\s.*$/g, '')
              .split(/\s*(?:\?\?=|=)\s*/)[0] === target,
        ),
    );
  });
}

/** `export default new Database(file)`, `module.exports = new Database(file)`. */
function isExportedValue(node: Node): boolean {
  const holder = node.getFirstAncestor(
    (one) =>
      Node.isExportAssignment(one) ||
      Node.isFunctionLikeDeclaration(one) ||
      Node.isBinaryExpression(one),
  );
  if (Node.isExportAssignment(holder)) return true;
  return (
    Node.isBinaryExpression(holder) && /^(?:module\.)?exports\b/.test(holder.getLeft().getText())
  );
}

/** The module's variable that a value is put in. */
export function targetOf(node: Node): string | undefined {
  for (let at = node.getParent(); at !== undefined; at = at.getParent()) {
    // What another call is given is that call's matter: `drizzle(new Database(file))`.
    if (Node.isNewExpression(at) || Node.isCallExpression(at)) return undefined;
    if (Node.isVariableDeclaration(at)) return nameOfElement(at, node) ?? at.getName();
    if (Node.isBinaryExpression(at) && /=$/.test(at.getOperatorToken().getText())) {
      const left = at.getLeft();
      if (Node.isIdentifier(left)) return left.getText();
      return undefined;
    }
    if (
      Node.isPropertyDeclaration(at) ||
      Node.isStatement(at) ||
      Node.isFunctionLikeDeclaration(at)
    )
      return undefined;
  }
  return undefined;
}

/** `const [reading, writing] = [new Pool(), new Pool()]`: that of the same place. */
function nameOfElement(declaration: VariableDeclaration, value: Node): string | undefined {
  const [names, list] = [declaration.getNameNode(), declaration.getInitializer()];
  if (!Node.isArrayBindingPattern(names) || !Node.isArrayLiteralExpression(list)) return undefined;
  const at = list
    .getElements()
    .findIndex((one) => one === value || one.containsRange(value.getPos(), value.getEnd()));
  const element = names.getElements()[at];
  return Node.isBindingElement(element) ? element.getName() : undefined;
}

/** Local names that the module exports, whatever they are called outside. */
export function exportedNames(file: SourceFile): ReadonlySet<string> {
  const names = new Set<string>();
  for (const statement of file.getVariableStatements())
    if (statement.hasExportKeyword())
      for (const one of statement.getDeclarations())
        for (const name of [
          one,
          ...one.getNameNode().getDescendantsOfKind(SyntaxKind.BindingElement),
        ])
          names.add(name.getName());
  for (const one of [...file.getFunctions(), ...file.getClasses()])
    if (one.isExported()) names.add(one.getName() ?? 'default');
  for (const declaration of file.getExportDeclarations())
    if (!declaration.hasModuleSpecifier())
      for (const one of declaration.getNamedExports()) names.add(one.getName());
  for (const assignment of file.getExportAssignments()) {
    const value = assignment.getExpression();
    if (Node.isIdentifier(value)) names.add(value.getText());
  }
  for (const { right } of commonJsExports(file)) {
    if (Node.isIdentifier(right)) names.add(right.getText());
    if (Node.isObjectLiteralExpression(right))
      for (const property of right.getProperties()) {
        const value = Node.isPropertyAssignment(property) ? property.getInitializer() : undefined;
        if (Node.isShorthandPropertyAssignment(property)) names.add(property.getName());
        else if (Node.isIdentifier(value)) names.add(value.getText());
      }
  }
  return names;
}

interface CommonJsExport {
  readonly statement: BinaryExpression;
  /** `undefined` for `module.exports = …`. */
  readonly name: string | undefined;
  readonly right: Expression;
}

/** `module.exports = …`, `exports.name = …`, in the order of the text. */
export function commonJsExports(file: SourceFile): CommonJsExport[] {
  return file.getStatements().flatMap((statement): CommonJsExport[] => {
    const expression = Node.isExpressionStatement(statement)
      ? statement.getExpression()
      : undefined;
    if (!Node.isBinaryExpression(expression) || expression.getOperatorToken().getText() !== '=')
      return [];
    const match = /^(?:module\.exports|exports)(?:\.([\w$]+))?$/.exec(
      expression.getLeft().getText(),
    );
    if (match === null || (match[1] === undefined && expression.getLeft().getText() === 'exports'))
      return [];
    return [{ statement: expression, name: match[1], right: expression.getRight() }];
  });
}

function exportedFunctions(file: SourceFile): Member[] {
  const names = exportedNames(file);
  const found: Member[] = [];
  for (const one of file.getFunctions()) {
    const name = one.getName();
    if (name !== undefined && (names.has(name) || one.isDefaultExport()))
      found.push(memberOf(name, one, one.getNameNode() ?? one));
  }
  for (const one of file.getVariableDeclarations()) {
    const value = one.getInitializer();
    if (isFunction(value) && names.has(one.getName()))
      found.push(memberOf(one.getName(), value, one.getNameNode()));
  }
  for (const { name, statement, right } of commonJsExports(file)) {
    const left = statement.getLeft();
    const nameNode = Node.isPropertyAccessExpression(left) ? left.getNameNode() : left;
    if (name !== undefined && isFunction(right)) found.push(memberOf(name, right, nameNode));
  }
  return found.sort((one, other) => one.node.getStart() - other.node.getStart());
}

/** An instance of the project's own class: made by its own static member, put in an exported variable, or made at first use. */
function findInstance(file: SourceFile): Own | undefined {
  for (const creation of file.getDescendantsOfKind(SyntaxKind.NewExpression)) {
    const owner = classMade(creation);
    if (owner === undefined || !(isInOwnStatic(creation, owner) || isHandedOut(file, creation)))
      continue;
    const members = membersOfClass(owner);
    if (members.methods.length > 0) return { shape: 'instance', owner, creation, members };
  }
  return undefined;
}

function classMade(creation: NewExpression): AnyClass | undefined {
  const made = creation.getExpression();
  if (made.isKind(SyntaxKind.ThisKeyword))
    return creation.getFirstAncestor(
      (one): one is AnyClass => Node.isClassDeclaration(one) || Node.isClassExpression(one),
    );
  if (!Node.isIdentifier(made)) return undefined;
  for (const declaration of made.getDefinitionNodes()) {
    if (
      declaration.getSourceFile().isDeclarationFile() ||
      declaration.getSourceFile().isInNodeModules()
    )
      continue;
    if (Node.isClassDeclaration(declaration)) return declaration;
    const value = Node.isVariableDeclaration(declaration)
      ? declaration.getInitializer()
      : undefined;
    if (Node.isClassExpression(value)) return value;
  }
  return undefined;
}

function isInOwnStatic(creation: NewExpression, owner: AnyClass): boolean {
  const member = creation.getFirstAncestor(
    (one) =>
      (Node.isMethodDeclaration(one) ||
        Node.isGetAccessorDeclaration(one) ||
        Node.isPropertyDeclaration(one)) &&
      one.getParent() === owner,
  );
  if (member === undefined) return false;
  if (Node.isPropertyDeclaration(member)) return member.isStatic();
  if (!Node.isMethodDeclaration(member) && !Node.isGetAccessorDeclaration(member)) return false;
  // A factory makes one at each call; a singleton's accessor keeps it.
  return (
    member.isStatic() &&
    member
      .getDescendantsOfKind(SyntaxKind.BinaryExpression)
      .some(
        (one) =>
          /=$/.test(one.getOperatorToken().getText()) &&
          !/^[=!]==?$/.test(one.getOperatorToken().getText()) &&
          /^(?:this|\w+)\.#?\w+$|^\w+$/.test(one.getLeft().getText()),
      )
  );
}

function isHandedOut(file: SourceFile, creation: NewExpression): boolean {
  const target = targetOf(creation);
  if (target === undefined) return isExportedValue(creation);
  const variable = file.getVariableDeclaration(target);
  if (variable === undefined) return false;
  if (exportedNames(file).has(target)) return true;
  return exportedFunctions(file).some(({ body }) =>
    body?.getDescendantsOfKind(SyntaxKind.ReturnStatement).some((one) => {
      const text = one.getExpression()?.getText() ?? '';
      return new RegExp(`^\\(?${target.replaceAll('$', '\\$')}\\b`).test(text);
    }),
  );
}

function findObject(file: SourceFile): Own | undefined {
  const names = exportedNames(file);
  const candidates: {
    holder: VariableDeclaration | ExportAssignment | BinaryExpression;
    value: Node | undefined;
  }[] = [
    ...file.getExportAssignments().map((holder) => ({ holder, value: holder.getExpression() })),
    ...commonJsExports(file)
      .filter(({ name }) => name === undefined)
      .map(({ statement, right }) => ({ holder: statement, value: right })),
    ...file
      .getVariableDeclarations()
      .filter((one) => names.has(one.getName()))
      .map((holder) => ({ holder, value: holder.getInitializer() })),
  ];
  for (const { holder, value } of candidates) {
    const literal = literalIn(value);
    if (literal === undefined) continue;
    const members = membersOfLiteral(literal);
    if (members.methods.length > 0) return { shape: 'object', literal, holder, members };
  }
  return undefined;
}

/** `{ … } as const`, `Object.freeze({ … })` and `({ … })` are the object. */
function literalIn(value: Node | undefined): ObjectLiteralExpression | undefined {
  if (Node.isObjectLiteralExpression(value)) return value;
  if (
    Node.isAsExpression(value) ||
    Node.isSatisfiesExpression(value) ||
    Node.isParenthesizedExpression(value)
  )
    return literalIn(value.getExpression());
  if (Node.isCallExpression(value) && value.getExpression().getText() === 'Object.freeze')
    return literalIn(value.getArguments()[0]);
  return undefined;
}

function findFunctions(file: SourceFile): Own | undefined {
  const methods = exportedFunctions(file).filter(
    ({ node }) => !(Node.isFunctionDeclaration(node) && node.isDefaultExport()),
  );
  if (methods.length === 0) return undefined;
  const commonjs = commonJsExports(file).length > 0;
  return {
    shape: 'functions',
    module: commonjs ? 'commonjs' : 'esm',
    members: { methods, properties: [], hasOthers: false },
  };
}
