import { WiringError } from '@changeover/bridge';
import type { StatementClassifier } from '@changeover/classify';
import { createPostgresClassifier } from '@changeover/classify/postgresql';
import { createSqliteClassifier } from '@changeover/classify/sqlite';
import {
  CompiledQuery,
  type DatabaseConnection,
  PGliteAdapter,
  PostgresAdapter,
  SqliteAdapter,
} from 'kysely';

import type { ParsedOptions } from './bridge-dialect-options.ts';

/** Where the classifier asks for what it must know of the database. */
interface Connections {
  withConnection<T>(work: (connection: DatabaseConnection) => Promise<T>): Promise<T>;
}

/** What the adapter must know of a database. */
export interface Engine {
  readonly classifier: StatementClassifier;
  /** Whether no lock of its session is held on a connection. Undefined: nothing that holds one can be asked. */
  readonly holdsNoLock?: ((connection: DatabaseConnection) => Promise<boolean>) | undefined;
}

/**
 * What is known of a dialect's engine, which is told by its adapter.
 *
 * @throws {WiringError} for an engine that there is no classifier for.
 */
export function engineOf(
  options: Pick<ParsedOptions, 'legacy' | 'classifier' | 'pure'>,
  connections: Connections,
): Engine {
  if (options.classifier !== undefined) return { classifier: options.classifier };
  const ask = async (
    sql: string,
    parameters: readonly unknown[] = [],
  ): Promise<readonly Readonly<Record<string, unknown>>[]> => {
    const { rows } = await connections.withConnection((connection) =>
      connection.executeQuery<Record<string, unknown>>(CompiledQuery.raw(sql, [...parameters])),
    );
    return rows;
  };
  const adapter = options.legacy.createAdapter();
  if (adapter instanceof PostgresAdapter || adapter instanceof PGliteAdapter)
    return {
      classifier: createPostgresClassifier({ query: ask, pure: options.pure }),
      holdsNoLock: noAdvisoryLock,
    };
  if (adapter instanceof SqliteAdapter)
    return {
      classifier: createSqliteClassifier({
        pure: options.pure,
        readSchema: async () => (await ask(schemaSql)).map(({ sql }) => String(sql)),
      }),
    };
  throw new WiringError(
    `There is no classifier for the dialect with ${adapter.constructor.name}: what its statements do can't be told. ` +
      'Give one as the option classifier.',
  );
}

const schemaSql = 'select sql from sqlite_schema where sql is not null order by rowid';

const locksSql =
  "select from pg_catalog.pg_locks where locktype = 'advisory' and pid = pg_catalog.pg_backend_pid()";

async function noAdvisoryLock(connection: DatabaseConnection): Promise<boolean> {
  return (await connection.executeQuery(CompiledQuery.raw(locksSql))).rows.length === 0;
}
