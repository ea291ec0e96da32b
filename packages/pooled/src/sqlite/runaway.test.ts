import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { datasetFile } from '@changeover/engines/api';
import type { StorageBackend } from '@changeover/engines/api';
import Database from 'better-sqlite3';
import type { PooledShadowLeg } from '../shadow/pooled-shadow-leg.ts';
import { StorageBackendFactory } from '../storage-backend-factory.ts';
import { HostingChild } from './hosting-child.ts';
import { InlineReader } from './inline-reader.ts';
import { commitMarksFd } from './worker-messages.ts';

const index = fileURLToPath(new URL('../index.ts', import.meta.url));

let basePath: string;
let factory: StorageBackendFactory;
let storage: StorageBackend;
let children: ChildProcess[];
/** The datasets that a process was asked to run something of. */
let asked: string[];

beforeEach(() => {
  children = [];
  asked = [];
  const { ask } = HostingChild.prototype;
  jest.spyOn(HostingChild.prototype, 'ask').mockImplementation(function (
    this: HostingChild,
    ...[dataset, request, onFailure]
  ) {
    if (request.kind === 'run') asked.push(dataset);
    return ask.call(this, dataset, request, onFailure);
  });
  basePath = mkdtempSync(join(tmpdir(), 'changeover-runaway-'));
  factory = new StorageBackendFactory({
    basePath,
    sqlite: {
      // However slow the machine is.
      inlineThresholdMs: 1_000,
      childProcesses: 2,
      onChildProcess: (child) => {
        children.push(child);
      },
    },
  });
  storage = factory.storage('sqlite');
});
afterEach(async () => {
  jest.restoreAllMocks();
  await factory.close({ deadlineMs: 5_000 });
  rmSync(basePath, { recursive: true, force: true });
});

const numbers = (where: string): string =>
  `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n ${where})`;
const endlessRead = `${numbers('')} SELECT count(*) AS c FROM n`;
const endlessWrite = `INSERT INTO t (id) ${numbers('')} SELECT i + 1000 FROM n`;
const shortWrite = `INSERT INTO t (id) ${numbers('WHERE i < 5')} SELECT i + 100 FROM n`;
const shortRead = `${numbers('WHERE i < 5')} SELECT count(*) AS c FROM n`;

async function make(...datasets: string[]): Promise<void> {
  for (const dataset of datasets) {
    await storage.createDataset(dataset);
    await storage.execute(dataset, 'CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER DEFAULT 0)');
    await storage.execute(dataset, 'INSERT INTO t (id) VALUES (1), (2), (3)');
  }
}

const told = async (call: Promise<unknown>): Promise<unknown> =>
  await call.catch((error: unknown) => error);
const rows = async (dataset: string, sql = 'SELECT count(*) AS c FROM t'): Promise<unknown> =>
  (await storage.query(dataset, sql)).rows;

interface Endless {
  readonly outcome: Promise<unknown>;
  readonly settled: () => boolean;
  readonly stop: () => void;
}

/** Starts a statement that never ends, and waits until a process is at it. */
async function startEndless(dataset: string, kind: 'query' | 'execute'): Promise<Endless> {
  const { signal, ...controller } = abortable();
  const backend = factory.createBackend(dataset, 'sqlite');
  let settled = false;
  const call =
    kind === 'query'
      ? backend.query(endlessRead, [], { signal })
      : backend.execute(endlessWrite, [], { signal });
  const outcome = told(call).finally(() => {
    settled = true;
  });
  await inProcess(dataset);
  return { outcome, settled: () => settled, stop: controller.stop };
}

function abortable(): { readonly signal: AbortSignal; readonly stop: () => void } {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    stop: () => {
      controller.abort();
    },
  };
}

/** Waits until a process was asked to run something of a dataset. */
async function inProcess(dataset: string): Promise<void> {
  while (!asked.includes(dataset))
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
}

const notApplied = { code: 'ABORTED', retryable: true };

