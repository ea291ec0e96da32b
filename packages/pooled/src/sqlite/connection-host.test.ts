import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import { sharedMarks } from './commit-marks.ts';
import { ConnectionHost } from './connection-host.ts';
import { markOf, marksLength, mostHeldAnswers, type WorkerRequest } from './worker-messages.ts';

let folder: string;
let host: ConnectionHost;
let calls: number;

/** Nothing here has a long answer. */
const never = (): void => undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-host-'));
  const file = join(folder, 'd.sqlite');
  const database = new Database(file);
  database.exec('CREATE TABLE t (n INTEGER)');
  database.close();
  host = new ConnectionHost(
    sharedMarks(new Int32Array(new SharedArrayBuffer(marksLength * Int32Array.BYTES_PER_ELEMENT))),
  );
  calls = 0;
  for (const connection of [1, 2])
    host.perform(
      { kind: 'open', call: (calls += 1), connection, dataset: 'd', options: { file } },
      never,
    );
});
afterEach(() => {
  for (const connection of [1, 2])
    host.perform({ kind: 'close', call: (calls += 1), connection }, never);
  rmSync(folder, { recursive: true, force: true });
});

const quick = 'INSERT INTO t VALUES (1)';
const slow =
  'INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT i FROM n';

function write(sql: string, connection = 1, inLine = true): WorkerRequest {
  const job = { kind: 'operation', operation: 'execute', args: [sql], inLine } as const;
  const known = { guarded: false, refusals: 0, fences: 0 };
  return { kind: 'run', call: (calls += 1), connection, job, ...known };
}

test('an answer waits for that to the next write of a line alone, where one like that took no time', () => {
  const first = write(quick);
  // However loaded the machine is, one of many takes what it takes.
  for (let at = 0; at < 10_000 && !host.isQuick(first, write(quick)); at += 1) {
    expect(host.perform(first, never).outcome).toBe('done');
  }
  expect(host.isQuick(first, write(quick))).toBe(true);
  expect(host.isQuick(first, write(slow))).toBe(false);
  expect(host.isQuick(first, write(quick, 2))).toBe(false);
  expect(host.isQuick(first, write(quick, 1, false))).toBe(false);
  expect(host.isQuick(write(quick, 1, false), write(quick))).toBe(false);
  expect(host.isQuick(first, { kind: 'close', call: 0, connection: 1 })).toBe(false);
  host.perform(write(slow), never);
  expect(host.isQuick(write(slow), write(slow))).toBe(false);
});

test('each answer that may be held has a mark of its own, and the one after them', () => {
  for (const first of [0, 1, 2 ** 31 - 1 - mostHeldAnswers]) {
    const at = Array.from({ length: mostHeldAnswers + 1 }, (_, nth) => markOf(first + nth));
    expect(new Set(at).size).toBe(mostHeldAnswers + 1);
    for (const index of at) expect(index).toBeLessThan(marksLength);
  }
});
