import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { keyTarget } from '@changeover/core';
import { ManualClock } from '../../../../../test/kit/manual-clock.ts';
import { silentLogger } from '../../log.ts';
import { openRecorder } from '../../recorder/open-recorder.ts';
import { readRecordings } from '../../recorder/read-recordings.ts';
import type { Recorder } from '../../recorder/recorder.ts';
import { SqliteLedgerStore } from './file-ledger-store.ts';
import { Ledger } from './ledger.ts';
import { resumptions } from './resumptions.ts';

const hoursMs = 3 * 3_600_000;
const inbox = keyTarget('inbox');
const author = { who: 'ada', reason: 'look' };

let folder: string;
let path: string;
let clock: ManualClock;
let ledger: Ledger;
let recorder: Recorder;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-clock-'));
  path = join(folder, 'comparisons.sqlite');
  clock = new ManualClock();
  start();
});

afterEach(async () => {
  await end();
  rmSync(folder, { recursive: true, force: true });
});

function start(): void {
  ledger = new Ledger({ store: new SqliteLedgerStore(path), logger: silentLogger, clock });
  recorder = openRecorder({
    path,
    run: 'test',
    logger: silentLogger,
    clock,
    countedFrom: () => ledger.countedFrom,
  });
}

async function end(): Promise<void> {
  await ledger.close();
  recorder.close();
}

async function count(calls: number): Promise<void> {
  recorder.event('stage', { backend: 'notes', dataset: 'inbox' });
  const cell = recorder.cell('notes', 'inbox', 'list', 'shadow');
  for (let at = 0; at < calls; at += 1) cell.countVerdict('match');
  recorder.shape({
    ...{ backend: 'notes', dataset: 'inbox', operation: 'list' },
    ...{ shape: '', stage: 'shadow' },
  }).calls += calls;
  await clock.advance(2_000);
}

async function holdAndResume(): Promise<void> {
  ledger.hold('notes', inbox, author);
  await clock.advance(2_000);
  ledger.resume('notes', inbox, author);
  await clock.advance(2_000);
}

/** Comparisons, and calls by shape, that count since the key was resumed. */
async function judged(): Promise<readonly number[]> {
  recorder.flush();
  const resumed = resumptions(await ledger.history());
  const { judged: since, shapes } = readRecordings(path, clock, resumed);
  const cells = (since?.cells ?? []).reduce((sum, { compared }) => sum + compared, 0);
  return [cells, shapes.reduce((sum, { calls }) => sum + calls, 0)];
}

test('what was counted before a resumption does not count after it, what comes later does', async () => {
  await count(5);
  await holdAndResume();
  await count(7);
  expect(await judged()).toEqual([7, 7]);
});

test('the clock is set back by hours after the resumption: what comes later counts at once', async () => {
  await count(5);
  await holdAndResume();
  clock.setWall(clock.wallMs() - hoursMs);
  await count(7);
  expect(await judged()).toEqual([7, 7]);
});

test('the clock is set back before the resumption: what was counted before does not count', async () => {
  await count(5);
  clock.setWall(clock.wallMs() - hoursMs);
  await holdAndResume();
  await count(7);
  expect(await judged()).toEqual([7, 7]);
  await holdAndResume();
  await count(2);
  expect(await judged()).toEqual([2, 2]);
});

test('a program that starts after the clock was set back counts after the resumption too', async () => {
  await count(5);
  await holdAndResume();
  await end();
  clock.setWall(clock.wallMs() - hoursMs);
  start();
  await count(7);
  expect(await judged()).toEqual([7, 7]);
});

test('what is held stays held, and its minutes are those of the clock as it stands', async () => {
  ledger.hold('notes', inbox, author);
  await clock.advance(2_000);
  clock.setWall(clock.wallMs() - hoursMs);
  await count(3);
  expect(ledger.isHeld('notes', inbox)).toBe(true);
  recorder.cell('notes', 'inbox', 'list', 'shadow').calls += 4;
  await clock.advance(61_000);
  const { minutes } = readRecordings(path, clock);
  const now = clock.wallMs();
  const [slice] = minutes?.byDataset ?? [];
  expect(slice).toMatchObject({ calls: 4 });
  expect(slice?.from).toBeGreaterThan(now - 180_000);
  expect(slice?.from).toBeLessThanOrEqual(now);
});
