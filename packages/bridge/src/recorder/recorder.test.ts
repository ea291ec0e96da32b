import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Clock } from '@changeover/core';
import { silentLogger, type Logger } from '../log.ts';
import type { Cell } from './cell.ts';
import { HourBook } from './hour-book.ts';
import { openRecorder, type RecorderOptions } from './open-recorder.ts';
import { readRecordings } from './read-recordings.ts';
import type { ComparisonSample, Recorder } from './recorder.ts';
import type { ReportData, Totals } from './report-data.ts';

interface TestClock extends Clock {
  advance(ms: number): void;
  readonly timers: number;
}

function testClock(startMs = Date.parse('2026-01-01T10:30:00Z')): TestClock {
  let now = startMs;
  let timers: { at: number; task: () => void }[] = [];
  return {
    monotonicMs: () => now,
    wallMs: () => now,
    after(delayMs, task) {
      const timer = { at: now + delayMs, task };
      timers.push(timer);
      return {
        cancel: () => {
          timers = timers.filter((one) => one !== timer);
        },
      };
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const next = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        timers = timers.filter((one) => one !== next);
        now = Math.max(now, next.at);
        next.task();
      }
      now = end;
    },
    get timers() {
      return timers.length;
    },
  };
}

let folder: string;
let path: string;
let clock: TestClock;
let opened: Recorder[];
let errors: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-recorder-'));
  path = join(folder, 'comparisons.sqlite');
  clock = testClock();
  opened = [];
  errors = [];
});

afterEach(() => {
  for (const recorder of opened) recorder.close();
  rmSync(folder, { recursive: true, force: true });
});

const logger: Logger = {
  ...silentLogger,
  error: (_fields, message) => {
    errors.push(message);
  },
};

function open(options: Partial<RecorderOptions> = {}): Recorder {
  const recorder = openRecorder({
    path,
    run: 'test',
    clock,
    logger,
    random: () => 0.5,
    ...options,
  });
  opened.push(recorder);
  return recorder;
}

/** Takes away what versions 7 and 8 of the store added. */
const dropCalls =
  'drop table repeat; drop table minute; alter table sample drop column call; alter table sample_group drop column dataset; alter table sample_group drop column shape;';

function count(cell: Cell, calls = 1): void {
  for (let call = 0; call < calls; call += 1) {
    cell.calls += 1;
    cell.eligible += 1;
    cell.sampled += 1;
    cell.countVerdict('match');
    cell.legacyLatency.record(2);
    cell.pooledLatency.record(1);
    cell.paired.add(2, 1);
  }
}

function sample(more: Partial<ComparisonSample> = {}): ComparisonSample {
  return {
    at: clock.wallMs(),
    backend: 'sqlite',
    dataset: 'titanic',
    operation: 'query',
    stage: 'shadow',
    verdict: 'mismatch',
    class: 'value',
    summary: 'row 3 differs',
    ...more,
  };
}

/** What metrics say was called: calls, comparisons, and the legacy leg's time. */
function told(recorder: Recorder): unknown {
  return recorder
    .counted()
    .map(({ backend, operation, stage, counts, legacy }) => [
      backend,
      operation,
      stage,
      counts.calls,
      counts.match,
      legacy.calls,
      legacy.ms,
    ]);
}

