import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { EndableCall, Leg } from '@changeover/core';
import { datasetFile, type StorageBackend, StorageError } from '@changeover/engines/api';
import { retryRules } from '../dataset/retry-policy.ts';
import { StorageBackendFactory } from '../storage-backend-factory.ts';
import { mayBeTriedAgain } from './fences.ts';
import { HostingWorker } from './hosting-worker.ts';

let basePath: string;
let factory: StorageBackendFactory;
let leg: Leg<StorageBackend>;
let workers: Worker[];
let children: ChildProcess[];
/** Writes that were sent to a thread, those that were sent again included. */
let sent: number;
/** How many of a thread's were unanswered at once, at most. */
let most: number;

beforeEach(async () => {
  workers = [];
  children = [];
  sent = 0;
  most = 0;
  const { ask } = HostingWorker.prototype;
  jest.spyOn(HostingWorker.prototype, 'ask').mockImplementation(function (
    this: HostingWorker,
    ...[dataset, request, onFailure]
  ) {
    if (request.kind === 'run' && request.job.kind === 'operation' && request.job.inLine === true)
      sent += 1;
    const answer = ask.call(this, dataset, request, onFailure);
    most = Math.max(most, this.running);
    return answer;
  });
  basePath = mkdtempSync(join(tmpdir(), 'changeover-line-'));
  factory = new StorageBackendFactory({
    basePath,
    lockWaitMs: 60_000,
    sqlite: {
      onWorker: (worker) => {
        workers.push(worker);
      },
      onChildProcess: (child) => {
        children.push(child);
      },
    },
  });
  leg = factory.leg('sqlite');
  await leg.api.createDataset('d');
  await leg.api.execute(
    'd',
    'CREATE TABLE t (at INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER UNIQUE)',
  );
  await leg.api.execute('d', 'CREATE TABLE other (n INTEGER)');
});
afterEach(async () => {
  jest.restoreAllMocks();
  await factory.close({ deadlineMs: 5_000 });
  rmSync(basePath, { recursive: true, force: true });
});

const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });
const until = async (is: () => boolean): Promise<void> => {
  while (!is()) await nextTurn();
};

/** Makes a write as one of a caller's, whose answer nobody waits for. */
function write(caller: object, n: number, sql = 'INSERT INTO t (n) VALUES (?)'): EndableCall {
  const made = leg.endable?.(() => leg.api.execute('d', sql, [n]), caller);
  if (made === undefined) throw new Error('the leg ends no call');
  (made.answer as Promise<unknown>).catch(() => undefined);
  return made;
}

/** What became of a write: `applied`, or the code of its error. */
const told = async ({ answer }: EndableCall): Promise<unknown> =>
  await (answer as Promise<unknown>).then(
    () => 'applied',
    (error: unknown) => (error as { code: unknown }).code,
  );

/** What is in the table, in the order in which it was written. */
const written = async (): Promise<number[]> =>
  (await leg.api.query('d', 'SELECT n FROM t ORDER BY at')).rows.map(({ n }) => Number(n));

const numbers = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

