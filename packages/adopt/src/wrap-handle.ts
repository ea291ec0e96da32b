import { Node, SyntaxKind } from 'ts-morph';
import type { Edit } from './edits.ts';
import type { Handle, HandleKind } from './handles.ts';
import type { TextStyle } from './text-style.ts';
import { wrapDuckdb } from './wrap-duckdb.ts';

/** What a wrapped handle needs. */
export interface WrappedHandle {
  readonly edits: readonly Edit[];
  readonly module: string;
  readonly imported: string;
  readonly todos: readonly string[];
}

const adapters: Readonly<
  Record<Exclude<HandleKind, 'kysely' | 'duckdb'>, readonly [module: string, name: string]>
> = {
  'better-sqlite3': ['changeover/better-sqlite3', 'bridgeDatabase'],
  'pg.Client': ['changeover/pg', 'bridgeClient'],
  'pg.Pool': ['changeover/pg', 'bridgePool'],
  knex: ['changeover/knex', 'bridgeKnex'],
};

/** Wraps the expression that makes a handle in the adapter's call; of Kysely its dialect. */
export function wrapHandle(
  { kind, creation }: Handle,
  name: string,
  style: TextStyle,
): WrappedHandle {
  const { quote: q } = style;
  if (kind === 'kysely') return wrapDialect({ kind, creation }, name, style);
  if (kind === 'duckdb') {
    const { edit, todos } = wrapDuckdb(creation, name, style);
    return { module: 'changeover/duckdb', imported: 'bridgeConnection', edits: [edit], todos };
  }
  const [module, imported] = adapters[kind];
  const memory =
    (kind === 'better-sqlite3' && isInMemory(creation)) ||
    (kind === 'knex' && creation.getText().includes(':memory:'));
  return {
    module,
    imported,
    edits: [
      { start: creation.getStart(), end: creation.getStart(), text: `${imported}(` },
      {
        start: creation.getEnd(),
        end: creation.getEnd(),
        text: `, { name: ${q}${name}${q}${optionsOf(kind, creation)} })`,
      },
    ],
    todos: memory ? ['a database in memory has one connection only and stays at legacy'] : [],
  };
}

/** A handle does not tell these options of its own, which its adapter's connections need too. */
function optionsOf(kind: HandleKind, creation: Handle['creation']): string {
  const [, options] = creation.getArguments();
  const text = options?.getText() ?? '';
  if (kind !== 'better-sqlite3' || !/\b(?:verbose|nativeBinding)\b/.test(text)) return '';
  const made = `${Node.isNewExpression(creation) ? 'new ' : ''}${creation.getExpression().getText()}`;
  return `, pooled: (file) => ${made}(file, ${text})`;
}

function isInMemory(creation: Node): boolean {
  return /\(\s*(?:\)|['"`](?::memory:)?['"`])/.test(creation.getText());
}

function wrapDialect(
  { creation }: Handle,
  name: string,
  { quote: q, indent }: TextStyle,
): WrappedHandle {
  const base = { module: 'changeover/kysely', imported: 'BridgeDialect' };
  const [options] = creation.getArguments();
  const property = Node.isObjectLiteralExpression(options)
    ? options.getProperty('dialect')
    : undefined;
  const dialect = Node.isPropertyAssignment(property)
    ? property.getInitializer()
    : Node.isShorthandPropertyAssignment(property)
      ? property.getNameNode()
      : undefined;
  if (dialect === undefined || property === undefined)
    return {
      ...base,
      edits: [],
      todos: ['the dialect is not written where Kysely is made: put BridgeDialect around it'],
    };
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
    if (Node.isVariableDeclaration(one) && !one.getSourceFile().isDeclarationFile())
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
