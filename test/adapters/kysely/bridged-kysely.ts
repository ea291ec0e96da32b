import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BridgeDialect, type BridgeDialectOptions } from '@changeover/adapters/kysely';
import {
  type Bridge,
  bridgeOf,
  createStaticStageSource,
  silentLogger,
  type StaticStageSource,
} from '@changeover/bridge';
import Database from 'better-sqlite3';
import {
  type Dialect,
  type Generated,
  type JSONColumnType,
  Kysely,
  type KyselyConfig,
  PostgresDialect,
  SqliteDialect,
} from 'kysely';
import pg from 'pg';
import { counted } from '../../kit/counted.ts';

/** What the tests' queries are typed by. */
export interface Tables {
  account: {
    id: Generated<number>;
    owner: string;
    balance: number;
    extra: JSONColumnType<{ readonly note: string }> | null;
  };
  kid: { id: Generated<number>; account_id: number };
}

export const engines = ['sqlite', 'postgresql'] as const;
export type EngineName = (typeof engines)[number];

/** How a test's Kysely is made where it differs from the usual. */
export interface BridgedKyselyOptions {
  readonly settings?: Partial<BridgeDialectOptions> | undefined;
  readonly config?: Omit<KyselyConfig, 'dialect'> | undefined;
  /** Stands in the place of a leg's dialect. */
  readonly wrap?: Partial<Record<'legacy' | 'pooled', (dialect: Dialect) => Dialect>> | undefined;
}

/** A Kysely over two dialects on one database, and that database beside the bridge. */
export interface BridgedKysely extends AsyncDisposable {
  readonly db: Kysely<Tables>;
  readonly bridge: Bridge;
  readonly stages: StaticStageSource;
  readonly dialect: BridgeDialect;
  /** Rows and effects as nobody's leg sees them. */
  readonly direct: Kysely<Tables>;
}

let made = 0;

/** Opens a Kysely over two dialects: one connection against a pool, or two connections of one file. */
export async function bridgedKysely(
  engine: EngineName,
  { settings, config, wrap }: BridgedKyselyOptions = {},
): Promise<BridgedKysely> {
  made += 1;
  const store = engine === 'sqlite' ? sqliteStore() : await postgresStore();
  const stages = createStaticStageSource(() => 'legacy');
  const dialect = new BridgeDialect({
    name: 'accounts',
    legacy: (wrap?.legacy ?? ((same) => same))(store.dialect('legacy')),
    pooled: (wrap?.pooled ?? ((same) => same))(store.dialect('pooled')),
    stages,
    storePath: ':memory:',
    logger: silentLogger,
    guardrail: { mode: 'report' },
    ...settings,
  });
  const direct = new Kysely<Tables>({ dialect: store.dialect('direct') });
  const id = engine === 'sqlite' ? ('integer' as const) : ('serial' as const);
  await direct.schema
    .createTable('account')
    .addColumn('id', id, (column) => column.primaryKey())
    .addColumn('owner', 'text', (column) => column.notNull().unique())
    .addColumn('balance', 'integer', (column) => column.notNull())
    .addColumn('extra', engine === 'sqlite' ? 'text' : 'jsonb')
    .execute();
  await direct.schema
    .createTable('kid')
    .addColumn('id', id, (column) => column.primaryKey())
    .addColumn('account_id', 'integer', (column) => column.references('account.id').notNull())
    .execute();
  const db = new Kysely<Tables>({ ...config, dialect });
  return {
    db,
    dialect,
    stages,
    direct,
    bridge: bridgeOf(dialect),
    async [Symbol.asyncDispose]() {
      await db.destroy();
      await direct.destroy();
      await store.remove();
    },
  };
}

/** Runs a read until its shape is known and it was compared: what is not known yet counts as acting. */
export async function compared(
  { bridge }: Pick<BridgedKysely, 'bridge'>,
  read: () => Promise<unknown>,
): Promise<void> {
  const verdicts = (): number => counted(bridge.recorder, 'compared');
  const before = verdicts();
  for (let round = 0; round < 200 && verdicts() === before; round += 1) {
    await read();
    await bridge.idle();
  }
}

interface Store {
  dialect(of: 'legacy' | 'pooled' | 'direct'): Dialect;
  remove(): Promise<void>;
}

function sqliteStore(): Store {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-kysely-'));
  return {
    dialect: () =>
      new SqliteDialect({
        database: () => {
          const database = new Database(join(folder, 'accounts.sqlite'));
          database.pragma('journal_mode = WAL');
          database.pragma('foreign_keys = ON');
          return Promise.resolve(database);
        },
      }),
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
      return Promise.resolve();
    },
  };
}

async function postgresStore(): Promise<Store> {
  const url = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
  const schema = `kysely_${String(process.pid)}_${String(made)}`;
  const admin = new pg.Pool({ connectionString: url, max: 1 });
  await admin.query(`create schema ${schema}`);
  return {
    dialect: (of) =>
      new PostgresDialect({
        pool: () =>
          Promise.resolve(
            new pg.Pool({
              connectionString: url,
              max: of === 'pooled' ? 5 : 1,
              options: `-c search_path=${schema}`,
            }),
          ),
        cursor: WholeCursor,
      }),
    async remove() {
      await admin.query(`drop schema ${schema} cascade`);
      await admin.end();
    },
  };
}

/** As much of `pg-cursor` as Kysely uses: all rows in the first piece. */
class WholeCursor {
  readonly #rows: Promise<unknown[]>;
  #read = false;

  constructor(sql: string, parameters: unknown[]) {
    const { promise, resolve, reject } = Promise.withResolvers<unknown[]>();
    this.#rows = promise;
    const query = new pg.Query(
      { text: sql, values: parameters },
      // The types leave out the callback that the class takes.
      ...([
        (error: Error | undefined, result: pg.QueryResult | undefined) => {
          if (error) reject(error);
          else resolve(result?.rows ?? []);
        },
      ] as unknown as []),
    );
    return Object.assign(query, {
      read: () => this.read(),
      close: () => this.close(),
    }) as unknown as this;
  }

  async read(): Promise<never[]> {
    if (this.#read) return [];
    this.#read = true;
    return (await this.#rows) as never[];
  }

  async close(): Promise<void> {
    await this.#rows.catch(() => undefined);
  }
}