describe('counts', () => {
  test('the same names give the same cell', () => {
    const recorder = open();
    const cell = recorder.cell('sqlite', 'titanic', 'query', 'shadow');
    expect(recorder.cell('sqlite', 'titanic', 'query', 'shadow')).toBe(cell);
    expect(recorder.cell('sqlite', 'titanic', 'query', 'reverse')).not.toBe(cell);
  });

  test('what was counted is in the summary at once, by every grouping', () => {
    const recorder = open();
    count(recorder.cell('sqlite', 'titanic', 'query', 'shadow'), 3);
    count(recorder.cell('sqlite', 'iris', 'query', 'reverse'), 2);
    count(recorder.cell('duckdb', 'iris', 'readTable', 'shadow'), 1);
    const report = recorder.summary();
    const calls = (list: readonly Totals[]): number[] => list.map((one) => one.calls);
    expect(report.totals).toMatchObject({ calls: 6, compared: 6, match: 6, shed: 0 });
    expect(calls(report.byBackend)).toEqual([1, 5]);
    expect(report.byStage).toMatchObject([
      { backend: 'duckdb', stage: 'shadow', calls: 1 },
      { backend: 'sqlite', stage: 'reverse', calls: 2 },
      { backend: 'sqlite', stage: 'shadow', calls: 3 },
    ]);
    expect(calls(report.byOperation)).toEqual([1, 5]);
    expect(calls(report.byDataset)).toEqual([1, 2, 3]);
    expect(report.cells).toHaveLength(3);
    expect(report.totals.legacy.count).toBe(6);
    expect(report.totals.legacy.p50Ms).toBeCloseTo(2, 1);
    expect(report.totals.pooled.p99Ms).toBeCloseTo(1, 1);
  });

  test('they add up', () => {
    const recorder = open();
    const cell = recorder.cell('sqlite', 'titanic', 'query', 'shadow');
    cell.calls = 20;
    cell.eligible = 15;
    cell.sampled = 10;
    for (const verdict of [
      'match',
      'mismatch',
      'raced',
      'nondeterministic',
      'inconclusive',
    ] as const) {
      cell.countVerdict(verdict);
    }
    for (const reason of ['queue-full', 'deadline', 'budget', 'budget'] as const)
      cell.countShed(reason);
    const inFlight = 1;
    const { totals } = recorder.summary();
    const verdicts =
      totals.match + totals.mismatch + totals.raced + totals.nondeterministic + totals.inconclusive;
    expect(totals.compared).toBe(verdicts);
    expect(totals.sampled).toBe(totals.compared + totals.shed + inFlight);
    expect(totals.shedByReason).toEqual({ 'queue-full': 1, deadline: 1, budget: 2 });
  });

  test('they survive a restart, and the next run adds to them', () => {
    const first = open({ run: 'one' });
    count(first.cell('sqlite', 'titanic', 'query', 'shadow'), 3);
    first.close();
    clock.advance(1);
    const second = open({ run: 'two' });
    count(second.cell('sqlite', 'titanic', 'query', 'shadow'), 4);
    const report = second.summary();
    expect(report.totals.calls).toBe(7);
    expect(report.totals.legacy.count).toBe(7);
    expect(report.runs.map(({ run }) => run)).toEqual(['one', 'two']);
    second.close();
    expect(readRecordings(path).totals).toEqual(report.totals);
  });

  test('two processes with one run name at once are counted once each', () => {
    const recorders = [open({ run: 'same' }), open({ run: 'same' })];
    for (let round = 0; round < 5; round += 1) {
      for (const recorder of recorders) {
        count(recorder.cell('sqlite', 'titanic', 'query', 'shadow'), 10);
        recorder.flush();
      }
    }
    for (const recorder of recorders) expect(recorder.summary().totals.calls).toBe(100);
    expect(readRecordings(path).totals).toMatchObject({
      calls: 100,
      compared: 100,
      pooled: { count: 100 },
    });
  });

  test('flushing again and again stores nothing twice, over hours too', () => {
    const recorder = open();
    const cell = recorder.cell('sqlite', 'titanic', 'query', 'shadow');
    for (let hour = 0; hour < 5; hour += 1) {
      count(cell, 10);
      clock.advance(3_600_000);
      recorder.flush();
    }
    expect(cell.calls).toBe(50);
    expect(recorder.summary().totals).toMatchObject({ calls: 50, legacy: { count: 50 } });
    expect(readRecordings(path).totals).toMatchObject({ calls: 50, legacy: { count: 50 } });
    const database = new DatabaseSync(path, { readOnly: true });
    expect(
      database.prepare('select count(distinct hour) as hours from cell').get()?.['hours'],
    ).toBe(5);
    database.close();
  });

  test('what is read from the store tells the last 48 hours apart, by key and in total', () => {
    const recorder = open();
    const cells = ['titanic', 'iris'].map((key) => recorder.cell('sqlite', key, 'query', 'shadow'));
    for (let hour = 0; hour < 50; hour += 1) {
      // What was longest ago is the slowest, so that one hour's latency can't pass for another's.
      for (const cell of cells) {
        cell.calls += 1;
        cell.legacyLatency.record(1_000 - hour);
      }
      clock.advance(3_600_000);
      recorder.flush();
    }
    const { hours } = readRecordings(path, clock);
    expect(hours?.byDataset.filter(({ dataset }) => dataset === 'iris')).toHaveLength(47);
    expect(hours?.byBackend).toHaveLength(47);
    const [first] = hours?.byBackend ?? [];
    expect(first).toMatchObject({ backend: 'sqlite', calls: 2, failed: 0, legacy: { count: 2 } });
    expect(first?.from).toBe(Date.parse('2026-01-01T10:00:00Z') + 3 * 3_600_000);
    expect((first?.to ?? 0) - (first?.from ?? 0)).toBe(3_600_000);
    expect(first?.legacy.p99Ms).toBeCloseTo(997, -1);
    expect(recorder.summary().hours).toBeUndefined();
  });

  test('who reads again and again sees what came in between, over an hour that begins too', () => {
    const recorder = open();
    const cell = recorder.cell('sqlite', 'titanic', 'query', 'shadow');
    const callsOf = (latencyMs: number): HourBook => {
      cell.calls += 1;
      cell.pooledLatency.record(latencyMs);
      clock.advance(20 * 60_000);
      recorder.flush();
      const hours = new HourBook(clock.wallMs());
      readRecordings(path, clock, undefined, hours);
      return hours;
    };
    // From 10:30 on; the recording has 10:00 to 11:00 as one.
    const [first, second, third] = [callsOf(2), callsOf(90), callsOf(90)];
    const [slice, ...others] = second.slicesSince(first).byDataset;
    expect(others).toEqual([]);
    expect(slice).toMatchObject({ dataset: 'titanic', calls: 1, pooled: { count: 1 } });
    expect(slice?.pooled.p50Ms).toBeCloseTo(90, -1);
    expect(second.slices().byDataset[0]?.pooled.p50Ms).toBeCloseTo(2, 0);
    expect(second.slicesSince(second).byDataset).toEqual([]);
    expect([slice?.from, slice?.to]).toEqual([first.at, Date.parse('2026-01-01T11:00:00Z')]);
    expect(third.slicesSince(second).byBackend).toMatchObject([{ calls: 1, from: second.at }]);
  });

  test('metrics count on from hour to hour, and tell operations and stages apart', () => {
    const recorder = open();
    const cells = [
      recorder.cell('sqlite', 'titanic', 'query', 'shadow'),
      recorder.cell('sqlite', 'titanic', 'query', 'reverse'),
    ];
    for (let hour = 1; hour <= 3; hour += 1) {
      for (const cell of cells) count(cell, hour);
      clock.advance(3_600_000);
      recorder.flush();
    }
    expect(told(recorder)).toEqual([
      ['sqlite', 'query', 'shadow', 6, 6, 6, 12],
      ['sqlite', 'query', 'reverse', 6, 6, 6, 12],
    ]);
  });

  test('a wall clock that is set back loses nothing', () => {
    let wall = Date.parse('2026-01-01T10:30:00Z');
    const jumping: Clock = { ...clock, wallMs: () => wall };
    const recorder = open({ clock: jumping });
    const cell = recorder.cell('sqlite', 'titanic', 'query', 'shadow');
    for (const jump of [3_600_000, -3_600_000, 3_600_000, 0]) {
      count(cell);
      recorder.flush();
      wall += jump;
      recorder.flush();
    }
    recorder.close();
    expect(readRecordings(path).totals.calls).toBe(4);
  });

  test("nothing is stored on the caller's path, only at the interval", () => {
    const recorder = open({ flushIntervalMs: 1_000 });
    count(recorder.cell('sqlite', 'titanic', 'query', 'shadow'));
    expect(readRecordings(path).totals.calls).toBe(0);
    clock.advance(999);
    expect(readRecordings(path).totals.calls).toBe(0);
    clock.advance(1);
    expect(readRecordings(path).totals.calls).toBe(1);
  });

  test('many cells are stored in parts', () => {
    const recorder = open();
    for (let dataset = 0; dataset < 200; dataset += 1) {
      count(recorder.cell('sqlite', `d${String(dataset)}`, 'query', 'shadow'));
    }
    clock.advance(1_000);
    const first = readRecordings(path).totals.calls;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(200);
    clock.advance(200);
    expect(readRecordings(path).totals.calls).toBe(200);
  });
});

