import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  createStaticStageSource,
  defaultShadowSettings,
  type RelianceEvidence,
  type SessionLevel,
} from '@changeover/bridge';
import type { Stage } from '@changeover/core';
import type { Engine, StorageBackend } from '@changeover/engines/api';
import { createStorageBridge, type StorageBridge } from '@changeover/storage';

// What callers rely on is counted with its call sites from `legacy` on, and kept on the pooled leg as the flag's payload says.

const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
let basePath: string;
let bridge: StorageBridge;
let dataset: string;
let number = 0;

function start(stage: Stage, session: SessionLevel = 'pin'): void {
  const guarantees = { ...defaultShadowSettings.guarantees, session };
  bridge = createStorageBridge({
    basePath,
    databaseUrl,
    storePath: join(basePath, 'comparisons.db'),
    stages: createStaticStageSource(() => stage, { guarantees }),
  });
}

async function restart(stage: Stage, session?: SessionLevel): Promise<void> {
  await bridge.close();
  start(stage, session);
}

beforeEach(() => {
  number += 1;
  dataset = `reliance_${process.pid.toString(36)}_${String(number)}`;
  basePath = mkdtempSync(join(tmpdir(), 'changeover-reliance-'));
});
afterEach(async () => {
  for (const engine of ['sqlite', 'postgresql'] as const)
    if (await bridge.storage(engine).datasetExists(dataset))
      await bridge.storage(engine).dropDataset(dataset);
  await bridge.close({ deadlineMs: 2_000 });
  rmSync(basePath, { recursive: true, force: true });
});

function reliance(guarantee: RelianceEvidence['guarantee'] = 'session'): RelianceEvidence[] {
  return bridge.recorder.summary().reliance.filter((one) => one.guarantee === guarantee);
}

async function made(engine: Engine): Promise<StorageBackend> {
  const storage = bridge.storage(engine);
  await storage.createDataset(dataset);
  await storage.writeTable(dataset, 't', [{ id: 1 }]);
  return storage;
}

async function value(storage: StorageBackend, sql: string): Promise<unknown> {
  const { rows } = await storage.query(dataset, sql);
  return Object.values(rows[0] ?? {})[0];
}

const here = /^test\/guarantees\/reliance\.test\.ts:\d+$/;

describe('at legacy', () => {
  test('what asks for the last write is counted with its call site and shape, and no value', async () => {
    start('legacy');
    const storage = await made('sqlite');
    await storage.execute(dataset, 'INSERT INTO t VALUES (4711)');
    await value(storage, 'SELECT last_insert_rowid(), 4711');
    const [found, ...more] = reliance();
    expect(more).toEqual([]);
    expect(found).toMatchObject({ backend: 'sqlite', key: dataset, use: 'lastWrite', count: 1 });
    expect(found?.sites[0]?.site).toMatch(here);
    expect(JSON.stringify(found)).toContain('last_insert_rowid');
    expect(JSON.stringify(found)).not.toContain('4711');
  });

  test('an ordinary program relies on nothing', async () => {
    start('legacy');
    const storage = await made('sqlite');
    await storage.execute(dataset, 'INSERT INTO t VALUES (2)');
    await storage.transaction(dataset, async (transaction) => {
      await transaction.execute('INSERT INTO t VALUES (3)');
      await transaction.query('SELECT last_insert_rowid()');
    });
    await value(storage, 'SELECT count(*) FROM t');
    expect(bridge.recorder.summary().reliance).toEqual([]);
  });

  test('settings, temporary objects and locks are told apart, inside transactions too', async () => {
    start('legacy');
    const storage = await made('postgresql');
    await value(storage, "SELECT set_config('app.tenant', 'a', false)");
    await storage.transaction(dataset, async (transaction) => {
      await transaction.execute('CREATE TEMP TABLE kept (id int)');
      await transaction.query("SELECT set_config('app.tenant', 'b', true)");
    });
    await value(storage, 'SELECT pg_advisory_lock(1), pg_advisory_unlock(1)');
    expect(
      reliance()
        .map(({ use }) => use)
        .sort(),
    ).toEqual(['locks', 'sets', 'temporary']);
  });

  test("a user's own function counts once it is known what it does, at the place that called it", async () => {
    start('legacy');
    const storage = await made('postgresql');
    await storage.execute(
      dataset,
      "CREATE FUNCTION become(name text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.tenant', name, false) $$",
    );
    await storage.execute(
      dataset,
      'CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT n * 2 $$',
    );
    await value(storage, "SELECT become('a')");
    await value(storage, 'SELECT twice(1)');
    while (reliance().length === 0) await value(storage, 'SELECT count(*) FROM t');
    await value(storage, 'SELECT twice(2)');
    const found = reliance();
    expect(found).toMatchObject([{ use: 'sets' }]);
    expect(found[0]?.sites[0]?.site).toMatch(here);
    expect(JSON.stringify(found)).not.toContain('twice');
  });

  test('calls that are not awaited rely on order, from where they are made', async () => {
    start('legacy');
    const storage = await made('sqlite');
    await Promise.all([
      storage.execute(dataset, 'INSERT INTO t VALUES (2)'),
      storage.query(dataset, 'SELECT count(*) FROM t'),
    ]);
    const [found] = reliance('order');
    expect(found?.count).toBe(1);
    expect(found?.sites[0]?.site).toMatch(here);
    expect(found?.sites[0]?.what).toMatch(/^query: SELECT count/i);
  });
});

