import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { DuckDBInstance } from '@duckdb/node-api';
import pg from 'pg';
import { datasetFile, datasetSchema } from '@changeover/engines/api';
import {
  createStaticStageSource,
  createStorageBridge,
  type Engine,
  engines,
  type Stage,
  stages,
  type StorageBridge,
} from 'changeover';
import { createTrees, determinedQueries, seededRandom } from './traffic.ts';

const quiet = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
const dataset = `corpus_${process.pid.toString(36)}`;
const queries = determinedQueries.map((sql) => sql.replaceAll('{n}', '50'));
const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'];

/** What the bare driver says, as rows of plain values. */
type Ask = (sql: string) => Promise<unknown[][]>;

async function bareDriver(
  engine: Engine,
  basePath: string,
): Promise<{ ask: Ask; close: () => Promise<void> | void }> {
  if (engine === 'postgresql') {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    await client.query(`SET search_path TO ${datasetSchema(dataset)}`);
    return {
      ask: async (sql) => (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows,
      close: () => client.end(),
    };
  }
  const file = datasetFile({ basePath }, engine, dataset);
  if (engine === 'sqlite') {
    const database = new Database(file, { readonly: true });
    database.defaultSafeIntegers();
    return {
      ask: async (sql) => database.prepare(sql).raw().all() as unknown[][],
      close: () => {
        database.close();
      },
    };
  }
  const instance = await DuckDBInstance.create(file);
  const connection = await instance.connect();
  return {
    ask: async (sql) => (await connection.runAndReadAll(sql)).getRowsJS(),
    close: () => {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

/** Numbers by their digits, since drivers give them as numbers, BigInts and texts; booleans as SQLite has them. */
function plain(value: unknown): unknown {
  if (typeof value === 'boolean') return value ? '1' : '0';
  return value === null || value === undefined ? null : String(value);
}

/** Rows whose order is not promised are compared as a set. */
function comparable(sql: string, rows: readonly (readonly unknown[])[]): unknown[][] {
  const texts = rows.map((row) => row.map(plain));
  return /order\s+by/i.test(sql)
    ? texts
    : texts.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

describe.each(engines)('%s', (engine) => {
  const basePath = mkdtempSync(join(tmpdir(), 'changeover-corpus-'));
  let stage: Stage = 'legacy';
  let bridge: StorageBridge;
  const expected = new Map<string, unknown[][]>();
  const open = (): StorageBridge =>
    createStorageBridge({
      basePath,
      databaseUrl,
      storePath: ':memory:',
      logger: quiet,
      guardrail: { mode: 'report' },
      stages: createStaticStageSource(() => stage),
    });

  beforeAll(async () => {
    const loading = open();
    await createTrees(
      { storage: loading.storage(engine), engine, dataset, random: seededRandom(5) },
      500,
    );
    await loading.close();
    const { ask, close } = await bareDriver(engine, basePath);
    for (const sql of queries) expected.set(sql, comparable(sql, await ask(sql)));
    await close();
    bridge = open();
  });

  afterAll(async () => {
    await bridge.storage(engine).dropDataset(dataset);
    await bridge.close();
    rmSync(basePath, { recursive: true, force: true });
  });

  test.each(stages)('at %s every query says what the bare driver says', async (now) => {
    stage = now;
    await bridge.close();
    bridge = open();
    const storage = bridge.storage(engine);
    for (const sql of queries) {
      const { columns, rows } = await storage.query(dataset, sql);
      expect({
        sql,
        rows: comparable(
          sql,
          rows.map((row) => columns.map((column) => row[column])),
        ),
      }).toEqual({ sql, rows: expected.get(sql) });
      await bridge.idle();
    }
    const { totals } = bridge.recorder.summary();
    const beside = now === 'shadow' || now === 'reverse';
    expect([totals.mismatch, totals.inconclusive, totals.match]).toEqual([
      0,
      0,
      beside ? queries.length : 0,
    ]);
  });
});