describe('bounds', () => {
  test('cells beyond the limit are stored and let go, and the counts stay', () => {
    const recorder = open({ maxCells: 10 });
    for (let dataset = 0; dataset < 25; dataset += 1) {
      count(recorder.cell('sqlite', `d${String(dataset)}`, 'query', 'shadow'));
    }
    const kept = recorder.cell('sqlite', 'd0', 'query', 'shadow');
    recorder.flush();
    expect(recorder.cell('sqlite', 'd0', 'query', 'shadow')).not.toBe(kept);
    expect(recorder.cell('sqlite', 'd24', 'query', 'shadow').calls).toBe(1);
    expect(recorder.summary().totals.calls).toBe(25);
    expect(told(recorder)).toEqual([['sqlite', 'query', 'shadow', 25, 25, 25, 50]]);
  });

  test('counts made in a cell that was let go are not lost, nor doubled', () => {
    const recorder = open({ maxCells: 1 });
    const held = recorder.cell('sqlite', 'held', 'query', 'shadow');
    count(held, 2);
    count(recorder.cell('sqlite', 'other', 'query', 'shadow'));
    recorder.flush();
    const fresh = recorder.cell('sqlite', 'held', 'query', 'shadow');
    expect(fresh).not.toBe(held);
    count(fresh, 4);
    count(held, 8);
    recorder.flush();
    count(held, 16);
    const report = recorder.summary();
    expect(report.totals).toMatchObject({ calls: 31, legacy: { count: 31 } });
    expect(told(recorder)).toEqual([['sqlite', 'query', 'shadow', 31, 31, 31, 62]]);
    recorder.close();
    expect(readRecordings(path).totals).toMatchObject({
      calls: 31,
      pooledLessLegacyMs: { kind: 'estimate', value: -1, n: 31 },
    });
  });

  test('a flood of names goes to "(others)", and the report says so', () => {
    const recorder = open({ maxCells: 5 });
    for (let dataset = 0; dataset < 1_000; dataset += 1) {
      count(recorder.cell('sqlite', `d${String(dataset)}`, 'query', 'shadow'));
    }
    const report = recorder.summary();
    expect(report.totals.calls).toBe(1_000);
    expect(report.byDataset).toHaveLength(21);
    expect(report.notes).toEqual([
      expect.stringMatching(/980 cells are under the dataset "\(others\)"/),
    ]);
  });

  test('where nothing can be stored, the oldest cells become "(others)"', () => {
    const recorder = open({ path: join(folder, 'missing', 'x.sqlite'), maxCells: 5 });
    for (let round = 0; round < 100; round += 1) {
      count(recorder.cell('sqlite', `d${String(round)}`, 'query', 'shadow'));
      recorder.flush();
      expect(told(recorder)).toEqual([
        ['sqlite', 'query', 'shadow', round + 1, round + 1, round + 1, (round + 1) * 2],
      ]);
    }
    const report = recorder.summary();
    expect(report.totals).toMatchObject({
      calls: 100,
      legacy: { count: 100 },
      pooledLessLegacyMs: { n: 100 },
    });
    expect(report.byDataset.length).toBeLessThanOrEqual(6);
    expect(errors).toHaveLength(1);
  });

  test('what the store has of a cell already does not go to "(others)" as well', () => {
    const recorder = open({ maxCells: 2 });
    const known = ['a', 'b'].map((dataset) => recorder.cell('sqlite', dataset, 'query', 'shadow'));
    for (const cell of known) count(cell, 10);
    recorder.flush();
    const other = new DatabaseSync(path);
    other.exec('begin immediate');
    for (const cell of known) count(cell, 1);
    for (const dataset of ['c', 'd', 'e'])
      count(recorder.cell('sqlite', dataset, 'query', 'shadow'), 100);
    recorder.flush();
    expect(told(recorder)).toEqual([['sqlite', 'query', 'shadow', 322, 322, 322, 644]]);
    other.exec('rollback');
    other.close();
    recorder.close();
    expect(readRecordings(path).totals).toMatchObject({ calls: 322, legacy: { count: 322 } });
  });

  test('the samples of what is alike are capped, and counted all the same', () => {
    const recorder = open({ maxSamplesPerFingerprint: 3 });
    for (let index = 0; index < 10; index += 1) {
      recorder.sample(
        sample({ at: 1_000 + index, summary: `sample ${String(index)}`, legacy: { index } }),
      );
      if (index === 5) recorder.flush();
    }
    const check = (report = recorder.summary()): void => {
      expect(report.sampleGroups).toMatchObject([
        {
          id: expect.stringMatching(/^[0-9a-z]{8}$/) as unknown,
          key: 'titanic',
          shape: '',
          count: 10,
          firstAt: 1_000,
          lastAt: 1_009,
          class: 'value',
        },
      ]);
      const kept = report.sampleGroups[0]?.samples.map(({ legacy }) => legacy);
      expect(kept).toEqual([{ index: 0 }, { index: 1 }, { index: 2 }]);
    };
    check();
    recorder.close();
    check(readRecordings(path));
  });

  test('mismatches are one where backend, key, operation, shape and class are, in every process', () => {
    const others: Partial<ComparisonSample>[] = [
      {},
      { summary: 'row 4 differs', stage: 'reverse', reason: 'another' },
      { backend: 'notes' },
      { dataset: 'penguins' },
      { operation: 'readTable' },
      { shape: 'select ?' },
      { class: 'order' },
    ];
    for (let process = 0; process < 2; process += 1) {
      const recorder = open();
      for (const other of others) recorder.sample(sample(other));
      recorder.close();
    }
    const groups = readRecordings(path).sampleGroups;
    expect(groups.map(({ count }) => count)).toEqual([4, 2, 2, 2, 2, 2]);
    expect(new Set(groups.map(({ id }) => id)).size).toBe(6);
    expect(groups.map(({ shape }) => shape)).toContain('select ?');
  });

  test('comparisons that raise no alarm are one over all keys and shapes', () => {
    const recorder = open();
    for (const dataset of ['a', 'b', 'c'])
      recorder.sample(sample({ dataset, verdict: 'raced', shape: dataset }));
    expect(recorder.summary().sampleGroups).toMatchObject([{ count: 3, key: undefined }]);
  });

  test('what could not be explained is told by key, and takes at most half the room of mismatches', () => {
    const recorder = open({ maxFingerprints: 4 });
    const keysOf = (): (string | undefined)[] =>
      recorder.summary().sampleGroups.map(({ key }) => key);
    for (const dataset of ['a', 'b']) recorder.sample(sample({ dataset, verdict: 'inconclusive' }));
    expect(keysOf()).toEqual(['a', 'b']);
    for (const dataset of ['c', 'd']) recorder.sample(sample({ dataset, verdict: 'inconclusive' }));
    expect(keysOf()).toEqual([undefined, 'a', 'b']);
    recorder.sample(sample({ dataset: 'e' }));
    expect(keysOf()).toContain('e');
  });

  test('mismatches of too many keys are one over all keys, and of too many operations are counted alone', () => {
    const recorder = open({ maxFingerprints: 2 });
    for (const dataset of ['a', 'b', 'c', 'd']) recorder.sample(sample({ dataset }));
    for (const operation of ['one', 'two', 'three']) recorder.sample(sample({ operation }));
    const report = recorder.summary();
    expect(report.sampleGroups.map(({ key, operation, count }) => [key, operation, count])).toEqual(
      [
        [undefined, 'query', 2],
        ['a', 'query', 1],
        ['b', 'query', 1],
        [undefined, 'one', 1],
      ],
    );
    expect(report.samplesOverLimit).toBe(2);
  });

  test('a sample is kept with its call, and one that is too long without', () => {
    const recorder = open();
    const call = { kind: 'read', values: 'redacted', args: ['key', 'text(3)'] } as const;
    recorder.sample(sample({ call: { ...call, trace: 'a'.repeat(32) } }));
    recorder.sample(sample({ call: { ...call, args: ['x'.repeat(20_000)] } }));
    const check = (report = recorder.summary()): void => {
      expect(report.sampleGroups[0]?.samples.map((one) => one.call)).toEqual([
        { ...call, trace: 'a'.repeat(32) },
        undefined,
      ]);
    };
    check();
    recorder.close();
    check(readRecordings(path));
  });

  test('a store of version 6 is read, and brought forward when it is written', () => {
    const first = open();
    first.sample(sample());
    first.close();
    const old = new DatabaseSync(path);
    old.exec(
      `update sample set fingerprint = 'sqlite:mismatch:query:value';
       update sample_group set fingerprint = 'sqlite:mismatch:query:value';
       ${dropCalls} alter table shape drop column failed; pragma user_version = 6`,
    );
    old.close();
    const before = readRecordings(path).sampleGroups;
    expect(before).toMatchObject([
      { id: expect.stringMatching(/^[0-9a-z]{8}$/) as unknown, key: undefined, count: 1 },
    ]);
    const second = open();
    second.sample(sample());
    second.close();
    const after = readRecordings(path).sampleGroups;
    expect(new Map(after.map(({ id, key }) => [id === before[0]?.id, key]))).toEqual(
      new Map([
        [true, undefined],
        [false, 'titanic'],
      ]),
    );
  });

  test('the samples of two runs that are alike are one group', () => {
    const start = clock.wallMs();
    const first = open();
    first.sample(sample({ at: start }));
    first.close();
    const second = open();
    second.sample(sample({ at: start + 1 }));
    const samples = [{ at: start }, { at: start + 1 }];
    expect(second.summary().sampleGroups).toMatchObject([
      { count: 2, firstAt: start, lastAt: start + 1, samples },
    ]);
  });

  test.each([
    ['too long', 'x'.repeat(20_000), /are more than 16384/],
    ['a BigInt', { value: 1n }, /not JSON-able/],
    [
      'circular',
      (() => {
        const it: Record<string, unknown> = {};
        it['self'] = it;
        return it;
      })(),
      /not JSON-able/,
    ],
  ])('a value that is %s is left out, and says so', (_title, value, message) => {
    const recorder = open();
    recorder.sample(sample({ legacy: value, pooled: 1 }));
    const [stored] = recorder.summary().sampleGroups[0]?.samples ?? [];
    expect(stored).toMatchObject({
      legacy: { leftOut: expect.stringMatching(message) },
      pooled: 1,
    });
  });

  test('events make the timeline, over runs', () => {
    const first = open({ run: 'one' });
    first.event('stage', { dataset: 'titanic', from: 'legacy', to: 'shadow' });
    first.close();
    clock.advance(5);
    const second = open({ run: 'two' });
    second.event('stage', { dataset: 'titanic', from: 'shadow', to: 'legacy' });
    second.event('odd', { big: 'x'.repeat(10_000) });
    second.event('worse', { big: 1n });
    expect(second.summary().timeline).toMatchObject([
      { run: 'one', kind: 'stage', fields: { to: 'shadow' } },
      { run: 'two', kind: 'stage', fields: { to: 'legacy' } },
      { kind: 'odd', fields: { leftOut: expect.any(String) } },
      { kind: 'worse', fields: { leftOut: expect.any(String) } },
    ]);
  });

  test('events that can not be stored are bounded, and the report says how many are missing', () => {
    const recorder = open({ path: join(folder, 'missing', 'x.sqlite') });
    for (let index = 0; index < 5_010; index += 1) recorder.event('tick', { index });
    const report = recorder.summary();
    expect(report.timeline).toHaveLength(5_000);
    expect(report.notes).toContainEqual(expect.stringMatching(/^10 events could not be stored/));
  });
});

