import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { keyTarget, type Stage } from '@changeover/core';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import { type Logger, silentLogger } from '../log.ts';
import { readLedgerFile, SqliteLedgerStore } from '../stages/ledger/file-ledger-store.ts';
import { Ledger } from '../stages/ledger/ledger.ts';
import { openRecorder } from './open-recorder.ts';
import { readRecordings } from './read-recordings.ts';
import type { Recorder } from './recorder.ts';

let folder: string;
let path: string;
let clock: ManualClock;
let told: string[];
let ends: (() => void | Promise<void>)[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-faults-'));
  path = join(folder, '.changeover', 'comparisons.sqlite');
  clock = new ManualClock();
  told = [];
  ends = [];
  // As a bridge makes its own folder.
  mkdirSync(join(folder, '.changeover'));
});

afterEach(async () => {
  for (const end of ends) await end();
  rmSync(folder, { recursive: true, force: true });
});

const tell = (_fields: object, message: string): void => {
  told.push(message);
};
const logger: Logger = { ...silentLogger, warn: tell, error: tell };

function record(): Recorder {
  const recorder = openRecorder({ path, run: 'test', clock, logger, random: () => 0.5 });
  ends.push(() => {
    recorder.close();
  });
  return recorder;
}

/** A ledger that has the key at `pooled`, past gates that let everything pass. */
async function ledgerAtPooled(key: string): Promise<Ledger> {
  const ledger = new Ledger({
    store: new SqliteLedgerStore(path),
    logger: silentLogger,
    clock,
    reviewIntervalMs: 100,
  });
  ends.push(() => ledger.close());
  for (let step = 0; step < 8; step += 1) {
    ledger.ask('sqlite', keyTarget(key), 'pooled', '1');
    await clock.advance(100);
  }
  expect(stageIn(ledger, key)).toBe('pooled');
  return ledger;
}

function stageIn(ledger: Ledger, key: string): Stage | undefined {
  return ledger.limitsOn('sqlite', keyTarget(key)).at(-1)?.stage;
}

function inFile(): string[] {
  return readLedgerFile(path).map(
    ({ dataset, to, held }) => `${dataset} ${to}${held ? ' held' : ''}`,
  );
}

const count = (recorder: Recorder, calls: number): void => {
  recorder.cell('sqlite', 'a', 'readTable', 'shadow').calls += calls;
};

describe.each([
  [
    'the file of the store is deleted while a program uses it',
    () => {
      rmSync(path);
    },
  ],
  [
    'all of its files are deleted',
    () => {
      for (const name of ['', '-wal', '-shm']) rmSync(path + name, { force: true });
    },
  ],
  [
    'its folder is deleted',
    () => {
      rmSync(join(folder, '.changeover'), { recursive: true });
    },
  ],
])('%s', (_title, remove) => {
  test('is told once, and the program goes on in a new file, with what it counted', async () => {
    const recorder = record();
    count(recorder, 5);
    recorder.relied({ backend: 'sqlite', dataset: 'a', guarantee: 'order', what: 'readTable' });
    await clock.advance(1_000);
    remove();
    count(recorder, 2);
    await clock.advance(3_000);
    expect(existsSync(path)).toBe(true);
    expect(readRecordings(path).totals.calls).toBe(7);
    expect(readRecordings(path).reliance).toHaveLength(1);
    expect(recorder.summary().totals.calls).toBe(7);
    expect(told).toEqual([
      expect.stringMatching(/was deleted or replaced .+ goes on in the file of that name/),
    ]);
  });

  test('is seen by an idle program too', async () => {
    const recorder = record();
    count(recorder, 5);
    await clock.advance(1_000);
    remove();
    await clock.advance(2_000);
    expect(readRecordings(path).totals.calls).toBe(5);
  });

  test('leaves every key where it is, and the next process finds it there', async () => {
    const recorder = record();
    const ledger = await ledgerAtPooled('a');
    ledger.hold('sqlite', keyTarget('b'), { who: 'ada', reason: 'it looks wrong' });
    await clock.advance(100);
    count(recorder, 1);
    remove();
    await clock.advance(2_000);
    expect(stageIn(ledger, 'a')).toBe('pooled');
    expect(inFile().sort()).toEqual(['a pooled', 'b legacy held']);
    // A person's rollback, typed after that.
    const store = new SqliteLedgerStore(path);
    const [last] = store.read(0).filter(({ dataset }) => dataset === 'a');
    store.append([
      {
        at: 1,
        backend: 'sqlite',
        dataset: 'a',
        from: 'pooled',
        to: 'legacy',
        held: true,
        who: 'ada',
        reason: 'back',
        revision: '',
        previous: last?.sequence ?? 0,
      },
    ]);
    store.close();
    await clock.advance(200);
    expect(stageIn(ledger, 'a')).toBe('legacy');
  });
});

describe('the file of the store is replaced by an earlier copy of it', () => {
  test('keeps what holds keys further back on either side', async () => {
    const recorder = record();
    const ledger = await ledgerAtPooled('a');
    await clock.advance(1_000);
    recorder.flush();
    const earlier = `${path}.copy`;
    const copy = new DatabaseSync(path);
    copy.exec(`vacuum into '${earlier}'`);
    copy.close();
    ledger.hold('sqlite', keyTarget('a'), { who: 'ada', reason: 'it looks wrong' });
    const other = await ledgerAtPooled('c');
    await clock.advance(200);
    expect(stageIn(ledger, 'c')).toBe('pooled');
    await other.close();
    copyFileSync(earlier, `${path}.next`);
    renameSync(`${path}.next`, path);
    await clock.advance(2_000);
    expect(stageIn(ledger, 'a')).toBe('legacy');
    expect(inFile()).toContain('a legacy held');
    expect(stageIn(ledger, 'c')).toBe('pooled');
    expect(told).toEqual([expect.stringMatching(/was deleted or replaced/)]);
  });
});

describe('the store is locked by another process', () => {
  test('for a moment says nothing; for long it is told once, and all is stored when it lets go', async () => {
    const recorder = record();
    count(recorder, 5);
    await clock.advance(1_000);
    const other = new DatabaseSync(path);
    other.exec('begin exclusive');
    count(recorder, 2);
    await clock.advance(20_000);
    expect(told).toEqual([]);
    await clock.advance(120_000);
    expect(told).toEqual([expect.stringMatching(/locked by another process for 30 s/)]);
    other.exec('rollback');
    other.close();
    await clock.advance(2_000);
    expect(readRecordings(path).totals.calls).toBe(7);
    expect(recorder.summary().notes).toEqual([]);
  });
});