describe('by the payload', () => {
  const tenant = `SELECT current_setting('app.tenant', true)`;
  const tenTenants = async (storage: StorageBackend): Promise<Set<unknown>> =>
    new Set(await Promise.all(Array.from({ length: 10 }, () => value(storage, tenant))));

  test('the session is pinned, and that is recorded as kept', async () => {
    start('pooled');
    const storage = await made('postgresql');
    await value(storage, "SELECT set_config('app.tenant', 'a', false)");
    expect(await tenTenants(storage)).toEqual(new Set(['a']));
    expect(reliance()).toMatchObject([{ use: 'sets', kept: true }]);
  });

  test('the session is refused, statement by statement, and others are answered', async () => {
    start('pooled', 'refuse');
    const storage = await made('postgresql');
    await expect(
      value(storage, "SELECT set_config('app.tenant', 'a', false)"),
    ).rejects.toMatchObject({ code: 'SESSION_STATE' });
    expect(await value(storage, 'SELECT count(*) FROM t')).toEqual(expect.anything());
    expect(reliance()).toMatchObject([{ use: 'sets', kept: false }]);
  });

  test('the session is let go: statements run, and nobody finds what they left', async () => {
    start('pooled', 'none');
    const storage = await made('postgresql');
    await value(storage, "SELECT set_config('app.tenant', 'a', false)");
    expect((await tenTenants(storage)).has('a')).toBe(false);
    expect(reliance()).toMatchObject([{ use: 'sets', kept: false }]);
  });
});

test('a key that relied on its session in an earlier run is pinned from its first pooled call on', async () => {
  start('legacy');
  const first = await made('postgresql');
  await first.execute(
    dataset,
    "CREATE FUNCTION become(name text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.tenant', name, false) $$",
  );
  await value(first, "SELECT set_config('app.tenant', 'a', false)");
  await restart('pooled');
  const storage = bridge.storage('postgresql');
  const pid = 'SELECT pg_backend_pid() FROM pg_sleep(0.01)';
  const pids = await Promise.all(Array.from({ length: 5 }, () => value(storage, pid)));
  expect(new Set(pids).size).toBe(1);
});

test('a function that has still to be looked at pins nothing', async () => {
  start('pooled');
  const storage = await made('postgresql');
  await storage.execute(
    dataset,
    'CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT n * 2 $$',
  );
  await value(storage, 'SELECT twice(1)');
  const pid = 'SELECT pg_backend_pid() FROM pg_sleep(0.02)';
  // Until a second connection is open, which takes its time on a busy machine; one that is pinned never has company.
  const pids = new Set<unknown>();
  for (let round = 0; round < 50 && pids.size < 2; round += 1)
    for (const one of await Promise.all(Array.from({ length: 5 }, () => value(storage, pid))))
      pids.add(one);
  expect(pids.size).toBeGreaterThan(1);
});
