import type { WritesSeen } from '@changeover/core';
import { type Program, type StepResult, withEachStep } from '../program.ts';
import { textIn } from '../rows.ts';
import { leadingWords } from '../sql-text.ts';

/** A table that a plan reads. */
interface Relation {
  readonly schema: string;
  readonly name: string;
}

type PlanNode = Readonly<Record<string, unknown>>;

/** Nodes by which fewer rows of the tables give no other rows of the answer, only fewer. */
const monotone: ReadonlySet<string> = new Set([
  ...['Seq Scan', 'Index Scan', 'Index Only Scan', 'Bitmap Heap Scan', 'Bitmap Index Scan'],
  ...['BitmapAnd', 'BitmapOr', 'Tid Scan', 'Tid Range Scan', 'Values Scan', 'Result', 'Append'],
  ...['Merge Append', 'Nested Loop', 'Hash Join', 'Merge Join', 'Hash', 'Sort', 'Unique'],
  ...['Incremental Sort', 'Materialize', 'Memoize', 'Gather', 'Gather Merge', 'Subquery Scan'],
]);
/** Tables with more pages are not gone through. */
const maxBytes = 64 * 1024 * 1024;
const maxTables = 8;

/**
 * PostgreSQL, in a snapshot: runs a read, and tells what the transactions that wrote the rows of its tables show of writes since a mark.
 * Of a row that was removed nothing is left to see.
 *
 * @param mark a `pg_current_snapshot()`.
 * @returns undefined where a row, or the schema, was written since, or where the read is not as simple as it has to be to tell.
 */
export function* rowsWritten(
  read: Program<unknown>,
  mark: string,
): Program<WritesSeen | undefined> {
  const relations = new Map<string, Relation>();
  const texts: string[] = [];
  const unknown: string[] = [];
  yield* withEachStep(read, function* (step): Program<StepResult> {
    const result = yield step;
    if (!('sql' in step)) return result;
    if (!explainable.has(leadingWords(step.sql, 1, 'postgresql')[0] ?? '')) unknown.push(step.sql);
    if (unknown.length > 0) return result;
    const sql = `EXPLAIN (VERBOSE, FORMAT JSON) ${step.sql}`;
    const { rows } = yield { kind: 'all', sql, params: step.params };
    const plans = plansIn(rows[0]?.['QUERY PLAN']);
    if (!plans.every((plan) => noteRelations(plan, relations))) unknown.push(step.sql);
    texts.push(step.sql, JSON.stringify(plans));
    return result;
  });
  const oldest = /^(\d+):/.exec(mark)?.[1];
  const tables = [...relations.values()];
  if (
    unknown.length > 0 ||
    oldest === undefined ||
    tables.length === 0 ||
    tables.length > maxTables
  )
    return undefined;
  const isNew = writtenSince(BigInt(oldest));
  if (!(yield* isUnchanged(tables, isNew))) return undefined;
  if (yield* runsOwnCode(tables, texts.join('\n'))) return undefined;
  for (const { schema, name } of tables) {
    const table = `${quoted(schema)}.${quoted(name)}`;
    const sql = `SELECT 1 AS written FROM ONLY ${table} WHERE ${isNew('xmin')} LIMIT 1`;
    const { rows } = yield { kind: 'all', sql };
    if (rows.length > 0) return undefined;
  }
  return 'removals at most';
}

const explainable: ReadonlySet<string> = new Set(['SELECT', 'WITH', 'VALUES', 'TABLE']);

/** JSON comes as text, or as what it says. */
function plansIn(told: unknown): readonly PlanNode[] {
  const plans = (typeof told === 'string' ? JSON.parse(told) : told) as readonly PlanNode[];
  return plans.map((plan) => plan['Plan'] as PlanNode);
}

/** Notes the tables of a plan; false where not all of it is monotone in their rows. */
function noteRelations(node: PlanNode, relations: Map<string, Relation>): boolean {
  const type = String(node['Node Type']);
  const join = node['Join Type'];
  if (!monotone.has(type) || /^(?:Sub|Init)Plan$/.test(String(node['Parent Relationship'])))
    return false;
  if (join !== undefined && join !== 'Inner' && join !== 'Semi') return false;
  const { Schema: schema, 'Relation Name': name } = node;
  if (typeof name === 'string') {
    if (typeof schema !== 'string') return false;
    relations.set(JSON.stringify([schema, name]), { schema, name });
  }
  const inner = (node['Plans'] ?? []) as readonly PlanNode[];
  return inner.every((each) => noteRelations(each, relations));
}

