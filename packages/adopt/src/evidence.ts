import { Node, SyntaxKind } from 'ts-morph';
import { effectOf, isSql } from './sql-effect.ts';

/** What the body of a method shows of what it does. */
export interface Evidence {
  readonly reads: boolean;
  readonly acts: boolean;
  /** It acts on rows, and not only on a field of its object, as a cache does. */
  readonly writesRows: boolean;
  readonly beginsTransaction: boolean;
  /** It sets a field of its object: what opens a connection does. */
  readonly setsField: boolean;
  /** Something in it can't be told: a statement that is put together, or none was seen. */
  readonly unsure: boolean;
  readonly because: string;
}

/** Query builders' methods that act, of Kysely, knex, Drizzle, Prisma and the like. */
const buildersActing =
  /^(?:insertInto|insert|updateTable|update|updateMany|deleteFrom|delete|deleteMany|del|upsert|create|createMany|mergeInto|replaceInto|truncate)$/;
const buildersReading = /^(?:selectFrom|select|findMany|findUnique|findFirst|findOne|first|pluck)$/;
/** Methods that change a list, a map or a set. */
const changing = /^(?:push|pop|shift|unshift|splice|set|delete|clear|add|sort|reverse|fill)$/;
const files = /^(?:writeFile|appendFile|unlink|rm|rmdir|mkdir|rename|copyFile|truncate)(?:Sync)?$/;
const deepest = 6;

interface Found {
  reads: boolean;
  acts: boolean;
  writesRows: boolean;
  beginsTransaction: boolean;
  setsField: boolean;
  unsure: boolean;
  because: string | undefined;
}

/** Looks at a body, and at the project's own functions that it calls. */
export function evidenceOf(body: Node | undefined): Evidence {
  const found: Found = {
    reads: false,
    acts: false,
    writesRows: false,
    beginsTransaction: false,
    setsField: false,
    unsure: false,
    because: undefined,
  };
  if (body !== undefined) look(body, found, new Set(), 0);
  return {
    ...found,
    unsure: found.unsure || (!found.reads && !found.acts),
    because: found.because ?? 'nothing in it tells',
  };
}

function look(body: Node, found: Found, seen: Set<Node>, depth: number): void {
  if (seen.has(body) || depth > deepest) return;
  seen.add(body);
  for (const node of [body, ...body.getDescendants()]) {
    if (
      Node.isStringLiteral(node) ||
      Node.isNoSubstitutionTemplateLiteral(node) ||
      Node.isTemplateExpression(node)
    )
      lookAtText(node, found);
    else if (Node.isCallExpression(node)) lookAtCall(node.getExpression(), found);
    else if (isAssignment(node)) lookAtAssignment(node, found, body);
    else if (Node.isIdentifier(node)) lookAtName(node, found, seen, depth);
  }
}

function lookAtText(node: Node, found: Found): void {
  const text = textOf(node);
  if (!isSql(text)) return;
  const effect = effectOf(text);
  const short = text.trim().split(/\s+/).slice(0, 3).join(' ');
  if (/^\s*(?:begin|start\s+transaction)\b/i.test(text)) found.beginsTransaction = true;
  if (effect === 'reads') {
    found.reads = true;
    found.because ??= `it runs ${short}`;
  } else if (effect === 'acts') {
    found.acts = true;
    found.writesRows = true;
    found.because = `it runs ${short}`;
  } else found.unsure = true;
}

/** A text with a placeholder for each of its expressions. */
function textOf(node: Node): string {
  if (Node.isStringLiteral(node) || Node.isNoSubstitutionTemplateLiteral(node))
    return node.getLiteralText();
  if (!Node.isTemplateExpression(node)) return '';
  const spans = node.getTemplateSpans().map((span) => `x${span.getLiteral().getLiteralText()}`);
  return [node.getHead().getLiteralText(), ...spans].join('');
}

function lookAtCall(callee: Node, found: Found): void {
  if (!Node.isPropertyAccessExpression(callee)) return;
  const name = callee.getName();
  const owner = callee.getExpression();
  if (name === 'transaction' || name === 'startTransaction') found.beginsTransaction = true;
  if (isState(owner) && changing.test(name) && isCollection(owner)) {
    found.acts = true;
    found.because ??= `it changes ${owner.getText()}`;
  } else if (isState(owner) && isCollection(owner)) {
    found.reads = true;
    found.because ??= `it looks into ${owner.getText()}`;
  } else if (files.test(name)) {
    found.acts = true;
    found.writesRows = true;
    found.because = `it calls ${name}`;
  } else if (isState(rootOf(owner)) || isState(owner)) {
    if (buildersActing.test(name) && !isCollection(owner)) {
      found.acts = true;
      found.writesRows = true;
      found.because = `it calls ${name}()`;
    } else if (buildersReading.test(name)) {
      found.reads = true;
      found.because ??= `it calls ${name}()`;
    }
  }
}

function isAssignment(node: Node): boolean {
  if (Node.isBinaryExpression(node)) {
    const operator = node.getOperatorToken().getKind();
    return operator >= SyntaxKind.FirstAssignment && operator <= SyntaxKind.LastAssignment;
  }
  if (Node.isPrefixUnaryExpression(node) || Node.isPostfixUnaryExpression(node))
    return [SyntaxKind.PlusPlusToken, SyntaxKind.MinusMinusToken].includes(node.getOperatorToken());
  return Node.isDeleteExpression(node);
}

