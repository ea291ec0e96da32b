import { WiringError } from '@changeover/bridge';
import type { StatementClassifier } from '@changeover/classify';
import { createPostgresClassifier } from '@changeover/classify/postgresql';
import { createSqliteClassifier } from '@changeover/classify/sqlite';
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type DialectAdapter,
  PGliteAdapter,
  PostgresAdapter,
  SqliteAdapter,
} from 'kysely';

import { numberOf, postgresStateSql, sqliteStateSql, stateIn } from '../shared/data-state.ts';
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
  /** See `Leg.state`. Undefined: it can't be told. */
  readonly state?: (() => Promise<string | undefined>) | undefined;
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
  const ask = (sql: string, parameters: readonly unknown[] = []): Promise<readonly AnyRow[]> =>
    connections.withConnection((connection) => rowsOn(connection, sql, parameters));
  const adapter = options.legacy.createAdapter();
  if (isOf('postgresql', adapter, options.legacy))
    return {
      classifier: createPostgresClassifier({ query: ask, pure: options.pure }),
      holdsNoLock: noAdvisoryLock,
      state: async () => stateIn(await ask(postgresStateSql)),
    };
  if (isOf('sqlite', adapter, options.legacy))
    return {
      classifier: createSqliteClassifier({
        pure: options.pure,
        readSchema: async () => (await ask(schemaSql)).map(({ sql }) => String(sql)),
      }),
      state: () =>
        connections.withConnection(async (connection) => {
          const state = stateIn(await rowsOn(connection, sqliteStateSql));
          return state && `${String(numberOf(connection))}:${state}`;
        }),
    };
  throw new WiringError(
    `There is no classifier for the dialect with ${adapter.constructor.name}: what its statements do can't be told. ` +
      'Give one as the option classifier.',
  );
}

const adapters = {
  postgresql: { PostgresAdapter, PGliteAdapter },
  sqlite: { SqliteAdapter },
} as const;

/**
 * By the names of the adapter's classes too: a program may have installed Kysely twice, and then its dialects are of the other copy's
 * classes. A bundler that holds both calls one of them `SqliteAdapter2` or `SqliteAdapter$1`.
 */
function isOf(engine: keyof typeof adapters, adapter: DialectAdapter, dialect: Dialect): boolean {
  if (Object.values(adapters[engine]).some((known) => adapter instanceof known)) return true;
  let made = Object.getPrototypeOf(adapter) as Prototype | null;
  for (; made !== null; made = Object.getPrototypeOf(made) as Prototype | null) {
    const name = made.constructor?.name.replace(/[$_\d]+$/, '');
    if (name !== undefined && Object.hasOwn(adapters[engine], name)) return true;
  }
  return catalogues[engine].test(introspectorOf(dialect));
}

/** Tables that an engine's introspector reads, and no other's: their names are left where a minifier has taken those of classes. */
const catalogues = {
  postgresql: /\bpg_catalog\b/,
  sqlite: /\bsqlite_(?:master|schema)\b/,
} as const;

/** The source of a dialect's introspector. Empty for one that can't be made without a database. */
function introspectorOf(dialect: Dialect): string {
  try {
    return String(dialect.createIntrospector(undefined as never).constructor);
  } catch {
    return '';
  }
}

interface Prototype {
  readonly constructor?: { readonly name: string };
}

type AnyRow = Readonly<Record<string, unknown>>;

async function rowsOn(
  connection: DatabaseConnection,
  sql: string,
  parameters: readonly unknown[] = [],
): Promise<readonly AnyRow[]> {
  return (await connection.executeQuery<AnyRow>(CompiledQuery.raw(sql, [...parameters]))).rows;
}

const schemaSql = 'select sql from sqlite_schema where sql is not null order by rowid';

const locksSql =
  "select from pg_catalog.pg_locks where locktype = 'advisory' and pid = pg_catalog.pg_backend_pid()";

async function noAdvisoryLock(connection: DatabaseConnection): Promise<boolean> {
  return (await rowsOn(connection, locksSql)).length === 0;
}
