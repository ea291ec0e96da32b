import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { bridgeKnex, type BridgeKnexOptions } from '@changeover/adapters/knex';
import {
  type Bridge,
  bridgeOf,
  createStaticStageSource,
  silentLogger,
  type StaticStageSource,
} from '@changeover/bridge';
import knex, { type Knex } from 'knex';
import pg from 'pg';
import { counted } from '../../kit/counted.ts';

export const engines = ['sqlite', 'postgresql'] as const;
export type EngineName = (typeof engines)[number];

/** A row of the tests' table. */
export interface Account {
  readonly id: number;
  readonly owner: string;
  readonly balance: number;
}

/** How a test's instance is made where it differs from the usual. */
export interface BridgedKnexOptions {
  readonly config?: Partial<Knex.Config> | undefined;
  readonly settings?: Partial<BridgeKnexOptions> | undefined;
  /** Makes the pooled leg. Default: the adapter does. */
  readonly pooled?: ((config: Knex.Config) => Knex) | undefined;
}

/** A bridged instance, and its database beside the bridge. */
export interface BridgedKnex extends AsyncDisposable {
  readonly db: Knex;
  readonly bridge: Bridge;
  readonly stages: StaticStageSource;
  /** Rows and effects as nobody's leg sees them. */
  readonly direct: Knex;
}

let made = 0;

/** Opens a bridged instance: one connection against a pool, or two connections of one file. */
export async function bridgedKnex(
  engine: EngineName,
  { config, settings, pooled }: BridgedKnexOptions = {},
): Promise<BridgedKnex> {
  made += 1;
  const store = engine === 'sqlite' ? sqliteStore() : await postgresStore();
  const stages = createStaticStageSource(() => 'legacy');
  const whole: Knex.Config = { ...store.config, ...config };
  const direct = knex(store.config);
  await direct.schema.createTable('account', (table) => {
    table.increments();
    table.text('owner').notNullable().unique();
    table.integer('balance').notNullable();
  });
  const db = bridgeKnex(knex({ pool: { min: 0, max: 1 }, ...whole }), {
    name: 'accounts',
    stages,
    storePath: ':memory:',
    logger: silentLogger,
    guardrail: { mode: 'report' },
    ...(pooled === undefined ? {} : { pooled: () => pooled(whole) }),
    ...settings,
  });
  return {
    db,
    stages,
    direct,
    bridge: bridgeOf(db),
    async [Symbol.asyncDispose]() {
      await db.destroy();
      await direct.destroy();
      await store.remove();
    },
  };
}

/** Runs a read until its shape is known and it was compared: what is not known yet counts as acting. */
export async function compared(
  { bridge }: Pick<BridgedKnex, 'bridge'>,
  read: () => PromiseLike<unknown>,
): Promise<void> {
  const verdicts = (): number => counted(bridge.recorder, 'compared');
  const before = verdicts();
  for (let round = 0; round < 200 && verdicts() === before; round += 1) {
    await read();
    await bridge.idle();
  }
}

interface Store {
  readonly config: Knex.Config;
  remove(): Promise<void>;
}

function sqliteStore(): Store {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-knex-'));
  const afterCreate = (
    connection: { pragma(text: string): unknown },
    done: (error: unknown, connection: unknown) => void,
  ): void => {
    connection.pragma('journal_mode = WAL');
    done(null, connection);
  };
  return {
    config: {
      client: 'better-sqlite3',
      connection: { filename: join(folder, 'accounts.sqlite') },
      useNullAsDefault: true,
      pool: { min: 0, max: 1, afterCreate },
    },
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
      return Promise.resolve();
    },
  };
}

async function postgresStore(): Promise<Store> {
  const url = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
  const schema = `knex_${String(process.pid)}_${String(made)}`;
  const admin = new pg.Pool({ connectionString: url, max: 1 });
  await admin.query(`create schema ${schema}`);
  return {
    config: {
      client: streamingClient(),
      connection: { connectionString: url },
      searchPath: schema,
    },
    async remove() {
      await admin.query(`drop schema ${schema} cascade`);
      await admin.end();
    },
  };
}

type ClientClass = new (config: object) => {
  _query(connection: unknown, query: object): Promise<{ response: pg.QueryResult }>;
};

/** Knex's client for PostgreSQL, with a stream that needs no package more: all rows at once. */
function streamingClient(): typeof Knex.Client {
  const bare = knex({ client: 'pg' });
  const Client = (bare.client as object).constructor as ClientClass;
  class StreamingClient extends Client {
    _stream(connection: unknown, query: object, stream: Writable): Promise<void> {
      const { promise, resolve, reject } = Promise.withResolvers<undefined>();
      stream.once('end', resolve);
      this._query(connection, query).then(
        ({ response }) => Readable.from(response.rows).pipe(stream),
        (error: unknown) => {
          stream.emit('error', error);
          reject(error);
        },
      );
      return promise;
    }
  }
  return StreamingClient as unknown as typeof Knex.Client;
}
