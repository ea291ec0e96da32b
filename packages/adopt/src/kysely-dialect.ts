import { type CallExpression, type NewExpression, Node, SyntaxKind } from 'ts-morph';
import type { WrappedHandle } from './edits.ts';
import type { TextStyle } from './text-style.ts';

type Creation = NewExpression | CallExpression;

/** Puts `BridgeDialect` around the dialect of `new Kysely(…)`. */
export function wrapDialect(
  creation: Creation,
  name: string,
  { quote: q, indent }: TextStyle,
): WrappedHandle {
  const base = { module: 'changeover/kysely', imported: 'BridgeDialect' };
  const written = dialectOf(creation);
  if (written === undefined) throw new RangeError('That Kysely has no dialect that is written.');
  const { property, dialect } = written;
  const lead = lineIndent(property);
  const inner = lead + indent;
  const pooled = pooledDialect(dialect);
  const text = [
    'new BridgeDialect({',
    `${inner}name: ${q}${name}${q},`,
    `${inner}legacy: ${moved(dialect, inner)},`,
    `${inner}// TODO: ${pooled.todo}`,
    `${inner}pooled: ${moved(pooled.node, inner)},`,
    `${lead}})`,
  ].join('\n');
  const isShort = Node.isShorthandPropertyAssignment(property);
  return {
    ...base,
    edits: [
      {
        start: dialect.getStart(),
        end: dialect.getEnd(),
        text: isShort ? `dialect: ${text}` : text,
      },
    ],
    todos: [pooled.todo],
  };
}

/** Where the dialect of `new Kysely(…)` is written: there, or in the constant that it is given. */
export function dialectOf(
  creation: Creation,
): { readonly property: Node; readonly dialect: Node } | undefined {
  const [given] = creation.getArguments();
  const options = given !== undefined && Node.isIdentifier(given) ? initializerOf(given) : given;
  const property = Node.isObjectLiteralExpression(options)
    ? options.getProperty('dialect')
    : undefined;
  const dialect = Node.isPropertyAssignment(property)
    ? property.getInitializer()
    : Node.isShorthandPropertyAssignment(property)
      ? property.getNameNode()
      : undefined;
  return property === undefined || dialect === undefined ? undefined : { property, dialect };
}

/** The names that a dialect takes its connections from, where the file makes them. */
export function namesInDialect(dialect: Node): string[] {
  const made = (Node.isIdentifier(dialect) ? initializerOf(dialect) : undefined) ?? dialect;
  return made.getDescendantsOfKind(SyntaxKind.Identifier).map((one) => one.getText());
}

/** A second dialect that is written like the first one opens connections of its own. One whose pool is made elsewhere shares it. */
function pooledDialect(dialect: Node): { readonly node: Node; readonly todo: string } {
  const made = Node.isIdentifier(dialect) ? initializerOf(dialect) : dialect;
  const node = made !== undefined && Node.isNewExpression(made) ? made : dialect;
  const shared = made === undefined || sharesHandle(made);
  if (/:memory:/.test(node.getText()))
    return { node, todo: 'each has a database in memory of its own: give both one file.' };
  return shared
    ? { node, todo: 'this is the legacy connection once more. Give it a pool of its own.' }
    : { node, todo: 'this has the options of the legacy leg. Give it those of the pool.' };
}

/** An expression's text, with its lines indented as they are to be in another place. */
function moved(node: Node, indent: string): string {
  const [first = '', ...more] = node.getText().split('\n');
  const own = lineIndent(node);
  return [
    first,
    ...more.map((line) => indent + (line.startsWith(own) ? line.slice(own.length) : line)),
  ].join('\n');
}

function initializerOf(identifier: Node): Node | undefined {
  if (!Node.isIdentifier(identifier)) return undefined;
  for (const one of identifier.getDefinitionNodes())
    // What another file writes names what this one may not have.
    if (Node.isVariableDeclaration(one) && one.getSourceFile() === identifier.getSourceFile())
      return one.getInitializer();
  return undefined;
}

/** Whether a dialect is given a handle that is made elsewhere. */
function sharesHandle(made: Node): boolean {
  if (!Node.isNewExpression(made)) return true;
  return made.getDescendants().some((node) => {
    const isValue = Node.isPropertyAssignment(node) ? node.getInitializer() : undefined;
    if (Node.isShorthandPropertyAssignment(node))
      return /^(?:pool|database|db)$/.test(node.getName());
    return (
      Node.isPropertyAssignment(node) &&
      /^(?:pool|database)$/.test(node.getName()) &&
      isValue !== undefined &&
      isValue.getDescendantsOfKind(SyntaxKind.NewExpression).length === 0 &&
      !Node.isNewExpression(isValue)
    );
  });
}

function lineIndent(node: Node): string {
  const text = node.getSourceFile().getFullText();
  const line = text.lastIndexOf('\n', node.getStart() - 1) + 1;
  return /^[\t ]*/.exec(text.slice(line))?.[0] ?? '';
}
