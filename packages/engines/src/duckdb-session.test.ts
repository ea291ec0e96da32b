import { afterEach, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileStore } from './dataset-store.ts';
import { type DuckdbSession, openDuckdbSession } from './duckdb-session.ts';
import type { Program, Step } from './program.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function* steps(...given: readonly (Step | (() => void))[]): Program<unknown[]> {
  let cells: unknown[] = [];
  for (const step of given) {
    if (typeof step === 'function') step();
    else cells = (yield step).cells;
  }
  return cells;
}

async function openTwo(): Promise<[DuckdbSession, DuckdbSession]> {
  const basePath = mkdtempSync(join(tmpdir(), 'changeover-duckdb-session-'));
  cleanups.push(() => {
    rmSync(basePath, { recursive: true });
  });
  await fileStore('duckdb', { basePath }).create('d');
  const open = async (): Promise<DuckdbSession> => {
    const session = await openDuckdbSession({ file: join(basePath, 'd', 'dataset.duckdb') });
    cleanups.push(() => session.close());
    return session;
  };
  const [one, other] = [await open(), await open()];
  await one.run(
    steps({ kind: 'run', sql: 'CREATE TABLE t AS SELECT range AS id, 0 AS n FROM range(5000)' }),
  );
  return [one, other];
}

test('a cancel that comes while a transaction is rolled back does not keep it open', async () => {
  const [one, other] = await openTwo();
  for (let turn = 0; turn < 20; turn += 1) {
    await one.run(
      steps(
        { kind: 'begin' },
        { kind: 'run', sql: 'UPDATE t SET n = n + 1' },
        () => {
          queueMicrotask(() => {
            void one.cancel();
          });
        },
        { kind: 'rollback' },
      ),
    );
    await other.run(steps({ kind: 'run', sql: 'UPDATE t SET n = 7 WHERE id = 5' }));
  }
  expect(
    await other.run(steps({ kind: 'all', sql: 'SELECT sum(n) AS n FROM t', form: 'cells' })),
  ).toEqual([[7]]);
});

test('a read said again sees what another connection committed since', async () => {
  const [one, other] = await openTwo();
  const count: Step = {
    kind: 'all',
    sql: 'SELECT count(*) AS n FROM t WHERE n > 1',
    form: 'cells',
  };
  expect(await one.run(steps(count))).toEqual([[0]]);
  await other.run(steps({ kind: 'run', sql: 'UPDATE t SET n = 2 WHERE id < 3' }));
  expect(await one.run(steps(count))).toEqual([[3]]);
});
