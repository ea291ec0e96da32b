import { createRequire } from 'node:module';
import type * as libpgQuery from 'libpg-query';

/** A node of PostgreSQL's syntax tree: fields by name, each a value, a node or a list of them. */
export type Node = Readonly<Record<string, unknown>>;

/** What is used of `libpg-query`: PostgreSQL's own parser, as WebAssembly. */
export interface PostgresParser {
  /** The statements of a text, each under the name of its type. Throws an `Error` with the parser's message. */
  parseSync(sql: string): { readonly stmts?: readonly { readonly stmt?: Node }[] };
  /** The body of a `CREATE FUNCTION` in PL/pgSQL. Throws as well. */
  parsePlPgSQLSync(definition: string): unknown;
}

let loading: Promise<PostgresParser> | undefined;

/**
 * The parser, loaded when first needed and once a process: it has no state but its memory (22 MB).
 *
 * @throws Error that says what to install, if `libpg-query` is not there.
 */
export function loadParser(): Promise<PostgresParser> {
  loading ??= load().catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function load(): Promise<PostgresParser> {
  const parser = requireParser();
  await parser.loadModule();
  return {
    parseSync: (sql) => parser.parseSync(sql),
    parsePlPgSQLSync: (definition) => parser.parsePlPgSQLSync(definition),
  };
}

/** Out of sight of bundlers, for its WebAssembly lies beside it and is not found from within a bundle. There this file is nowhere, and
 * the working folder stands for it. */
function requireParser(): typeof libpgQuery {
  let cause: unknown;
  for (const from of [import.meta.url, `${process.cwd()}/package.json`]) {
    try {
      return createRequire(from)('libpg-query') as typeof libpgQuery;
    } catch (error) {
      cause = error;
    }
  }
  throw new Error(
    'PostgreSQL statements are classified by its own parser: install libpg-query 18',
    { cause },
  );
}

/** The statements of a text. Throws what the parser throws. */
export function statementsOf(parser: PostgresParser, sql: string): Node[] {
  const statements = parser.parseSync(sql).stmts ?? [];
  return statements.flatMap(({ stmt }) => (stmt === undefined ? [] : [stmt]));
}

/** A node's field, if it is a node. */
export function node(value: unknown): Node | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Node)
    : undefined;
}

/** A node's field as a list of nodes; empty if it is none. */
export function nodes(value: unknown): readonly Node[] {
  return Array.isArray(value) ? value.filter((each): each is Node => node(each) !== undefined) : [];
}

/** A node's field, if it is a text. */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** What stands under the one name of a wrapped node: `{ FuncCall: {...} }`. */
export function unwrap(wrapped: Node): { readonly type: string; readonly fields: Node } {
  const [type = ''] = Object.keys(wrapped);
  return { type, fields: node(wrapped[type]) ?? {} };
}

/** A list of names, as `[{ String: { sval: 'pg_catalog' } }, …]`. */
export function namesOf(value: unknown): string[] {
  return nodes(value).flatMap((each) => text(node(each['String'])?.['sval']) ?? []);
}

/** Whether `libpg-query` is there and works; without it every statement is `unknown`. */
export function hasPostgresParser(): Promise<boolean> {
  return loadParser().then(
    () => true,
    () => false,
  );
}

/** A query of one row that gives an expression's value. */
export function selectOf(expression: Node): Node {
  return { SelectStmt: { targetList: [{ ResTarget: { val: expression } }], op: 'SETOP_NONE' } };
}