describe('a statement that never ends', () => {
  test('keeps no other dataset waiting, nor the reads and writes of its own, and is ended when its caller gives it up', async () => {
    const others = Array.from({ length: 10 }, (_unused, index) => `other${index}`);
    await make('d', ...others);
    const endless = await startEndless('d', 'query');
    await Promise.all(
      [...others, 'd'].map(async (dataset) => {
        expect(await storage.execute(dataset, 'UPDATE t SET n = n + 1')).toBe(3);
        expect(await rows(dataset, 'SELECT sum(n) AS s FROM t')).toEqual([{ s: 3 }]);
        expect(await rows(dataset, shortRead)).toEqual([{ c: 5 }]);
      }),
    );
    expect(endless.settled()).toBe(false);
    endless.stop();
    expect(await endless.outcome).toMatchObject(notApplied);
    expect(await rows('d')).toEqual([{ c: 3 }]);
  });

  test('as a write keeps no other dataset waiting; nothing of it is applied, and the next write to its own is', async () => {
    await make('d', 'other');
    const endless = await startEndless('d', 'execute');
    const behind = storage.execute('d', 'UPDATE t SET n = 1 WHERE id = 1');
    expect(await storage.execute('other', 'UPDATE t SET n = 1')).toBe(3);
    expect(await rows('d')).toEqual([{ c: 3 }]);
    expect(endless.settled()).toBe(false);
    endless.stop();
    expect(await endless.outcome).toMatchObject(notApplied);
    expect(await behind).toBe(1);
    expect(await rows('d', 'SELECT count(*) AS c, sum(n) AS s FROM t')).toEqual([{ c: 3, s: 1 }]);
  });

  test('in a transaction ends with it: nothing of the transaction is applied', async () => {
    await make('d');
    const { signal, stop } = abortable();
    let runs = 0;
    const outcome = told(
      factory.createBackend('d', 'sqlite').transaction(
        async (transaction) => {
          runs += 1;
          await transaction.execute('UPDATE t SET n = 7');
          const endless = transaction.execute(endlessWrite);
          stop();
          await endless;
        },
        { signal },
      ),
    );
    expect(await outcome).toMatchObject(notApplied);
    expect(runs).toBe(1);
    expect(await rows('d', 'SELECT count(*) AS c, sum(n) AS s FROM t')).toEqual([{ c: 3, s: 0 }]);
    expect(await storage.transaction('d', (transaction) => transaction.execute(shortWrite))).toBe(
      5,
    );
  });

  test('on two datasets, in all the processes that there are: a third is not blocked, whatever it runs', async () => {
    await make('d', 'e', 'third');
    const endless = [await startEndless('d', 'query'), await startEndless('e', 'execute')];
    expect(await storage.execute('third', 'UPDATE t SET n = 1')).toBe(3);
    expect(await storage.execute('third', shortWrite)).toBe(5);
    expect(await rows('third', shortRead)).toEqual([{ c: 5 }]);
    await storage.transaction('third', (transaction) => transaction.execute('UPDATE t SET n = 2'));
    expect(endless.map(({ settled }) => settled())).toEqual([false, false]);
  });

  test('is ended at its deadline, which the error names, and says that nothing was applied', async () => {
    await make('d');
    await rows('d', shortRead);
    const backend = factory.createBackend('d', 'sqlite');
    expect(await told(backend.execute(endlessWrite, [], { deadlineMs: 200 }))).toMatchObject({
      ...notApplied,
      message: expect.stringMatching(/deadline passed.*nothing was applied/),
      operation: 'execute',
    });
    expect(await told(backend.query(endlessRead, [], { deadlineMs: 200 }))).toMatchObject(
      notApplied,
    );
    expect(await storage.execute('d', shortWrite)).toBe(5);
    expect(await rows('d')).toEqual([{ c: 8 }]);
  });

  test('is ended when the factory is closed, and the process it ran in with it', async () => {
    await make('d');
    const endless = await startEndless('d', 'execute');
    await factory.close({ deadlineMs: 200 });
    expect(await endless.outcome).toMatchObject({ name: expect.stringMatching(/Error$/) });
    expect(children.map(({ signalCode }) => signalCode)).toEqual(['SIGKILL']);
  });
});

test.each([
  ['process.exit(0)', 0],
  ["process.kill(process.pid, 'SIGKILL')", null],
])(
  'a process that ends by %s in the middle of one leaves no process behind',
  async (end, expected) => {
    const program = `import { StorageBackendFactory } from ${JSON.stringify(index)};
    const factory = new StorageBackendFactory({
      basePath: ${JSON.stringify(basePath)},
      sqlite: { onChildProcess: (child) => { child.once('message', () => { setImmediate(() => { ${end} }); }); } },
    });
    const storage = factory.storage('sqlite');
    await storage.createDataset('d');
    await storage.execute('d', 'CREATE TABLE t (id INTEGER PRIMARY KEY)');
    await storage.execute('d', ${JSON.stringify(endlessWrite)});`;
    const child = spawn(
      process.execPath,
      ['--conditions=@changeover/source', '--input-type=module-typescript', '-e', program],
      // Closed when the last process that has it has ended.
      { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, NODE_OPTIONS: '' } },
    );
    const [code] = (await once(child, 'close')) as [number | null];
    expect(code).toBe(expected);
    await make('d2');
    await factory.createBackend('d', 'sqlite').execute('INSERT INTO t VALUES (1)');
    expect(await rows('d')).toEqual([{ c: 1 }]);
  },
);

test('writes take effect in the order in which they were asked for, wherever they run', async () => {
  await make('d');
  const calls: Promise<unknown>[] = [];
  for (let round = 0; round < 5; round += 1) {
    calls.push(
      storage.execute(
        'd',
        `INSERT INTO t (id) ${numbers('WHERE i < 3')} SELECT i + ${round * 10 + 10} FROM n`,
      ),
    );
    calls.push(storage.execute('d', 'UPDATE t SET n = n + 1'));
    calls.push(storage.execute('d', 'UPDATE t SET n = n * 2'));
  }
  await Promise.all(calls);
  const expected = [62, 62, 30, 14, 6, 2].flatMap((n) => [n, n, n]);
  expect(await rows('d', 'SELECT n FROM t ORDER BY id')).toEqual(expected.map((n) => ({ n })));
});

