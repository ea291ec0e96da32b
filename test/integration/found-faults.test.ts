import { afterEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createStaticStageSource, createStorageBridge, type Engine, engines, type Leg, type ResultSet, type Row, StatementError, type StorageApi,
} from 'changeover';
import { digestResult } from '@changeover/compare';
import { createTrees, determinedQueries, pick, seededRandom } from './traffic.ts';

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

type Rows = readonly Row[];

/** What can go wrong with rows, and the class it must be found as; undefined where these rows can't show it. */
const faults: Readonly<Record<string, (rows: Rows, random: () => number) => Rows | undefined>> = {
  'missing-row': (rows, random) => (rows.length === 0 ? undefined : rows.toSpliced(Math.floor(random() * rows.length), 1)),
  'extra-row': (rows, random) => (rows.length === 0 ? undefined : [...rows, { ...pick(random, rows) }]),
  value: (rows, random) => changeCell(rows, random, (value) => {
    if (typeof value === 'number') return value + 1;
    if (typeof value === 'bigint') return value + 1n;
    return typeof value === 'string' ? `${value}~` : undefined;
  }),
  type: (rows, random) => changeCell(rows, random, (value) => {
    if (typeof value === 'number' || typeof value === 'bigint') return String(value);
    return typeof value === 'string' ? value.length : undefined;
  }),
  columns: (rows, random) => {
    const name = Object.keys(rows[0] ?? {}).at(Math.floor(random() * 2));
    return name === undefined ? undefined : rows.map((row) =>
      Object.fromEntries(Object.entries(row).map(([column, value]) => [column === name ? `${column}_` : column, value])));
  },
  error: () => { throw new StatementError('planted'); },
};

function changeCell(rows: Rows, random: () => number, change: (value: unknown) => unknown): Rows | undefined {
  const at = Math.floor(random() * rows.length);
  const row = rows[at];
  const cells = Object.entries(row ?? {}).map(([column, value]) => [column, change(value)] as const)
    .filter(([, value]) => value !== undefined);
  if (row === undefined || cells.length === 0) return undefined;
  const [column, value] = pick(random, cells);
  return rows.with(at, { ...row, [column]: value } as Row);
}

/** Spoils what the pooled leg reads, for callers and comparisons alike. */
class FaultyLeg {
  spoil: ((rows: Rows) => Rows) | undefined;

  wrap(leg: Leg<StorageApi>): Leg<StorageApi> {
    const { shadow } = leg;
    if (shadow === undefined) throw new Error('the pooled leg has no shadow');
    const spoiled = async (answer: Promise<unknown>): Promise<unknown> => {
      const value = await answer;
      if (this.spoil === undefined) return value;
      if (Array.isArray(value)) return this.spoil(value as Row[]);
      const { rows } = value as ResultSet;
      const changed = this.spoil(rows);
      return { columns: Object.keys(changed[0] ?? rows[0] ?? {}), rows: changed };
    };
    const api = new Proxy(leg.api, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== 'function') return method;
        if (name !== 'query' && name !== 'readTable') return method.bind(target) as unknown;
        return (...args: readonly unknown[]) => spoiled(Reflect.apply(method, target, args) as Promise<unknown>);
      },
    });
    return {
      ...leg, api,
      shadow: {
        admits: () => shadow.admits(),
        read: (call) => spoiled(shadow.read(call)),
        digest: async (call) => digestResult(await spoiled(shadow.read(call)), 'rows'),
      },
    };
  }
}

async function open(engine: Engine, stage: 'shadow' | 'reverse', dataset: string): Promise<{
  storage: StorageApi; leg: FaultyLeg; classes: () => Promise<Readonly<Record<string, number>>>;
}> {
  const basePath = mkdtempSync(join(tmpdir(), 'changeover-faults-found-'));
  cleanups.push(() => { rmSync(basePath, { recursive: true, force: true }); });
  const leg = new FaultyLeg();
  const found: Record<string, number> = {};
  const bridge = createStorageBridge({
    basePath, databaseUrl: process.env['CHANGEOVER_TEST_DATABASE_URL'], storePath: ':memory:', logger: quiet,
    stages: createStaticStageSource(() => stage), guardrail: { mode: 'report' }, decoratePooledLeg: (pooled) => leg.wrap(pooled),
  });
  cleanups.push(() => bridge.close());
  const storage = bridge.storage(engine);
  await createTrees({ storage, engine, dataset, random: seededRandom(3) }, 120);
  cleanups.push(() => storage.dropDataset(dataset));
  return {
    storage, leg,
    classes: async () => {
      await bridge.idle();
      for (const name of Object.keys(found)) found[name] = 0;
      for (const { verdict, class: kind, count } of bridge.recorder.summary().sampleGroups) {
        const name = verdict === 'mismatch' ? String(kind) : verdict;
        found[name] = (found[name] ?? 0) + count;
      }
      return { ...found };
    },
  };
}

/** A long campaign says how many: `CHANGEOVER_TEST_FAULTS=1700 npm test -- test/integration/found-faults` makes 10,200. */
const faultsEach = Number(process.env['CHANGEOVER_TEST_FAULTS'] ?? 40);

describe.each(engines.flatMap((engine) => [[engine, 'shadow'], [engine, 'reverse']] as const))('%s at %s', (engine, stage) => {
  test('every fault in what the pooled leg reads is found, as what it is', async () => {
    const dataset = `found_${process.pid.toString(36)}_${stage}`;
    const { storage, leg, classes } = await open(engine, stage, dataset);
    const random = seededRandom(11);
    const missed: string[] = [];
    let before = await classes();
    let planted = 0;
    while (planted < faultsEach) {
      const sql = pick(random, determinedQueries).replaceAll('{n}', String(Math.floor(random() * 100)));
      const { rows } = await storage.query(dataset, sql);
      await classes();
      const kind = pick(random, Object.keys(faults));
      const seed = Math.floor(random() * 2 ** 32);
      const fault = faults[kind];
      if (kind !== 'error' && fault?.(rows, seededRandom(seed)) === undefined) continue;
      leg.spoil = (given) => fault?.(given, seededRandom(seed)) ?? given;
      await storage.query(dataset, sql).catch((error: unknown) => { if (kind !== 'error') throw error; });
      const after = await classes();
      leg.spoil = undefined;
      planted += 1;
      if ((after[kind] ?? 0) !== (before[kind] ?? 0) + 1) missed.push(`${kind}: ${sql}: ${JSON.stringify(after)}`);
      before = after;
    }
    expect(missed).toEqual([]);
  }, 600_000);
});
