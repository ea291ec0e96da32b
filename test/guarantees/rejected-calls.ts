// A program that makes calls which fail and handles none of them, at the stage and of the handle that its arguments name. It writes
// how often Node told of each call's rejection.
import { createStaticStageSource, createStorageBridge, type Engine, type Stage } from 'changeover';
import { bridgeConnection } from 'changeover/duckdb';
import { bridgeKnex } from 'changeover/knex';
import { BridgeDialect } from 'changeover/kysely';
import { bridgeClient } from 'changeover/pg';
import { DuckDBInstance } from '@duckdb/node-api';
import { silentLogger } from '@changeover/bridge';
import Database from 'better-sqlite3';
import knex from 'knex';
import { Kysely, sql, SqliteDialect } from 'kysely';
import pg from 'pg';

const [stage, folder, databaseUrl, ...subjects] = process.argv.slice(2) as [
  Stage,
  string,
  string,
  ...string[],
];
type Call = () => Promise<unknown>;
interface Subject {
  readonly calls: Readonly<Record<string, Call>>;
  close(): Promise<unknown>;
}

const stages = createStaticStageSource(() => stage);
const options = (name: string) => ({ name, stages, storePath: ':memory:', logger: silentLogger });
const missing = 'select * from no_such_table';

async function storage(engine: Engine): Promise<Subject> {
  const bridge = createStorageBridge({
    basePath: folder,
    databaseUrl,
    storePath: ':memory:',
    logger: silentLogger,
    stages,
    guardrail: { mode: 'report' },
  });
  const api = bridge.storage(engine);
  const dataset = `rejected_${String(process.pid)}`;
  await api.createDataset(dataset);
  return {
    calls: {
      query: () => api.query(dataset, missing),
      readTable: () => api.readTable(dataset, 'no_such_table'),
      execute: () => api.execute(dataset, 'insert into no_such_table values (1)'),
      writeTable: () => api.writeTable(dataset, '', []),
      transaction: () => api.transaction(dataset, () => Promise.reject(new Error('mine'))),
    },
    close: async () => {
      await api.dropDataset(dataset);
      await bridge.close();
    },
  };
}

const open: Readonly<Record<string, () => Promise<Subject>>> = {
  sqlite: () => storage('sqlite'),
  duckdb: () => storage('duckdb'),
  postgresql: () => storage('postgresql'),
  pg: async () => {
    const raw = new pg.Client(databaseUrl);
    const db = bridgeClient(raw, options('pg'));
    await db.connect();
    return { calls: { query: () => db.query(missing) }, close: () => db.end() };
  },
  'duckdb-connection': async () => {
    const instance = await DuckDBInstance.create(`${folder}/${stage}.duckdb`);
    const db = bridgeConnection(await instance.connect(), {
      ...options('duckdb'),
      pooled: async () => instance.connect(),
    });
    return {
      calls: { run: () => db.run(missing), prepare: () => db.prepare(missing) },
      close: async () => {
        db.closeSync();
      },
    };
  },
  kysely: async () => {
    const dialect = (): SqliteDialect =>
      new SqliteDialect({ database: new Database(`${folder}/${stage}.kysely`) });
    const db = new Kysely<unknown>({
      dialect: new BridgeDialect({ ...options('kysely'), legacy: dialect(), pooled: dialect() }),
    });
    return {
      calls: { execute: () => sql.raw(missing).execute(db) },
      close: () => db.destroy(),
    };
  },
  knex: async () => {
    const connection = { filename: `${folder}/${stage}.knex` };
    const made = knex({ client: 'better-sqlite3', useNullAsDefault: true, connection });
    const db = bridgeKnex(made, options('knex'));
    return {
      calls: { raw: () => db.raw(missing).then((found: unknown) => found) },
      close: () => db.destroy(),
    };
  },
};

const turn = (): Promise<unknown> => new Promise((resolve) => setImmediate(resolve));

let told = 0;
process.on('unhandledRejection', () => {
  told += 1;
});

const found: Record<string, number> = {};
for (const name of subjects) {
  const subject = await open[name]?.();
  for (const [operation, call] of Object.entries(subject?.calls ?? {})) {
    told = 0;
    void call();
    await call().catch(() => undefined);
    // Node tells of it when all that was ready has run. The first call may be over after the second, where neither knows of the other.
    const giveUpAtMs = performance.now() + 10_000;
    while (told === 0 && performance.now() < giveUpAtMs) await turn();
    for (let more = 0; more < 3; more += 1) await turn();
    found[`${name} ${operation}`] = told;
  }
  await subject?.close();
}
process.stdout.write(JSON.stringify(found));
process.exit();
