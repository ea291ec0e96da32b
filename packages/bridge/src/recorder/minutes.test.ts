import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Clock } from '@changeover/core';
import { silentLogger } from '../log.ts';
import { HourBook } from './hour-book.ts';
import { openRecorder, type RecorderOptions } from './open-recorder.ts';
import { readRecordings } from './read-recordings.ts';
import type { Recorder } from './recorder.ts';
import type { TimeSlice } from './report-data.ts';

let folder: string;
let path: string;
let nowMs: number;
let timers: (() => void)[];
const clock: Clock = {
  monotonicMs: () => nowMs,
  wallMs: () => nowMs,
  after: (_delayMs, work) => {
    timers.push(work);
    return { cancel: () => (timers = timers.filter((one) => one !== work)) };
  },
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-minutes-'));
  path = join(folder, 'comparisons.sqlite');
  nowMs = Date.parse('2026-03-14T03:05:00Z');
  timers = [];
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function open(options: Partial<RecorderOptions> = {}): Recorder {
  return openRecorder({ path, run: 'test', logger: silentLogger, clock, ...options });
}

/** Lets what waits be stored until there is no more, as its intervals do. */
function settle(): void {
  for (let round = 0; round < 30; round += 1) {
    const due = timers;
    timers = [];
    for (const work of due) work();
  }
}

function call(recorder: Recorder, key: string, latencyMs: number, calls = 1): void {
  const cell = recorder.cell('sqlite', key, 'query', 'shadow');
  for (let made = 0; made < calls; made += 1) {
    cell.calls += 1;
    cell.countVerdict('match');
    cell.legacyLatency.record(latencyMs);
    cell.pooledLatency.record(latencyMs * 2);
  }
}

function minutes(of: 'byBackend' | 'byDataset' = 'byDataset'): readonly TimeSlice[] {
  return readRecordings(path, clock, undefined, new HourBook(nowMs)).minutes?.[of] ?? [];
}

const shown = (slices: readonly TimeSlice[]): unknown[] =>
  slices.map(({ from, dataset, calls, compared, legacy: { p50Ms = 0 } }) => [
    new Date(from).toISOString().slice(11, 16),
    dataset,
    calls,
    compared,
    Math.round(p50Ms),
  ]);

test('a store keeps what each key did by the minute, over the change of an hour as well', () => {
  const recorder = open();
  nowMs = Date.parse('2026-03-14T03:58:10Z');
  settle();
  call(recorder, 'titanic', 2, 30);
  call(recorder, 'iris', 2, 3);
  for (const [at, latencyMs] of [
    ['03:59:10', 20],
    ['04:00:10', 20],
    ['04:01:10', 20],
    ['04:02:10', 2],
  ] as const) {
    nowMs = Date.parse(`2026-03-14T${at}Z`);
    settle();
    call(recorder, 'titanic', latencyMs, 10);
  }
  nowMs = Date.parse('2026-03-14T04:03:10Z');
  settle();
  expect(shown(minutes())).toEqual([
    ['03:58', 'iris', 3, 3, 2],
    ['03:58', 'titanic', 30, 30, 2],
    ['03:59', 'titanic', 10, 10, 20],
    ['04:00', 'titanic', 10, 10, 20],
    ['04:01', 'titanic', 10, 10, 20],
    ['04:02', 'titanic', 10, 10, 2],
  ]);
  expect(minutes()[2]?.pooled.p99Ms).toBeGreaterThan(38);
  expect(minutes()[2]?.pooled.p99Ms).toBeLessThan(42);
  recorder.close();
});

test('processes are added up, and one that ends stores the minute it is in', () => {
  const [one, other] = [open({ run: 'one' }), open({ run: 'other' })];
  call(one, 'titanic', 2, 5);
  call(other, 'titanic', 2, 7);
  one.flushAll();
  call(one, 'titanic', 2, 1);
  one.close();
  other.close();
  expect(shown(minutes('byBackend'))).toEqual([['03:05', '', 13, 13, 2]]);
});

test('what is older than two hours goes, a part with each minute that is written', () => {
  const recorder = open();
  for (let minute = 0; minute < 200; minute += 1) {
    call(recorder, 'titanic', 2);
    nowMs += 60_000;
    settle();
  }
  recorder.close();
  const database = new DatabaseSync(path);
  const rows = database.prepare('select count(*) as count from minute').get()?.['count'];
  database.close();
  expect(rows).toBeLessThanOrEqual(121);
  expect(minutes()).toHaveLength(119);
});

test('a clock that was hours ahead for a while leaves no minutes of the future', () => {
  const recorder = open();
  call(recorder, 'titanic', 2);
  nowMs += 5 * 3_600_000;
  settle();
  call(recorder, 'titanic', 2);
  nowMs -= 5 * 3_600_000 - 60_000;
  settle();
  call(recorder, 'titanic', 2);
  nowMs += 60_000;
  settle();
  recorder.close();
  expect(shown(minutes())).toContainEqual(['03:06', 'titanic', 1, 1, 2]);
  expect(minutes().every(({ from }) => from <= nowMs)).toBe(true);
});

test('a key whose cell is let go and counted in later is counted once', () => {
  const recorder = open({ maxCells: 1 });
  call(recorder, 'titanic', 2, 4);
  const held = recorder.cell('sqlite', 'titanic', 'query', 'shadow');
  call(recorder, 'iris', 2, 2);
  settle();
  held.calls += 1;
  nowMs += 60_000;
  settle();
  expect(shown(minutes()).map((line) => (line as unknown[]).slice(1, 3))).toEqual(
    expect.arrayContaining([
      ['titanic', 5],
      ['iris', 2],
    ]),
  );
  recorder.close();
});

test('a minute in which thousands of keys were called is stored in parts, each of them short', () => {
  const recorder = open({ maxCells: 3_000 });
  for (let key = 0; key < 1_000; key += 1) call(recorder, `key-${String(key)}`, 2);
  settle();
  nowMs += 60_000;
  settle();
  recorder.flush();
  expect(minutes()).toHaveLength(1_000);
  recorder.close();
});
