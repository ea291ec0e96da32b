import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '@changeover/core';
import { HourBook, openRecorder, readRecordings, silentLogger } from '@changeover/bridge';
import { MinuteBook } from '../../packages/operate/src/console/minute-book.ts';

let folder: string;
let nowMs: number;
const clock: Clock = {
  monotonicMs: () => nowMs,
  wallMs: () => nowMs,
  after: () => ({ cancel: () => undefined }),
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-minutes-'));
  nowMs = Date.parse('2026-01-01T03:05:00Z');
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

test('who looks each second has the minutes one by one, but for what happened while nobody looked', () => {
  const path = join(folder, 'comparisons.sqlite');
  const recorder = openRecorder({ path, run: 'test', logger: silentLogger, clock });
  const cell = recorder.cell('sqlite', 'titanic', 'query', 'shadow');
  const minutes = new MinuteBook();
  const look = (seconds: number, latencyMs?: number): void => {
    nowMs += seconds * 1_000;
    if (latencyMs !== undefined) {
      cell.calls += 1;
      cell.pooledLatency.record(latencyMs);
      recorder.flush();
    }
    const hours = new HourBook(nowMs);
    readRecordings(path, clock, undefined, hours);
    minutes.look(hours);
  };
  const seen = (): unknown[] =>
    minutes.byDataset.map(({ from, calls, pooled: { p50Ms = 0 } }) => [
      new Date(from).toISOString().slice(11, 16),
      calls,
      Math.round(p50Ms / 10),
    ]);
  look(0, 2);
  look(30, 2);
  expect(seen()).toEqual([]);
  look(30, 2);
  // 03:06 to 03:07: nothing.
  look(60);
  for (let minute = 0; minute < 3; minute += 1) look(60, 90);
  expect(seen()).toEqual([
    ['03:05', 2, 0],
    ['03:07', 1, 9],
    ['03:08', 1, 9],
    ['03:09', 1, 9],
  ]);
  look(3_000, 90);
  look(60, 90);
  expect(seen().slice(4)).toEqual([['04:00', 1, 9]]);
  look(60 * 4);
  expect(minutes.byBackend.map(({ backend }) => backend)).toContain('sqlite');
  recorder.close();
});
