import { join } from 'node:path';
import type { Clock, Stage } from '@changeover/core';
import {
  openRecorder,
  type Recorder,
  silentLogger,
  SqliteLedgerStore,
  type Verdict,
} from '@changeover/bridge';
import { testFlags } from '../command/write-test-flags.ts';
import { mkdirSync, writeFileSync } from 'node:fs';

const hourMs = 3_600_000;
const operations = ['list', 'total', 'add'] as const;
const backend = 'orders';

/** Keys that a reader must find among all others, by what is wrong with them. */
export const problemKeys = {
  /** Confirmed mismatches at `shadow`. */
  mismatch: ['tenant-0007', 'tenant-0412', 'tenant-0877'],
  /** Held by a person. */
  held: ['tenant-0034', 'tenant-0556'],
  /** Slower on the pooled leg at `reverse`, for two hours. */
  slow: ['tenant-0100', 'tenant-0101'],
  /** Callers saw calls fail on the legacy leg. */
  failing: ['tenant-0250', 'tenant-0251', 'tenant-0640'],
  /** They rely on what the pooled leg does not keep. */
  unkept: ['tenant-0300'],
} as const;

/** Where the migration of many keys lies. */
export interface ManyKeys {
  readonly flags: string;
  readonly store: string;
}

interface KeyPlan {
  readonly key: string;
  readonly stage: Stage;
  /** Of each operation, in all. */
  readonly calls: number;
  /** How many hours ago its last call was. */
  readonly ago: number;
  readonly has: (problem: keyof typeof problemKeys) => boolean;
}

/**
 * Records a migration of many keys in a store of its own: most with under ten calls, one in thirty busy, a few with problems. The same
 * for the same arguments.
 *
 * @param nowMs when it was last called, in milliseconds since 1970.
 */
export function recordManyKeys(folder: string, keys: number, nowMs: number): ManyKeys {
  const place = { flags: join(folder, 'flags.json'), store: join(folder, 'comparisons.sqlite') };
  mkdirSync(folder, { recursive: true });
  const { features, ...rest } = testFlags({ [backend]: 'reverse' }, { accept: ['add'] });
  const own = features.filter(({ name }) => !/sqlite|duckdb|postgresql/.test(name));
  writeFileSync(place.flags, JSON.stringify({ ...rest, features: own }));
  const plans = Array.from({ length: keys }, (_, at) => planOf(at + 1));
  // Each hour is a process of its own: the clock stands still while it counts.
  for (let ago = 5; ago >= 0; ago -= 1) {
    const recorder = openRecorder({
      path: place.store,
      run: `hour ${String(ago)}`,
      logger: silentLogger,
      clock: stoppedClock(nowMs - ago * hourMs),
      maxCells: 10_000,
    });
    for (const plan of plans) recordHour(recorder, plan, ago, nowMs - ago * hourMs);
    recorder.close();
  }
  writeLedger(place.store, plans, nowMs);
  return place;
}

function planOf(number: number): KeyPlan {
  const key = `tenant-${String(number).padStart(4, '0')}`;
  const has = (problem: keyof typeof problemKeys): boolean =>
    (problemKeys[problem] as readonly string[]).includes(key);
  const isProblem = Object.values(problemKeys).some((names) =>
    (names as readonly string[]).includes(key),
  );
  const busy = isProblem || number % 30 === 0;
  return {
    key,
    stage: has('slow') ? 'reverse' : number % 11 === 0 ? 'legacy' : 'shadow',
    calls: busy ? 120 + (number % 70) : 1 + (number % 9),
    ago: busy ? 0 : number % 6,
    has,
  };
}

