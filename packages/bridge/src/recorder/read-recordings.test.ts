import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Clock, systemClock } from '@changeover/core';
import { silentLogger } from '../log.ts';
import { inOneGo, inTurns } from '../steps.ts';
import { HourBook } from './hour-book.ts';
import { openRecorder } from './open-recorder.ts';
import { readRecordings, recordingsInSteps } from './read-recordings.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-read-'));
  path = join(folder, 'comparisons.sqlite');
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function count(keys: number): void {
  const recorder = openRecorder({ path, run: 'test', logger: silentLogger });
  for (let key = 0; key < keys; key += 1)
    recorder.cell('notes', `key-${String(key)}`, 'list', 'shadow').calls += 1;
  recorder.close();
}

const steps = (): ReturnType<typeof recordingsInSteps> =>
  recordingsInSteps(path, systemClock, undefined, new HourBook(Date.now()));

test('who reads in turns lets others have theirs, and reads one state', async () => {
  count(50);
  const reading = steps();
  reading.next();
  count(7);
  expect(inOneGo(reading).totals.calls).toBe(50);

  let passedMs = 0;
  // Each look at it is a millisecond later.
  const clock: Clock = { ...systemClock, monotonicMs: () => (passedMs += 1) };
  let turns = 0;
  let done = false;
  const others = (): void => {
    turns += 1;
    if (!done) setImmediate(others);
  };
  setImmediate(others);
  const { totals } = await inTurns(clock, steps());
  done = true;
  expect(totals.calls).toBe(57);
  expect(turns).toBeGreaterThan(10);
});

test('reading that is given up holds nothing of the store', () => {
  count(3);
  const reading = steps();
  reading.next();
  reading.return(undefined as never);
  count(2);
  expect(readRecordings(path).totals.calls).toBe(5);
});

test.each([
  [
    'a file that is not there',
    () => join(folder, 'missing.sqlite'),
    /There is no file \/.*missing\.sqlite/,
  ],
  ['a folder', () => folder, /is no file/],
  ['no path at all', () => undefined as never, /It was given something of type undefined/],
])('%s: it is said what was expected and which file to name', (_what, place, found) => {
  const read = (): unknown => readRecordings(place());
  expect(read).toThrow(found);
  expect(read).toThrow(
    /A comparison store was expected, as its path\..*storePath or CHANGEOVER_STORE/,
  );
});
