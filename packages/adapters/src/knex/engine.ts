import { WiringError } from '@changeover/bridge';
import type { StatementClassifier } from '@changeover/classify';
import { createPostgresClassifier } from '@changeover/classify/postgresql';
import { createSqliteClassifier } from '@changeover/classify/sqlite';
import { numberOf, postgresStateSql, sqliteStateSql, stateIn } from '../shared/data-state.ts';
import type { ParsedOptions } from './bridge-knex-options.ts';
import type { KnexClient, KnexQuery, RawConnection } from './knex-client.ts';
import type { KnexLeg } from './leg.ts';

/** What the adapter must know of a database. */
export interface Engine {
  readonly classifier: StatementClassifier;
  /** Whether no lock of its session is held on a connection. Undefined: nothing that holds one can be asked. */
  readonly holdsNoLock?:
    ((client: KnexClient, connection: RawConnection) => Promise<boolean>) | undefined;
  /** See `Leg.state`. Undefined: it can't be told. */
  readonly state?: (() => Promise<string | undefined>) | undefined;
}

/**
 * What is known of a client's engine.
 *
 * @throws {WiringError} for an engine that there is no classifier for.
 */
export function engineOf(
  { dialect, driverName }: KnexClient,
  { classifier, pure }: ParsedOptions,
  leg: Pick<KnexLeg, 'withConnection'>,
): Engine {
  if (classifier !== undefined) return { classifier };
  const ask = (sql: string, bindings: readonly unknown[] = []): Promise<readonly Row[]> =>
    leg.withConnection((client, connection) => rowsOn(client, connection, sql, bindings));
  if (dialect === 'postgresql')
    return {
      classifier: createPostgresClassifier({ query: ask, pure }),
      holdsNoLock,
      state: async () => stateIn(await ask(postgresStateSql)),
    };
  if (dialect === 'sqlite3')
    return {
      classifier: createSqliteClassifier({
        pure,
        readSchema: async () => (await ask(schemaSql)).map(({ sql }) => String(sql)),
      }),
      state: () =>
        leg.withConnection(async (client, connection) => {
          const state = stateIn(await rowsOn(client, connection, sqliteStateSql, []));
          return state && `${String(numberOf(connection))}:${state}`;
        }),
    };
  throw new WiringError(
    `There is no classifier for the client ${driverName}: what its statements do can't be told. ` +
      'Give one as the option classifier.',
  );
}

type Row = Readonly<Record<string, unknown>>;

const schemaSql = 'select sql from sqlite_schema where sql is not null order by rowid';

const locksSql =
  "select from pg_catalog.pg_locks where locktype = 'advisory' and pid = pg_catalog.pg_backend_pid()";

async function holdsNoLock(client: KnexClient, connection: RawConnection): Promise<boolean> {
  return (await rowsOn(client, connection, locksSql, [])).length === 0;
}

async function rowsOn(
  client: KnexClient,
  connection: RawConnection,
  sql: string,
  bindings: readonly unknown[],
): Promise<readonly Row[]> {
  return rowsIn(await client._query(connection, { sql, bindings, method: 'raw' })) as Row[];
}

/** The rows of a driver's response; undefined where it has none. */
export function rowsIn({ response }: KnexQuery): readonly unknown[] | undefined {
  if (Array.isArray(response)) return response as readonly unknown[];
  const { rows } = (response ?? {}) as { readonly rows?: unknown };
  return Array.isArray(rows) ? (rows as readonly unknown[]) : undefined;
}