/** Another process that has the file locked until it is told to let go. */
async function lockedByAnother(): Promise<{ readonly letGo: () => Promise<void> }> {
  const other = spawn(
    process.execPath,
    [
      '--input-type=module',
      '--eval',
      `const { default: Database } = await import('better-sqlite3');
       const database = new Database(${JSON.stringify(datasetFile({ basePath }, 'sqlite', 'd'))});
       database.exec('BEGIN IMMEDIATE; INSERT INTO other VALUES (1)');
       console.log('locked');
       process.stdin.once('data', () => { database.exec('COMMIT'); process.exit(); });`,
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  await once(other.stdout, 'data');
  return {
    letGo: async () => {
      other.stdin.write('\n');
      await once(other, 'exit');
    },
  };
}

test('writes of one caller are sent without waiting for answers, and take effect in their order', async () => {
  const calls = numbers(40).map((n) => write(leg, n));
  expect(await Promise.all(calls.map(told))).toEqual(numbers(40).map(() => 'applied'));
  expect(await written()).toEqual(numbers(40));
  expect(most).toBeGreaterThan(10);
});

test("another process's lock in the middle: those behind the one that waits for it are not run before it", async () => {
  const before = numbers(20).map((n) => write(leg, n));
  await until(() => sent >= 20);
  const lock = await lockedByAnother();
  const behind = numbers(20).map((n) => write(leg, 20 + n));
  // Each was sent, and the first of them more than once.
  await until(() => sent > 45);
  await lock.letGo();
  expect(await Promise.all([...before, ...behind].map(told))).toEqual(
    numbers(40).map(() => 'applied'),
  );
  expect(await written()).toEqual(numbers(40));
});

test('a lock does not let the writes of one caller take the place of those of another', async () => {
  const lock = await lockedByAnother();
  const [one, two] = [{}, {}];
  const calls = numbers(20).map((n) => write(n % 2 === 0 ? one : two, n));
  await until(() => sent > 45);
  await lock.letGo();
  expect(await Promise.all(calls.map(told))).toEqual(numbers(20).map(() => 'applied'));
  const rows = await written();
  expect(rows.filter((n) => n % 2 === 0)).toEqual(numbers(10).map((n) => 2 * n));
  expect(rows.filter((n) => n % 2 === 1)).toEqual(numbers(10).map((n) => 2 * n + 1));
});

test('one that is refused in the middle fails alone, and the others keep their order', async () => {
  const calls = numbers(30).map((n) => write(leg, n % 7 === 3 ? 0 : n));
  const outcomes = await Promise.all(calls.map(told));
  expect(outcomes).toEqual(numbers(30).map((n) => (n % 7 === 3 ? 'STATEMENT_FAILED' : 'applied')));
  expect(await written()).toEqual(numbers(30).filter((n) => n % 7 !== 3));
});

test('one that is given up while it waits is not applied, and those behind it are', async () => {
  const lock = await lockedByAnother();
  const calls = numbers(10).map((n) => write(leg, n));
  await until(() => sent > 12);
  const [first, , third] = calls as [EndableCall, EndableCall, EndableCall];
  // Between its attempts and behind others there is nothing that can't be ended.
  await until(() => third.end(new Error('enough')));
  await until(() => first.end(new Error('enough')));
  await expect(third.answer).rejects.toMatchObject({ code: 'ABORTED', retryable: true });
  await expect(first.answer).rejects.toMatchObject({ code: 'ABORTED', retryable: true });
  await lock.letGo();
  const outcomes = await Promise.all(calls.map(told));
  expect(outcomes).toEqual(numbers(10).map((n) => (n === 0 || n === 2 ? 'ABORTED' : 'applied')));
  expect(await written()).toEqual(numbers(10).filter((n) => n !== 0 && n !== 2));
});

test.each([1, 15, 60, 120])(
  'the thread dies in the middle, after %d of 200: nothing is lost or doubled or changes its place',
  async (done) => {
    let applied = 0;
    const calls = numbers(200).map((n) => write(leg, n));
    const outcomes = calls.map(async (call) => {
      const outcome = await told(call);
      if (outcome === 'applied') applied += 1;
      return outcome;
    });
    await until(() => applied >= done);
    await Promise.all(workers.map((worker) => worker.terminate()));
    const all = await Promise.all(outcomes);
    const others = all.filter((outcome) => outcome !== 'applied');
    expect(others).toEqual(others.length === 0 ? [] : ['COMMIT_UNKNOWN']);
    const rows = await written();
    expect(rows).toEqual([...rows].sort((a, b) => a - b));
    // What nobody knows may be there or not.
    const unknown = all.indexOf('COMMIT_UNKNOWN');
    expect(rows.filter((n) => n !== unknown)).toEqual(numbers(200).filter((n) => n !== unknown));
  },
);

test('a process that is killed with one of them is begun again, before those that waited behind it', async () => {
  const slow =
    'INSERT INTO t (n) SELECT ? WHERE (WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 300000) ' +
    'SELECT count(*) FROM c) > 0';
  const calls = numbers(8).map((n) => write(leg, n, n === 2 ? slow : undefined));
  await until(() => children.length > 0);
  children[0]?.kill('SIGKILL');
  const outcomes = await Promise.all(calls.map(told));
  // It was killed before its commit, or while that was told.
  expect(outcomes.filter((outcome, n) => outcome !== 'applied' && n !== 2)).toEqual([]);
  const rows = await written();
  expect(rows.filter((n) => n !== 2 || outcomes[2] === 'applied')).toEqual(
    numbers(8).filter((n) => n !== 2 || outcomes[2] === 'applied'),
  );
});

test('what is tried again is what lets nothing past it', () => {
  const errors = {
    busy: 'SQLITE_BUSY',
    conflict: 'SQLITE_BUSY_SNAPSHOT',
    connection: 'SQLITE_CANTOPEN',
  };
  const written = retryRules.filter(
    ({ kind, action }) => kind.includes('write') && (action === 'retry' || action === 'wait'),
  );
  const classes = new Set(written.flatMap(({ error }) => error));
  expect([...classes].sort()).toEqual(Object.keys(errors).sort());
  for (const code of Object.values(errors)) {
    expect(mayBeTriedAgain(Object.assign(new Error('x'), { code }))).toBe(true);
    const cause = Object.assign(new Error('x'), { code });
    expect(mayBeTriedAgain(new StorageError('X', 'x', { engine: 'sqlite', cause }))).toBe(true);
  }
  expect(mayBeTriedAgain(Object.assign(new Error('x'), { code: 'SQLITE_CONSTRAINT' }))).toBe(false);
});
