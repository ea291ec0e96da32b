import { Node, VariableDeclarationKind } from 'ts-morph';
import { unnamedInstance } from './duckdb-handles.ts';
import type { Edit } from './edits.ts';
import type { TextStyle } from './text-style.ts';

/** Wraps the call that makes a DuckDB connection, which is promised, in the adapter's call. */
export function wrapDuckdb(
  creation: Node,
  name: string,
  { quote: q }: TextStyle,
): { readonly edit: Edit; readonly todos: readonly string[] } {
  const text = creation.getText();
  const instance = unnamedInstance(creation);
  const todos = /^[\w$.]+\.create\(\s*\)$/.test(text)
    ? ['make one DuckDBInstance, and both connections of it: until then every call stays at legacy']
    : [];
  const marked = todos.map((todo) => `/* TODO: ${todo} */ `).join('');
  const bridge = (connection: string, another = connection): string =>
    `bridgeConnection(await ${connection}, { ${marked}name: ${q}${name}${q}, pooled: async () => ${another} })`;
  if (instance !== undefined)
    return {
      edit: editOf(
        creation,
        `${instance.getText()}.then(async (instance) => ${bridge('instance.connect()')})`,
      ),
      todos: [],
    };
  const parent = creation.getParent();
  const isAwaited = Node.isAwaitExpression(parent);
  const canWait = isAwaited || isAnswerOfAsync(creation);
  const wrapped = bridge(text, another(creation));
  return {
    edit: editOf(isAwaited ? parent : creation, canWait ? wrapped : `(async () => ${wrapped})()`),
    todos,
  };
}

/** What makes one more. What can be put anew is not known to be there any more by the time that a function is called. */
function another(creation: Node): string {
  const text = creation.getText();
  const callee = Node.isCallExpression(creation) ? creation.getExpression() : undefined;
  const place = Node.isPropertyAccessExpression(callee) ? callee.getExpression() : undefined;
  const isTyped = /\.[cm]?tsx?$/.test(creation.getSourceFile().getFilePath());
  if (place === undefined || !isTyped) return text;
  const canChange =
    Node.isPropertyAccessExpression(place) ||
    (Node.isIdentifier(place) &&
      place
        .getDefinitionNodes()
        .some(
          (one) =>
            Node.isVariableDeclaration(one) &&
            one.getVariableStatement()?.getDeclarationKind() === VariableDeclarationKind.Let,
        ));
  return canChange ? `${place.getText()}!${text.slice(place.getText().length)}` : text;
}

function editOf(node: Node, text: string): Edit {
  return { start: node.getStart(), end: node.getEnd(), text };
}

/** Whether an asynchronous function gives it as its answer, so that it may wait for it as well. */
function isAnswerOfAsync(creation: Node): boolean {
  const parent = creation.getParent();
  const owner = Node.isReturnStatement(parent)
    ? parent.getFirstAncestor((one) => Node.isFunctionLikeDeclaration(one))
    : parent;
  return Node.isAsyncable(owner) && owner.isAsync();
}
