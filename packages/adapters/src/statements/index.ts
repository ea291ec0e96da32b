import type { StatementClassifier } from '@changeover/bridge';
import type { Statement, StatementClassifier as Learning } from '@changeover/classify';
import { createDuckdbClassifier, type DuckdbConnection } from '@changeover/classify/duckdb';
import { createPostgresClassifier, type PostgresQuery } from '@changeover/classify/postgresql';
import { createSqliteClassifier } from '@changeover/classify/sqlite';
import { traitsOf } from '../shared/statement-traits.ts';

export type { DuckdbConnection, PostgresQuery };

/** What every classifier for `bySql` takes. */
export interface StatementsOptions {
  /** Functions of the program's or the database's own that change nothing and depend on their arguments and the tables alone; on
   * PostgreSQL and DuckDB as `schema.name` or `schema.*`. Statements that call any other run once and are not compared. Default: none. */
  readonly pure?: readonly string[] | undefined;
}

/** A classifier for `bySql`. */
export interface Statements extends StatementClassifier {
  /** Ends what it opened itself: DuckDB's connection. Afterwards every statement counts as acting. Idempotent. */
  close(): Promise<void>;
}

/**
 * Tells what statements do by SQLite itself, on a copy of the schema in memory, for `bySql`:
 *
 * ```ts
 * const readSchema = () =>
 *   db.prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid').pluck().all();
 * createBridge({ …, operations: { query: bySql(sqliteStatements(readSchema)) } });
 * ```
 *
 * A text that is seen for the first time counts as acting until it is learned, in the background.
 *
 * @param readSchema the statements of the file's schema, asked in the background of whoever has the file open: it is not opened here.
 * @throws {RangeError} for an option that can't be used.
 */
export function sqliteStatements(
  readSchema: () => readonly string[] | Promise<readonly string[]>,
  { pure = [] }: StatementsOptions = {},
): Statements {
  return over(createSqliteClassifier({ readSchema, pure }));
}

/**
 * Tells what statements do by PostgreSQL's own parser and the server's catalogue, for `bySql`. Needs `libpg-query`
 * (`npm install libpg-query`); without it all statements count as acting.
 *
 * @param query asks the catalogue, in the background, one statement at a time, with the `search_path` that the program's statements have:
 * `(sql, values) => pool.query(sql, values).then(({ rows }) => rows)`.
 * @throws {RangeError} for an option that can't be used.
 */
export function postgresStatements(
  query: PostgresQuery,
  { pure = [] }: StatementsOptions = {},
): Statements {
  return over(createPostgresClassifier({ query, pure }));
}

/**
 * Tells what statements do by DuckDB's own parser, for `bySql`.
 *
 * @param connect opens a connection to the program's instance for this alone: `() => instance.connect()`. It is closed by `close()`.
 * @throws {RangeError} for an option that can't be used.
 */
export function duckdbStatements(
  connect: () => Promise<DuckdbConnection>,
  { pure = [] }: StatementsOptions = {},
): Statements {
  return over(createDuckdbClassifier({ connect, pure }));
}

/** How long after a statement that changes the schema all is learned anew, in ms: nobody tells when it has taken effect. */
const unsettledMs = 5_000;
/** How often meanwhile, in ms. */
const betweenMs = 100;

function over(classifier: Learning): Statements {
  let unsettledUntil = 0;
  let learnedAt = 0;
  return {
    classify: (sql) => {
      const now = performance.now();
      if (now < unsettledUntil && now - learnedAt >= betweenMs) {
        learnedAt = now;
        classifier.schemaChanged();
      }
      const statement = classifier.classify(sql);
      const { known, changesSchema } = traitsOf(statement);
      if (known && changesSchema) unsettledUntil = now + unsettledMs;
      return kindOf(statement);
    },
    close: () => classifier.close(),
  };
}

const unknown = Object.freeze({ effect: 'unknown' } as const);

/** What reads or sets the connection that it runs on is left to the answering leg. */
function kindOf(statement: Statement | 'pending'): ReturnType<StatementClassifier['classify']> {
  if (statement === 'pending') return unknown;
  const { reads, readsSettings, undetermined } = traitsOf(statement);
  const { effect, order, shape } = statement;
  if (!reads || readsSettings)
    return { effect: effect === 'unknown' ? 'unknown' : 'acts', shape, order: 'none' };
  return { effect: 'reads', order: order === 'total' ? 'total' : 'none', shape, undetermined };
}