describe('a store that makes trouble', () => {
  test('the file is readable by its owner alone', () => {
    const recorder = open();
    count(recorder.cell('sqlite', 'titanic', 'query', 'shadow'));
    recorder.flush();
    for (const file of [path, `${path}-wal`, `${path}-shm`]) {
      expect({ file, mode: statSync(file).mode & 0o777 }).toEqual({ file, mode: 0o600 });
    }
  });

  test('a lock that another process holds is not waited for, and nothing is lost', () => {
    const recorder = open();
    const other = new DatabaseSync(path);
    other.exec('begin immediate');
    count(recorder.cell('sqlite', 'titanic', 'query', 'shadow'), 5);
    clock.advance(10_000);
    expect(recorder.summary().totals.calls).toBe(5);
    expect(readRecordings(path).totals.calls).toBe(0);
    other.exec('rollback');
    other.close();
    clock.advance(1_000);
    expect(readRecordings(path).totals.calls).toBe(5);
    expect(errors).toEqual([]);
  });

  test('a store that is locked from the start is used once it is free', () => {
    open().close();
    const other = new DatabaseSync(path);
    other.exec('pragma locking_mode = exclusive');
    other.exec('begin exclusive');
    const recorder = open();
    count(recorder.cell('sqlite', 'titanic', 'query', 'shadow'), 5);
    clock.advance(5_000);
    expect(recorder.summary().totals.calls).toBe(5);
    other.exec('commit');
    other.close();
    clock.advance(5_000);
    expect(readRecordings(path).totals.calls).toBe(5);
  });

  test.each([
    [
      'is no database',
      (): string => {
        writeFileSync(path, 'not a database, '.repeat(500));
        return path;
      },
    ],
    ['is a folder', (): string => folder],
    ['is in no folder', (): string => join(folder, 'missing', 'x.sqlite')],
    [
      'is of a later version',
      (): string => {
        open().close();
        const database = new DatabaseSync(path);
        database.exec('pragma user_version = 99');
        database.close();
        return path;
      },
    ],
    [
      "is another program's",
      (): string => {
        const database = new DatabaseSync(path);
        database.exec('create table passengers (name text)');
        database.close();
        return path;
      },
    ],
  ])('one that %s is logged once, and counting goes on', (_title, make) => {
    const target = make();
    const before =
      existsSync(target) && statSync(target).isFile() ? readFileSync(target) : undefined;
    const recorder = open({ path: target });
    for (let round = 0; round < 50; round += 1) {
      count(recorder.cell('sqlite', 'titanic', 'query', 'shadow'));
      recorder.sample(sample());
      recorder.event('tick', {});
      clock.advance(1_000);
    }
    const report = recorder.summary();
    expect(report.totals.calls).toBe(50);
    expect(report.sampleGroups[0]?.count).toBe(50);
    expect(report.timeline).toHaveLength(50);
    expect(report.notes).toContainEqual(expect.stringMatching(/can't be written/));
    expect(errors).toEqual([expect.stringMatching(/can't be written .+ counts stay in memory/)]);
    recorder.close();
    expect(errors.at(-1)).toMatch(/lost with this process/);
    if (before !== undefined) expect(readFileSync(target).equals(before)).toBe(true);
  });

  test('one that comes back is used again, and has it all', () => {
    const target = join(folder, 'later', 'x.sqlite');
    const recorder = open({ path: target });
    count(recorder.cell('sqlite', 'titanic', 'query', 'shadow'), 5);
    clock.advance(10_000);
    expect(existsSync(target)).toBe(false);
    mkdirSync(join(folder, 'later'));
    clock.advance(60_000);
    expect(readRecordings(target).totals.calls).toBe(5);
    expect(recorder.summary().notes).toEqual([]);
  });

  test('readRecordings says what is wrong with the file', () => {
    expect(() => readRecordings(join(folder, 'none.sqlite'))).toThrow(
      /There is no file .*none\.sqlite\. Name the file/,
    );
    writeFileSync(path, '');
    expect(() => readRecordings(path)).toThrow(/is no comparison store/);
  });

  test('what is older than 90 days goes when a store that exists is opened again, the rest stays', () => {
    const dayMs = 24 * 3_600_000;
    const first = open();
    count(first.cell('sqlite', 'titanic', 'query', 'shadow'), 3);
    first.sample(sample({ class: 'old' }));
    first.event('old', {});
    first.close();
    clock.advance(80 * dayMs);
    const second = open();
    count(second.cell('sqlite', 'titanic', 'query', 'shadow'), 5);
    second.sample(sample({ class: 'new' }));
    second.event('new', {});
    second.close();
    expect(readRecordings(path).totals.calls).toBe(8);

    clock.advance(11 * dayMs);
    open().close();
    const report = readRecordings(path);
    expect(report.totals.calls).toBe(5);
    expect(report.timeline).toMatchObject([{ kind: 'new' }]);
    expect(report.sampleGroups).toMatchObject([
      { class: 'new', samples: [{ summary: 'row 3 differs' }] },
    ]);
    expect(report.runs).toHaveLength(2);
  });
});

describe('closing', () => {
  test('stores the last counts, ends the timer, and can be done twice', () => {
    const recorder = open();
    count(recorder.cell('sqlite', 'titanic', 'query', 'shadow'), 200);
    recorder.event('end', {});
    recorder.close();
    recorder.close();
    expect(clock.timers).toBe(0);
    expect(readRecordings(path)).toMatchObject({
      totals: { calls: 200 },
      timeline: [{ kind: 'end' }],
    });
  });

  test('what is counted afterwards harms nobody', () => {
    const recorder = open();
    recorder.close();
    count(recorder.cell('sqlite', 'titanic', 'query', 'shadow'));
    recorder.sample(sample());
    recorder.event('late', {});
    recorder.flush();
    expect(recorder.summary().totals.calls).toBe(1);
    expect(clock.timers).toBe(0);
  });

  test(':memory: keeps nothing and needs no file', () => {
    const recorder = open({ path: ':memory:' });
    count(recorder.cell('sqlite', 'titanic', 'query', 'shadow'));
    recorder.flush();
    clock.advance(3_600_000);
    count(recorder.cell('sqlite', 'titanic', 'query', 'shadow'));
    expect(recorder.summary().totals.calls).toBe(2);
    expect(existsSync(':memory:')).toBe(false);
  });
});

describe('rules', () => {
  const rule = '{"kind":"order-free"}';

  test('are kept with how often they mattered, over processes, the dead ones too', () => {
    const uses = [3, 4];
    for (const at of [0, 1]) {
      const recorder = openRecorder({
        path,
        run: `run-${String(at)}`,
        logger: silentLogger,
        clock,
      });
      opened.push(recorder);
      recorder.watchRules(() => [
        { backend: 'sqlite', rule, uses: uses[at] ?? 0, failures: 0 },
        { backend: 'sqlite', rule: '{"kind":"json"}', uses: 0, failures: at },
      ]);
      recorder.flush();
      recorder.flush();
    }
    const expected = [
      { backend: 'sqlite', rule: '{"kind":"json"}', uses: 0, failures: 1, dead: true },
      { backend: 'sqlite', rule, uses: 7, failures: 0, dead: false },
    ].map((one) => expect.objectContaining(one) as unknown);
    expect(readRecordings(path).rules).toEqual(expected);
    expect(opened[1]?.summary().rules).toEqual(expected);
    uses[1] = 10;
    opened[1]?.flush();
    expect(readRecordings(path).rules[1]?.uses).toBe(13);
  });

  test('find room in a store that was made before there were any', () => {
    openRecorder({ path, run: 'old', logger: silentLogger, clock }).close();
    const old = new DatabaseSync(path);
    old.exec(
      `drop table rule_use; drop table shape; drop table reliance; alter table cell drop column last_at; alter table cell drop column paired; ${dropCalls} pragma user_version = 1`,
    );
    old.close();
    expect(readRecordings(path)).toMatchObject({ rules: [], runs: [{ run: 'old' }] });
    clock.advance(1);
    const recorder = openRecorder({ path, run: 'new', logger: silentLogger, clock });
    opened.push(recorder);
    recorder.watchRules(() => [{ backend: 'sqlite', rule, uses: 1, failures: 0 }]);
    recorder.flush();
    expect(readRecordings(path)).toMatchObject({
      rules: [{ rule, uses: 1 }],
      runs: [{ run: 'old' }, { run: 'new' }],
    });
  });
});

describe('shapes of calls', () => {
  const key = {
    backend: 'sqlite',
    dataset: 'titanic',
    operation: 'query',
    shape: 'select ?',
    stage: 'shadow',
  } as const;

  function open(run: string, more: Partial<RecorderOptions> = {}): Recorder {
    return openRecorder({ path, run, logger: silentLogger, clock, ...more });
  }

  test('are counted each by itself, over processes, with when they were first and last seen', () => {
    const startedAt = clock.wallMs();
    for (const run of ['one', 'two']) {
      const recorder = open(run);
      const shape = recorder.shape(key);
      shape.calls += 3;
      shape.eligible += 2;
      shape.countVerdict('match');
      recorder.shape({ ...key, shape: 'select a from t' }).calls += 1;
      expect(recorder.shape(key)).toBe(shape);
      recorder.close();
      clock.advance(1_000);
    }
    expect(readRecordings(path).shapes).toEqual([
      expect.objectContaining({ shape: 'select ?', calls: 6, eligible: 4, compared: 2, match: 2 }),
      expect.objectContaining({ shape: 'select a from t', calls: 2, eligible: 0, compared: 0 }),
    ]);
    expect(readRecordings(path).shapes[0]).toMatchObject({
      backend: 'sqlite',
      key: 'titanic',
      operation: 'query',
      stage: 'shadow',
      firstSeen: startedAt,
      lastSeen: startedAt + 1_000,
    });
  });

  test('count the same in the process that counted them and in the store', () => {
    const recorder = open('one');
    recorder.shape(key).calls += 1;
    recorder.flush();
    recorder.shape(key).calls += 1;
    expect(recorder.summary().shapes).toEqual(readRecordings(path).shapes);
    expect(recorder.summary().shapes).toMatchObject([{ calls: 2 }]);
    recorder.close();
  });

  test('that were counted before the key was resumed say nothing of it now', () => {
    const recorder = open('one');
    recorder.shape(key).countVerdict('mismatch');
    recorder.shape({ ...key, dataset: 'iris' }).countVerdict('match');
    recorder.flush();
    const resumed = clock.wallMs();
    clock.advance(1_000);
    recorder.event('stage', { backend: 'sqlite', dataset: 'titanic' });
    recorder.shape(key).countVerdict('match');
    recorder.flush();
    const resumedAt = (_backend: string, dataset: string): number | undefined =>
      dataset === 'titanic' ? resumed : undefined;
    for (const data of [recorder.summary(resumedAt), readRecordings(path, clock, resumedAt)])
      expect(data.shapes).toMatchObject([
        { key: 'iris', match: 1 },
        { key: 'titanic', match: 1, mismatch: 0, firstSeen: resumed + 1_000 },
      ]);
    recorder.close();
  });

  test('say why none of their calls is compared, until one is', () => {
    const recorder = open('one');
    const shape = recorder.shape(key);
    shape.noteShed('busy');
    expect(shape.notComparable).toBeUndefined();
    shape.noteShed('side-effects');
    recorder.flush();
    expect(readRecordings(path).shapes).toMatchObject([
      { notComparable: 'a call that acts is not run twice' },
    ]);
    shape.countVerdict('match');
    shape.noteShed('side-effects');
    expect(recorder.summary().shapes[0]?.notComparable).toBeUndefined();
    recorder.close();
  });

  test('beyond a thousand of one key, and those that are too long, are counted together', () => {
    const recorder = open('one', { maxShapes: 5_000 });
    for (let shape = 0; shape < 1_010; shape += 1)
      recorder.shape({ ...key, shape: `select ${String(shape)}` }).calls += 1;
    recorder.shape({ ...key, shape: 'x'.repeat(1_001) }).calls += 1;
    recorder.shape({ ...key, dataset: 'iris' }).calls += 1;
    const { shapes } = recorder.summary();
    expect(shapes).toHaveLength(1_002);
    expect(shapes.find(({ shape }) => shape === '(others)')).toMatchObject({ calls: 11 });
    expect(readRecordings(path).shapes).toEqual(shapes);
    recorder.close();
  });

  test('of keys that are not called any more make room for new ones, and stay in the store', () => {
    const recorder = open('one', { maxShapes: 100 });
    for (let round = 0; round < 5; round += 1) {
      for (let at = 0; at < 40; at += 1)
        recorder.shape({ ...key, dataset: `d${String(round)}_${String(at)}` }).calls += 1;
      recorder.summary();
      clock.advance(61_000);
    }
    const { shapes } = recorder.summary();
    expect(shapes).toHaveLength(200);
    expect(shapes.every(({ calls, shape }) => calls === 1 && shape === 'select ?')).toBe(true);
    recorder.close();
  });

  test('find room in a store that was made before there were any', () => {
    open('old').close();
    const old = new DatabaseSync(path);
    old.exec(`drop table shape; drop table reliance; ${dropCalls} pragma user_version = 4`);
    old.close();
    expect(readRecordings(path)).toMatchObject({ shapes: [], runs: [{ run: 'old' }] });
    const recorder = open('new');
    recorder.shape(key).calls += 1;
    recorder.close();
    expect(readRecordings(path).shapes).toMatchObject([{ shape: 'select ?', calls: 1 }]);
  });
});

describe('what was counted before a dataset was resumed', () => {
  const key = ['sqlite', 'titanic', 'readTable', 'shadow'] as const;

  test('is told apart from what came after, in the process that counted both and in the store', () => {
    const path = join(folder, 'resumed.sqlite');
    const clock = testClock();
    const recorder = openRecorder({ path, run: 'one', logger: silentLogger, clock });
    recorder.cell(...key).countVerdict('mismatch');
    recorder.cell('sqlite', 'iris', 'readTable', 'shadow').countVerdict('mismatch');
    recorder.flush();
    clock.advance(1_000);
    const resumed = clock.wallMs();
    clock.advance(1_000);
    recorder.event('stage', {
      backend: 'sqlite',
      dataset: 'titanic',
      from: 'legacy',
      to: 'shadow',
    });
    recorder.cell(...key).countVerdict('match');
    recorder.flush();
    const resumedAt = (_backend: string, dataset: string): number | undefined =>
      dataset === 'titanic' ? resumed : undefined;
    try {
      for (const data of [recorder.summary(resumedAt), readRecordings(path, clock, resumedAt)]) {
        expect(data.totals).toMatchObject({ mismatch: 2, match: 1 });
        expect(data.judged).toMatchObject({
          comparedBefore: 1,
          since: [{ backend: 'sqlite', dataset: 'titanic', at: resumed }],
        });
        expect(data.judged?.byStage).toMatchObject([
          { stage: 'shadow', mismatch: 1, match: 1, compared: 2 },
        ]);
      }
      expect(recorder.summary().judged).toBeUndefined();
    } finally {
      recorder.close();
    }
  });

  test('counts on where it can not be told apart from what came after', () => {
    const clock = testClock();
    const recorder = openRecorder({
      path: join(folder, 'mixed.sqlite'),
      run: 'one',
      logger: silentLogger,
      clock,
    });
    recorder.cell(...key).countVerdict('mismatch');
    recorder.flush();
    const resumed = clock.wallMs();
    clock.advance(1_000);
    recorder.cell(...key).countVerdict('match');
    try {
      expect(recorder.summary(() => resumed).judged).toBeUndefined();
    } finally {
      recorder.close();
    }
  });
});

describe('a summary in steps', () => {
  const done = (steps: ReturnType<Recorder['summaryInSteps']>, between = 0): ReportData => {
    for (let step = 0; ; step += 1) {
      const { done: isDone, value } = steps.next();
      if (isDone === true) return value;
      if (step === between) meanwhile();
    }
  };
  let meanwhile = (): void => undefined;

  test('says what one in one step says', () => {
    const first = open();
    for (let key = 0; key < 30; key += 1)
      count(first.cell('sqlite', `key ${String(key)}`, 'query', 'shadow'), 1 + key);
    first.sample(sample());
    first.close();
    const recorder = open();
    count(recorder.cell('sqlite', 'key 3', 'query', 'shadow'), 5);
    recorder.event('note', {});
    meanwhile = () => undefined;
    const inSteps = done(recorder.summaryInSteps());
    const { runs: _runs, ...inOne } = recorder.summary();
    expect(inSteps).toMatchObject(inOne);
    expect(inSteps.totals.calls).toBe(30 + (29 * 30) / 2 + 5);
    recorder.close();
  });

  test('counts each call once, whatever is counted, stored and begun anew while it is made', () => {
    const recorder = open();
    const cell = recorder.cell('sqlite', 'titanic', 'query', 'shadow');
    count(cell, 5);
    recorder.flush();
    meanwhile = () => {
      count(cell, 2);
      recorder.flush();
      recorder.event('stage', { backend: 'sqlite', dataset: 'titanic' });
      count(cell, 3);
      recorder.flush();
    };
    const { calls } = done(recorder.summaryInSteps(), 1).totals;
    expect(calls).toBeGreaterThanOrEqual(5);
    expect(calls).toBeLessThanOrEqual(10);
    meanwhile = () => undefined;
    expect(done(recorder.summaryInSteps()).totals.calls).toBe(10);
    recorder.close();
  });

  test('that is given up leaves the store usable', () => {
    const recorder = open();
    count(recorder.cell('sqlite', 'titanic', 'query', 'shadow'), 5);
    recorder.flush();
    const steps = recorder.summaryInSteps();
    steps.next();
    steps.return(undefined as never);
    count(recorder.cell('sqlite', 'titanic', 'query', 'shadow'), 1);
    expect(done(recorder.summaryInSteps()).totals.calls).toBe(6);
    recorder.close();
  });
});