function lookAtAssignment(node: Node, found: Found, body: Node): void {
  const target = Node.isBinaryExpression(node)
    ? node.getLeft()
    : Node.isPrefixUnaryExpression(node) || Node.isPostfixUnaryExpression(node)
      ? node.getOperand()
      : Node.isDeleteExpression(node)
        ? node.getExpression()
        : undefined;
  if (target === undefined) return;
  const root = rootOf(target);
  if (Node.isIdentifier(root) && isWithin(root, body)) return;
  found.acts = true;
  if (target.getText().startsWith('this.')) found.setsField = true;
  found.because ??= `it sets ${target.getText()}`;
}

/** `this.rows.length` begins with `this.rows`; `a.b.c()` with `a`. */
function rootOf(node: Node): Node {
  if (Node.isPropertyAccessExpression(node)) {
    const owner = node.getExpression();
    return owner.isKind(SyntaxKind.ThisKeyword) ? node : rootOf(owner);
  }
  if (
    Node.isElementAccessExpression(node) ||
    Node.isCallExpression(node) ||
    Node.isNonNullExpression(node)
  )
    return rootOf(node.getExpression());
  return node;
}

/** Something that outlives the call: a field of the object, a variable of the module. */
function isState(node: Node): boolean {
  const root = rootOf(node);
  if (Node.isPropertyAccessExpression(root)) return true;
  return Node.isIdentifier(root) && declarationsOf(root).some(isOfModule);
}

function isOfModule(declaration: Node): boolean {
  if (Node.isImportSpecifier(declaration) || Node.isImportClause(declaration)) return true;
  if (!Node.isVariableDeclaration(declaration)) return false;
  return Node.isSourceFile(declaration.getVariableStatement()?.getParent());
}

function isCollection(node: Node): boolean {
  const type = node.getType();
  const name = type.getSymbol()?.getName() ?? '';
  return type.isArray() || ['Map', 'Set', 'WeakMap', 'WeakSet', 'Array'].includes(name);
}

function isWithin(identifier: Node, body: Node): boolean {
  const declarations = declarationsOf(identifier);
  return (
    declarations.length > 0 &&
    declarations.every((one) => one.getSourceFile() === body.getSourceFile() && !isOfModule(one))
  );
}

function declarationsOf(node: Node): Node[] {
  return node.getSymbol()?.getDeclarations() ?? [];
}

/** Follows a name to the project's own function, method, constant or field: a statement may be written there. */
function lookAtName(node: Node, found: Found, seen: Set<Node>, depth: number): void {
  const symbol = node.getSymbol();
  const declarations = (symbol?.getAliasedSymbol() ?? symbol)?.getDeclarations() ?? [];
  for (const declaration of declarations) {
    if (
      declaration.getSourceFile().isDeclarationFile() ||
      declaration.getSourceFile().isInNodeModules()
    )
      continue;
    if (
      Node.isFunctionDeclaration(declaration) ||
      Node.isMethodDeclaration(declaration) ||
      Node.isGetAccessorDeclaration(declaration)
    ) {
      const body = declaration.getBody();
      if (body !== undefined) look(body, found, seen, depth + 1);
    } else if (
      (Node.isVariableDeclaration(declaration) && isOfModule(declaration)) ||
      Node.isPropertyDeclaration(declaration) ||
      Node.isPropertyAssignment(declaration)
    ) {
      const initializer = declaration.getInitializer();
      if (initializer !== undefined && isFollowed(initializer))
        look(initializer, found, seen, depth + 1);
      lookAtConstructor(declaration, found, seen, depth);
    }
  }
}

/** A statement, a prepared one, a function. What makes the handle is no part of what its methods do. */
function isFollowed(node: Node): boolean {
  if (Node.isStringLiteral(node) || Node.isNoSubstitutionTemplateLiteral(node)) return true;
  if (Node.isTemplateExpression(node) || Node.isTaggedTemplateExpression(node)) return true;
  if (Node.isArrowFunction(node) || Node.isFunctionExpression(node)) return true;
  if (!Node.isCallExpression(node)) return false;
  const callee = node.getExpression();
  return (
    Node.isPropertyAccessExpression(callee) &&
    (['prepare', 'transaction'].includes(callee.getName()) || isFollowed(callee.getExpression()))
  );
}

/** `this.find = db.prepare('select …')` in a constructor. */
function lookAtConstructor(property: Node, found: Found, seen: Set<Node>, depth: number): void {
  if (!Node.isPropertyDeclaration(property)) return;
  const name = property.getName();
  const owner = property.getParent();
  if (!Node.isClassDeclaration(owner) && !Node.isClassExpression(owner)) return;
  for (const constructor of owner.getConstructors())
    for (const assigned of constructor.getDescendantsOfKind(SyntaxKind.BinaryExpression))
      if (assigned.getLeft().getText() === `this.${name}` && isFollowed(assigned.getRight()))
        look(assigned.getRight(), found, seen, depth + 1);
}