function recordHour(recorder: Recorder, plan: KeyPlan, ago: number, at: number): void {
  const busy = plan.calls > 9;
  if (ago < plan.ago || (!busy && ago !== plan.ago)) return;
  const calls = busy ? Math.ceil(plan.calls / 6) : plan.calls;
  for (const [index, operation] of operations.entries()) {
    if (!busy && index > plan.calls % 3) continue;
    recordCalls(recorder, { ...plan, calls }, operation, ago);
  }
  if (plan.has('unkept') && ago === 0)
    recorder.relied({
      backend,
      dataset: plan.key,
      guarantee: 'session',
      use: 'lastWrite',
      site: 'src/orders/add-order.ts:41',
      what: 'list: SELECT last_insert_rowid ( )',
      kept: false,
    });
  if (plan.has('mismatch') && ago === 0) recordSamples(recorder, plan, at);
}

function recordCalls(recorder: Recorder, plan: KeyPlan, operation: string, ago: number): void {
  const { key, stage, calls } = plan;
  const cell = recorder.cell(backend, key, operation, stage);
  const shape = recorder.shape({ backend, dataset: key, operation, shape: '', stage });
  const slow = plan.has('slow') && ago < 2;
  const wrong = plan.has('mismatch') && operation === 'list' && ago < 2 ? 3 : 0;
  const failed = plan.has('failing') && operation === 'total' && ago < 3 ? 2 : 0;
  cell.calls += calls;
  shape.calls += calls;
  cell.failed += failed;
  const compares = operation !== 'add' && (stage === 'shadow' || stage === 'reverse');
  if (operation === 'add') shape.noteShed('side-effects');
  for (let call = 0; call < calls; call += 1) {
    const spread = 1 + ((call * 7) % 10) / 10;
    if (stage !== 'legacy' || !compares) cell.legacyLatency.record(4 * spread);
    if (!compares) continue;
    cell.pooledLatency.record((slow ? 90 : 2.5) * spread);
    cell.paired.add(4 * spread, (slow ? 90 : 2.5) * spread);
    cell.eligible += 1;
    cell.sampled += 1;
    shape.eligible += 1;
    const verdict: Verdict = call < wrong ? 'mismatch' : 'match';
    cell.countVerdict(verdict);
    shape.countVerdict(verdict);
  }
}

function recordSamples(recorder: Recorder, { key, stage }: KeyPlan, at: number): void {
  for (let sample = 0; sample < 3; sample += 1) {
    recorder.sample({
      at: at - sample * 60_000,
      backend,
      dataset: key,
      operation: 'list',
      stage,
      verdict: 'mismatch',
      class: 'missing row',
      summary: `row ${String(17 + sample)} is missing on the pooled leg`,
    });
  }
}

function writeLedger(store: string, plans: readonly KeyPlan[], nowMs: number): void {
  const ledger = new SqliteLedgerStore(store);
  const moves = plans.filter(({ stage }) => stage !== 'legacy');
  for (let from = 0; from < moves.length; from += 100) {
    ledger.append(
      moves.slice(from, from + 100).map(({ key, stage }) => ({
        at: nowMs - 6 * hourMs,
        backend,
        dataset: key,
        from: stage === 'reverse' ? 'shadow' : 'legacy',
        to: stage,
        held: false,
        who: 'flag',
        reason: stage === 'reverse' ? 'All 14 gates hold' : 'no gate stands before shadow',
        revision: 'r1',
        previous: 0,
      })),
    );
  }
  const lines = ledger.read(0);
  ledger.append(
    problemKeys.held
      .filter((key) => lines.some(({ dataset }) => dataset === key))
      .map((key) => ({
        at: nowMs - hourMs,
        backend,
        dataset: key,
        from: 'shadow',
        to: 'shadow',
        held: true,
        who: 'ada',
        reason: 'their month end: nothing moves until Monday',
        revision: 'r1',
        previous: lines.findLast(({ dataset }) => dataset === key)?.sequence ?? 0,
      })),
  );
  ledger.close();
}

/** Its timers never come due. */
function stoppedClock(wallMs: number): Clock {
  return {
    monotonicMs: () => wallMs,
    wallMs: () => wallMs,
    after: () => ({ cancel: () => undefined }),
  };
}
