import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import { silentLogger } from '@changeover/bridge';
import type { Leg, Stage } from '@changeover/core';
import { schemaPrefix, type StorageBackend as StorageContract } from '@changeover/engines';
import { datasetFile } from '@changeover/engines/api';
import { caller, createStaticStageSource, createStorageBridge, engines } from 'changeover';
import pg from 'pg';

const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'];

type Rows = readonly Readonly<Record<string, unknown>>[];
const missing = (rows: Rows): Rows => rows.slice(1);
const changed = (rows: Rows): Rows => rows.map((row, at) => (at === 0 ? { ...row, n: 99 } : row));
const extra = (rows: Rows): Rows => [...rows, { ...rows[0], n: 99 }];

describe.each(engines)('%s, at reverse, an answer that is wrong once', (engine) => {
  const basePath = mkdtempSync(join(tmpdir(), 'changeover-wrong-once-'));
  const dataset = `once_${randomUUID().slice(0, 8)}`;
  let stage: Stage = 'legacy';
  /** Runs once, between the pooled leg's answer and the caller's having it. */
  let meanwhile: ((rows: Rows) => Promise<Rows>) | undefined;
  let others: { write(sql: string): Promise<unknown>; close(): unknown };
  let client: pg.Client | undefined;

  const wrap = (leg: Leg<StorageContract>): Leg<StorageContract> => {
    const query = async (
      ...args: Parameters<StorageContract['query']>
    ): ReturnType<StorageContract['query']> => {
      const answer = await leg.api.query(...args);
      const once = meanwhile;
      meanwhile = undefined;
      return once === undefined
        ? answer
        : { ...answer, rows: (await once(answer.rows)) as typeof answer.rows };
    };
    const api = new Proxy({} as StorageContract, {
      get: (_nothing, name) => {
        if (name === 'query') return query;
        const value: unknown = Reflect.get(leg.api, name);
        return typeof value === 'function' ? (value.bind(leg.api) as unknown) : value;
      },
    });
    return { ...leg, api, endable: undefined as never };
  };
  // Made where the tests run: the legacy leg is the process's own singleton, and is configured anew for each engine.
  const open = () =>
    createStorageBridge({
      basePath,
      databaseUrl,
      storePath: ':memory:',
      logger: silentLogger,
      stages: createStaticStageSource(() => stage),
      guardrail: { mode: 'report' },
      decoratePooledLeg: wrap,
    });
  let bridge: ReturnType<typeof open>;
  let storage: StorageContract;

  /** Writes past the bridge where the engine lets others write; on DuckDB as another caller. */
  async function openOthers(): Promise<typeof others> {
    if (engine === 'duckdb')
      return {
        write: (sql) => caller(() => storage.execute(dataset, sql)),
        close: () => undefined,
      };
    if (engine === 'sqlite') {
      const file = new Database(datasetFile({ basePath, databaseUrl }, 'sqlite', dataset));
      return {
        write: (sql) => Promise.resolve(file.exec(sql)),
        close: () => file.close(),
      };
    }
    const other = new pg.Client({ connectionString: databaseUrl });
    client = other;
    await other.connect();
    await other.query(`SET search_path TO "${schemaPrefix}${dataset}"`);
    return { write: (sql) => other.query(sql), close: () => other.end() };
  }

  beforeAll(async () => {
    bridge = open();
    storage = bridge.storage(engine);
    await storage.createDataset(dataset);
    for (const sql of [
      'CREATE TABLE trees (id INTEGER PRIMARY KEY, n INTEGER)',
      'CREATE TABLE elsewhere (id INTEGER)',
      'CREATE VIEW tall AS SELECT id, n FROM trees WHERE n > 1',
      'INSERT INTO trees VALUES (1, 1), (2, 2), (3, 3)',
      'INSERT INTO elsewhere VALUES (0)',
    ])
      await storage.execute(dataset, sql);
    others = await openOthers();
    if (engine === 'sqlite')
      await others.write(
        'CREATE TABLE watched (id INTEGER); CREATE TRIGGER grows AFTER INSERT ON watched BEGIN UPDATE trees SET n = n + 1; UPDATE trees SET n = n - 1; END',
      );
    if (engine === 'postgresql') await nobodyWritesSince();
    stage = 'reverse';
  });

  /** Whose transaction is older than the tables may have written to them, as far as anybody can tell: other tests' are waited for. */
  async function nobodyWritesSince(): Promise<void> {
    const asked = (sql: string): Promise<pg.QueryResult<Record<string, unknown>>> =>
      (client as pg.Client).query(sql);
    const { rows } = await asked('SELECT pg_current_xact_id()::text AS now');
    for (let isOver = false; !isOver;) {
      const again = await asked(
        `SELECT pg_snapshot_xmin(pg_current_snapshot()) > '${String(rows[0]?.['now'])}'::xid8 AS over`,
      );
      isOver = again.rows[0]?.['over'] === true;
    }
  }

  afterAll(async () => {
    await others.close();
    stage = 'legacy';
    await storage.dropDataset(dataset);
    await bridge.close({ deadlineMs: 60_000 });
    rmSync(basePath, { recursive: true, force: true });
  });

  /** What comes of a read whose answer is changed once, while something is written. */
  async function verdictOf(
    sql: string,
    fault: (rows: Rows) => Rows,
    writes: readonly string[],
  ): Promise<string | undefined> {
    // What is known of writes before an answer is what the comparison before it left; and the last write before that is not told apart.
    for (let before = 0; before < 2; before += 1) {
      await others.write('UPDATE elsewhere SET id = id + 1');
      await storage.query(dataset, sql);
      await bridge.idle();
    }
    const cell = bridge.recorder.cell(engine, dataset, 'query', 'reverse');
    const { mismatch, raced } = cell;
    meanwhile = async (rows) => {
      for (const write of writes) await others.write(write);
      return fault(rows);
    };
    await storage.query(dataset, sql);
    await bridge.idle();
    if (cell.mismatch > mismatch) return 'mismatch';
    return cell.raced > raced ? 'raced' : undefined;
  }

  const all = 'SELECT id, n FROM trees ORDER BY id';
  const elsewhere = ['UPDATE elsewhere SET id = id + 1', 'INSERT INTO elsewhere VALUES (1)'];
  const andBack = ['UPDATE trees SET n = n + 1', 'UPDATE trees SET n = n - 1'];

  test.each([
    ['a row that is missing', all, missing],
    ['a value', 'SELECT id, n FROM trees WHERE id = 2', changed],
    ['a value of a view', 'SELECT id, n FROM tall', changed],
  ])('is a mismatch while another table is written: %s', async (_what, sql, fault) => {
    expect(await verdictOf(sql, fault, elsewhere)).toBe('mismatch');
  });

  test.each([
    ['a row too many', all, extra],
    ['a count', 'SELECT count(*) AS n FROM trees', changed],
  ])(
    'is a mismatch while another table is written, where the store tells of removed rows: %s',
    async (_what, sql, fault) => {
      expect(await verdictOf(sql, fault, elsewhere)).toBe('mismatch');
    },
  );

  // The state in which PostgreSQL gave the answer is held, whoever writes.
  const named = engine === 'postgresql' ? 'mismatch' : 'raced';
  /** On a busy machine the connection that held the state of the answer before may not be free again: then it is asked once more. */
  const besideWriters: typeof verdictOf = async (...given) => {
    let found = await verdictOf(...given);
    for (let more = 0; more < 20 && named === 'mismatch' && found === 'raced'; more += 1)
      found = await verdictOf(...given);
    return found;
  };

  test.each([
    ['the table', all],
    ['the table of a view', 'SELECT id, n FROM tall'],
  ])(`is ${named} where somebody wrote to %s and took it back`, async (_what, sql) => {
    expect(await besideWriters(sql, changed, andBack)).toBe(named);
  });

  test(`is ${named} where a row was there for a moment`, async () => {
    const write = ['INSERT INTO trees VALUES (9, 9)', 'DELETE FROM trees WHERE id = 9'];
    expect(await besideWriters(all, extra, write)).toBe(named);
  });

  const swapped = (rows: Rows): Rows => [...rows.slice(1), ...rows.slice(0, 1)];
  const openInPart: [string, string, (rows: Rows) => Rows][] = [
    ['a value in an order with ties', 'SELECT id, n FROM trees ORDER BY n > 0', changed],
    ['a row in a wrong place', 'SELECT id FROM trees ORDER BY n > 1', swapped],
    ['a row that no LIMIT could take', 'SELECT id, n FROM trees LIMIT 2', changed],
    ['a value beside a random one', 'SELECT id, n, random() AS r FROM trees', changed],
  ];

  test.each(openInPart)(
    'is a mismatch where nobody wrote, of what is determined in part: %s',
    async (_what, sql, fault) => {
      expect(await verdictOf(sql, fault, [])).toBe('mismatch');
    },
  );

  if (engine === 'postgresql')
    test.each(openInPart)(
      'is a mismatch whoever writes, of what is determined in part: %s',
      async (_what, sql, fault) => {
        expect(await besideWriters(sql, fault, andBack)).toBe('mismatch');
      },
    );

  test.each([
    [
      'rows that are equal in its order change places',
      'SELECT id FROM trees ORDER BY n > 0',
      swapped,
    ],
    [
      'a LIMIT takes others',
      'SELECT id, n FROM trees WHERE id < 4 LIMIT 1',
      () => [{ id: 3, n: 3 }],
    ],
  ])('is none where %s', async (_what, sql, other: (rows: Rows) => Rows) => {
    expect(await verdictOf(sql, other, [])).toBeUndefined();
  });

  test.each([
    ['is there for a moment', all, andBack],
    ['stays', 'SELECT count(*) AS n FROM trees', ['INSERT INTO trees VALUES (10, 10)']],
    ['takes rows away', all, ['DELETE FROM trees WHERE id = 10']],
  ])('is none where it is right, and what was written meanwhile %s', async (_what, sql, writes) => {
    expect(await verdictOf(sql, (rows) => rows, writes)).not.toBe('mismatch');
  });

  if (engine === 'sqlite')
    test('has raced where a write to another table wrote to this one by a trigger', async () => {
      expect(await verdictOf(all, changed, ['INSERT INTO watched VALUES (1)'])).toBe('raced');
    });
});