/** A condition: the transaction in a column is none of those that had ended by the mark. Numbers of transactions go round. */
function writtenSince(oldest: bigint): (column: string) => string {
  const from = String(oldest % 2n ** 32n);
  return (column) =>
    `(${column}::pg_catalog.text::pg_catalog.int8 > 2 AND ` +
    `(${column}::pg_catalog.text::pg_catalog.int8 - ${from} + 4294967296) % 4294967296 < 2147483648)`;
}

const namedSql = (tables: readonly Relation[]): string => `
  named AS (
    SELECT c.oid, c.relkind, c.xmin FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE (n.nspname, c.relname) IN (${tables.map((_table, at) => `($${String(2 * at + 1)}, $${String(2 * at + 2)})`).join(', ')})
      AND n.nspname <> 'pg_catalog'),
  typed AS (SELECT atttypid AS oid FROM pg_catalog.pg_attribute WHERE attrelid IN (SELECT oid FROM named))`;

const namesOf = (tables: readonly Relation[]): string[] =>
  tables.flatMap(({ schema, name }) => [schema, name]);

/** They are tables of a moderate size, and nobody has changed what they are since, nor the views over them. */
function* isUnchanged(
  tables: readonly Relation[],
  isNew: (column: string) => string,
): Program<boolean> {
  const changed = [
    ['attribute', 'attrelid', 'named'],
    ['type', 'oid', 'typed'],
    ['enum', 'enumtypid', 'typed'],
    ['rewrite', 'ev_class', 'seen'],
    ['policy', 'polrelid', 'named'],
    ['inherits', 'inhrelid', 'named'],
  ].map(
    ([name = '', column = '', of = '']) =>
      `EXISTS (SELECT FROM pg_catalog.pg_${name} WHERE ${column} IN (SELECT oid FROM ${of}) AND ${isNew('xmin')})`,
  );
  const sql = `
    WITH RECURSIVE ${namedSql(tables)},
    seen (oid) AS (
      SELECT oid FROM named
      UNION SELECT r.ev_class FROM seen
        JOIN pg_catalog.pg_depend d ON d.refobjid = seen.oid AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid)
    SELECT
      (SELECT pg_catalog.count(*) FROM named WHERE relkind IN ('r', 'm') AND NOT ${isNew('xmin')}
        AND pg_catalog.pg_relation_size(oid) <= ${String(maxBytes)}) = ${String(tables.length)}
      AND NOT (${changed.join(' OR ')}) AS unchanged`;
  const { rows } = yield { kind: 'all', sql, params: namesOf(tables) };
  return rows[0]?.['unchanged'] === true;
}

/**
 * Whether a function, an operator or a cast of somebody's own may be among what a read evaluates: it may read any table. A function is
 * known by its name, which the plan shows, or the statement where it was evaluated for the plan; a cast by the types.
 *
 * @param text all that the statements and their plans say.
 */
function* runsOwnCode(tables: readonly Relation[], text: string): Program<boolean> {
  const sql = `
    WITH ${namedSql(tables)},
    own AS (
      SELECT p.oid, p.proname FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
      WHERE p.oid >= 16384 AND l.lanname NOT IN ('internal', 'c'))
    SELECT proname::pg_catalog.text AS name FROM own
    UNION SELECT oprname::pg_catalog.text FROM pg_catalog.pg_operator WHERE oprcode::pg_catalog.oid IN (SELECT oid FROM own)
    UNION SELECT CASE WHEN castsource IN (SELECT oid FROM typed) THEN '' ELSE typname::pg_catalog.text END
      FROM pg_catalog.pg_cast JOIN pg_catalog.pg_type t ON t.oid = casttarget WHERE castfunc IN (SELECT oid FROM own)`;
  const { rows } = yield { kind: 'all', sql, params: namesOf(tables) };
  const said = text.toLowerCase();
  const words = new Set(said.match(/[\p{L}_][\p{L}\d_$]*|[-+*/<>=~!@#%^&|`?]+/gu));
  return rows.some((row) => {
    const name = textIn(row, 'name').toLowerCase();
    // A name of more than one word is looked for as it is; the empty one is in every text.
    return (
      words.has(name) ||
      (!/^(?:[\p{L}_][\p{L}\d_$]*|[-+*/<>=~!@#%^&|`?]+)$/u.test(name) && said.includes(name))
    );
  });
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
