import { type CallExpression, type Expression, Node, type SourceFile, SyntaxKind } from 'ts-morph';
import { type Imported, importedAs, importsOf } from './imported.ts';

const module = '@duckdb/node-api';

/** Every call of a file that makes a `DuckDBConnection`: of an instance that the file makes or is given, or with one of its own. */
export function duckdbConnectionsIn(file: SourceFile): CallExpression[] {
  const imports = importsOf(file);
  if (![...imports.values()].some((one) => one.module === module)) return [];
  return file.getDescendantsOfKind(SyntaxKind.CallExpression).filter((creation) => {
    const callee = creation.getExpression();
    if (!Node.isPropertyAccessExpression(callee)) return false;
    if (callee.getName() === 'create') return isOf('DuckDBConnection', callee, imports);
    if (callee.getName() !== 'connect') return false;
    const instance = withoutWaiting(callee.getExpression());
    return makesInstance(instance, imports) || isInstance(file, instance, imports);
  });
}

/** What makes the instance that a connection is of, where the connection is made of it at once and nothing else names it. */
export function unnamedInstance(creation: Node): Node | undefined {
  const callee = Node.isCallExpression(creation) ? creation.getExpression() : undefined;
  if (!Node.isPropertyAccessExpression(callee)) return undefined;
  const instance = withoutWaiting(callee.getExpression());
  return Node.isCallExpression(instance) ? instance : undefined;
}

/** `DuckDBInstance.create(file)`, `DuckDBInstance.fromCache(file)`. */
function makesInstance(node: Node, imports: ReadonlyMap<string, Imported>): boolean {
  const callee = Node.isCallExpression(node) ? node.getExpression() : undefined;
  return (
    Node.isPropertyAccessExpression(callee) &&
    /^(?:create|fromCache)$/.test(callee.getName()) &&
    isOf('DuckDBInstance', callee, imports)
  );
}

function isOf(
  name: string,
  callee: { getExpression(): Expression },
  imports: ReadonlyMap<string, Imported>,
): boolean {
  const owner = importedAs(callee.getExpression(), imports);
  return owner?.module === module && owner.name === name;
}

/** Whether an instance is put there by the file, or its type says so. */
function isInstance(
  file: SourceFile,
  place: Node,
  imports: ReadonlyMap<string, Imported>,
): boolean {
  const text = place.getText();
  const name = text.replace(/^this\./, '');
  return file.getDescendants().some((node) => {
    if (Node.isBinaryExpression(node))
      return (
        /^(?:\?\?|\|\|)?=$/.test(node.getOperatorToken().getText()) &&
        node.getLeft().getText() === text &&
        makesInstance(withoutWaiting(node.getRight()), imports)
      );
    if (
      !Node.isVariableDeclaration(node) &&
      !Node.isPropertyDeclaration(node) &&
      !Node.isParameterDeclaration(node)
    )
      return false;
    if (node.getName() !== name) return false;
    const value = Node.isParameterDeclaration(node) ? promisedTo(node) : node.getInitializer();
    return (
      /\bDuckDBInstance\b/.test(node.getTypeNode()?.getText() ?? '') ||
      (value !== undefined &&
        value !== place &&
        (makesInstance(withoutWaiting(value), imports) ||
          (Node.isParameterDeclaration(node) && isInstance(file, value, imports))))
    );
  });
}

/** Whose answer a function is called with: `of.then((answer) => …)`. */
function promisedTo(parameter: Node): Expression | undefined {
  const call = parameter.getParent()?.getParent();
  const callee = Node.isCallExpression(call) ? call.getExpression() : undefined;
  return Node.isPropertyAccessExpression(callee) && callee.getName() === 'then'
    ? callee.getExpression()
    : undefined;
}

function withoutWaiting(node: Node): Node {
  return Node.isAwaitExpression(node) ||
    Node.isParenthesizedExpression(node) ||
    Node.isNonNullExpression(node)
    ? withoutWaiting(node.getExpression())
    : node;
}