test.each([1, 2, 3, 4, 5])(
  'a process is killed in the middle of writes (%d): what was acknowledged is there, and nothing else but what is told to be unknown',
  async (after) => {
    await make('d');
    const ids = Array.from({ length: 12 }, (_unused, id) => 1_000 * (id + 1));
    let applied = 0;
    const calls = ids.map(async (id) => {
      const outcome = await told(
        storage.execute(
          'd',
          `INSERT INTO t (id) ${numbers('WHERE i < 900')} SELECT i + ${id} FROM n`,
        ),
      );
      applied += 1;
      return outcome;
    });
    while (applied < after)
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
    for (const child of children) child.kill('SIGKILL');
    const outcomes = await Promise.all(calls);
    const { rows: found } = await storage.query(
      'd',
      'SELECT id / 1000 AS batch, count(*) AS c FROM t WHERE id > 1000 GROUP BY 1',
    );
    const counts = new Map(found.map(({ batch, c }) => [Number(batch) * 1_000, Number(c)]));
    for (const [at, id] of ids.entries()) {
      const outcome = outcomes[at];
      if (outcome === 900) expect(counts.get(id)).toBe(900);
      else if ((outcome as { code?: string }).code === 'COMMIT_UNKNOWN')
        expect([undefined, 900]).toContain(counts.get(id));
      else expect(counts.get(id)).toBeUndefined();
    }
    expect(outcomes.filter((outcome) => outcome === 900).length).toBeGreaterThanOrEqual(11);
    expect(await rows('d', 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
  },
);

test('a process is killed while it commits: the write is told to be unknown, unless its answer came first, and is not run again', async () => {
  await make('d');
  const written = 200_000;
  let killed = false;
  await storage.query('d', shortRead);
  const [child] = children;
  child?.stdio[commitMarksFd]?.once('data', () => {
    killed = child.kill('SIGKILL');
  });
  const outcome = await told(
    storage.execute(
      'd',
      `INSERT INTO t (id) ${numbers(`WHERE i < ${written}`)} SELECT i + 1000 FROM n`,
    ),
  );
  expect(killed).toBe(true);
  expect(asked).toEqual(['d', 'd']);
  const [found] = (await storage.query('d', 'SELECT count(*) AS c FROM t')).rows;
  if (outcome !== written) {
    expect(outcome).toMatchObject({ code: 'COMMIT_UNKNOWN', retryable: false });
    expect([3, written + 3]).toContain(found?.['c']);
  } else expect(found?.['c']).toBe(written + 3);
});

test('a point read runs on the main thread from its second time on, and no process is started for it', async () => {
  await make('d');
  const inline = jest.spyOn(InlineReader.prototype, 'tryRun');
  for (let id = 0; id < 100; id += 1)
    expect(await rows('d', 'SELECT n FROM t WHERE id = 2')).toEqual([{ n: 0 }]);
  expect(inline.mock.results.filter(({ value }) => value !== undefined)).toHaveLength(99);
  expect(children).toEqual([]);
});

test('bytes are a Buffer wherever they were read', async () => {
  await make('d');
  const bytes = Buffer.from('deadbeef', 'hex');
  await storage.writeTable('d', 'b', [{ id: 1, k: bytes }]);
  const sql = 'SELECT k FROM b WHERE id = 1';
  const inChild = `${numbers('WHERE i < 2')} SELECT k FROM b, n WHERE i = 1`;
  for (const each of [sql, sql, sql, inChild]) {
    const { rows: found } = await storage.query('d', each);
    expect(Buffer.isBuffer(found[0]?.['k'])).toBe(true);
    expect(found).toEqual([{ k: bytes }]);
  }
  expect(children).toHaveLength(1);
});

test('a rehearsal that may never end is ended within its budget, leaves no lock, and is known from then on', async () => {
  await make('d');
  const { shadow } = factory.leg('sqlite');
  const rehearse = async (): Promise<{ outcome: Promise<unknown>; stop: () => void }> => {
    const { signal, stop } = abortable();
    const call = { operation: 'execute', args: ['d', endlessWrite], signal };
    asked.length = 0;
    const outcome = told(Promise.resolve(shadow?.rehearse?.(call, { maxRows: 10 })));
    await inProcess('d');
    return { outcome, stop };
  };
  const { outcome, stop } = await rehearse();
  stop();
  expect(await outcome).toMatchObject({ code: 'ABORTED' });
  const other = new Database(datasetFile({ basePath }, 'sqlite', 'd'), { timeout: 0 });
  other.exec('BEGIN IMMEDIATE; UPDATE t SET n = 5; COMMIT');
  other.close();
  const known = shadow as PooledShadowLeg;
  expect(
    known.estimatedRehearsalMs({ operation: 'execute', args: ['d', endlessWrite] }),
  ).toBeGreaterThan(0);
  expect(
    known.estimatedRehearsalMs({ operation: 'execute', args: ['d', 'never seen'] }),
  ).toBeUndefined();
});
