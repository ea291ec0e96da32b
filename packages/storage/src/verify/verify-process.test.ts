import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { programEnvironment } from '../../../../test/kit/program-environment.ts';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Engine, engines } from '@changeover/engines';
import { makeTestStores, numberedTable, type TestStores } from './test-kit/stores.ts';
import { verifyStore } from './verify-store.ts';
import type { VerifyOptions } from './verify-options.ts';
import type { VerifyProgress, VerifyResult } from './verify-types.ts';

const program = new URL('./test-kit/run-verify.ts', import.meta.url).pathname;
let stores: TestStores;

beforeAll(async () => {
  stores = await makeTestStores();
});
afterAll(async () => {
  await stores.close();
});

interface Line {
  readonly progress?: VerifyProgress;
  readonly result?: VerifyResult;
  readonly memoryMib?: number;
  readonly beforeMib?: number;
  readonly error?: string;
  readonly code?: string;
}

interface Ended {
  readonly lines: readonly Line[];
  readonly signal: string | null;
}

/** Runs a verification; `onLine` may end it. */
async function run(
  options: VerifyOptions,
  onLine: (line: Line, child: ChildProcess) => void = () => undefined,
): Promise<Ended> {
  const child = spawn(
    process.execPath,
    ['--conditions=@changeover/source', '--no-warnings', program, JSON.stringify(options)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: programEnvironment(),
    },
  );
  const lines: Line[] = [];
  const reading = createInterface({ input: child.stdout });
  reading.on('line', (text) => {
    const line = JSON.parse(text) as Line;
    lines.push(line);
    onLine(line, child);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (_code, signal) => {
      resolve({ lines, signal });
    });
  });
}

const rows = 70_000;
const fewer = 100_000;
const dataset = `verify_process_${String(process.pid)}`;

async function prepare(
  engine: Engine,
  name: string,
  count: number,
  changes: readonly string[] = [],
): Promise<VerifyOptions> {
  await stores.run(engine, stores.at('.'), name, [
    ...numberedTable(engine, 'a', 10),
    ...numberedTable(engine, 't', count),
    ...changes,
  ]);
  return {
    basePath: stores.at('.').basePath,
    databaseUrl: stores.url,
    engine,
    dataset: name,
    stateFile: `${stores.folder}/${engine}-${name}.json`,
  };
}

describe.each(engines)('%s', (engine) => {
  test('killed in the middle of a table, it goes on from there and comes to the same result', async () => {
    const options = await prepare(engine, dataset, fewer);
    const kill = (line: Line, child: ChildProcess): void => {
      if (
        line.progress?.table === 't' &&
        readFileSync(String(options.stateFile), 'utf8').includes('"current"')
      )
        child.kill('SIGKILL');
    };
    // Slowed down, so that the state is written before the end: it is every second.
    const first = await run({ ...options, pauseMs: 300 }, kill);
    expect(first.signal).toBe('SIGKILL');
    expect(first.lines.some(({ result }) => result !== undefined)).toBe(false);
    const kept = JSON.parse(await readFile(String(options.stateFile), 'utf8')) as {
      done: readonly unknown[];
      current: unknown;
    };
    expect([kept.done.length, typeof kept.current]).toEqual([1, 'object']);
    const second = await run(options);
    const result = second.lines.at(-1)?.result;
    expect(result).toMatchObject({ verdict: 'match', counts: { match: 2 } });
    expect(result?.tables[1]).toMatchObject({
      rows: { left: fewer, right: fewer },
      compared: { resumed: true, snapshot: 'shared' },
    });
    expect(result?.rowsRead).toBeLessThan(2 * fewer);
    expect(result?.rowsRead).toBeGreaterThan(0);
    // Done, it leaves nothing to go on with.
    await expect(readFile(String(options.stateFile), 'utf8')).rejects.toThrow(/ENOENT/);
  });
});

test('one cell of 70,000 rows is found, with its row and column', async () => {
  const name = `${dataset}_cell`;
  const left = await prepare('sqlite', name, rows);
  await mkdir(stores.at('cell').basePath);
  await stores.run('sqlite', stores.at('cell'), name, [
    ...numberedTable('sqlite', 'a', 10),
    ...numberedTable('sqlite', 't', rows),
    "UPDATE t SET name = 'a secret' WHERE id = 45678",
  ]);
  const table = (
    await run({ ...left, against: { basePath: stores.at('cell').basePath } })
  ).lines.at(-1)?.result?.tables[1];
  expect(table).toMatchObject({
    verdict: 'mismatch',
    rows: { left: rows, right: rows },
    difference: {
      class: 'value',
      columns: ['name'],
      rows: { left: 1, right: 1 },
      complete: true,
      samples: [{ row: 45_678, column: 'name' }],
    },
  });
});

test('where every row differs it says so without keeping them all', async () => {
  const name = `${dataset}_all`;
  const left = await prepare('sqlite', name, 110_000);
  await mkdir(stores.at('all').basePath);
  await stores.run('sqlite', stores.at('all'), name, [
    ...numberedTable('sqlite', 'a', 10),
    ...numberedTable('sqlite', 't', 110_000),
    "UPDATE t SET name = name || '!'",
  ]);
  const ended = (await run({ ...left, against: { basePath: stores.at('all').basePath } })).lines.at(
    -1,
  );
  const difference = ended?.result?.tables[1]?.difference;
  expect(difference).toMatchObject({ class: 'value', columns: ['name'], complete: false });
  expect(difference?.rows.left).toBeGreaterThan(1_000);
  expect((ended?.memoryMib ?? Infinity) - (ended?.beforeMib ?? 0)).toBeLessThan(150);
});

test('stopped by a signal, it keeps where it was at once, and goes on although the table has changed', async () => {
  const options = { ...(await prepare('sqlite', `${dataset}_s`, fewer)), pauseMs: 5 };
  const first = await run(options, ({ progress }, child) => {
    if (!child.killed && (progress?.rows ?? 0) >= 50_000) child.kill('SIGTERM');
  });
  expect(first.lines.at(-1)).toMatchObject({ code: 'ABORTED' });
  // Before the place that it stopped at: both parts together are no state that ever was.
  await stores.run('sqlite', stores.at('.'), `${dataset}_s`, [
    "UPDATE t SET name = 'x' WHERE id < 5",
    'DELETE FROM t WHERE id > 99990',
  ]);
  const second = (await run(options)).lines.at(-1)?.result;
  expect(second?.tables[1]).toMatchObject({
    verdict: 'match',
    rows: { left: 99_990 },
    compared: { resumed: true },
  });
});

test('a difference between two parts that were read in two states is looked at anew, in one', async () => {
  const name = `${dataset}_m`;
  const copy = stores.at('copies');
  const options = {
    ...(await prepare('sqlite', name, rows)),
    against: { basePath: copy.basePath },
  };
  await mkdir(copy.basePath);
  await stores.run('sqlite', copy, name, [
    ...numberedTable('sqlite', 'a', 10),
    ...numberedTable('sqlite', 'u', rows),
    'CREATE TABLE t (id INTEGER, name TEXT, weight REAL, part INTEGER)',
    'INSERT INTO t SELECT * FROM u ORDER BY id DESC',
    'DROP TABLE u',
  ]);
  await run({ ...options, pauseMs: 5 }, ({ progress }, child) => {
    if (!child.killed && (progress?.rows ?? 0) >= 50_000) child.kill('SIGTERM');
  });
  // Read on one side, and not on the other, where it is at the end.
  for (const store of [stores.at('.'), copy])
    await stores.run('sqlite', store, name, ['DELETE FROM t WHERE id = 7']);
  const result = (await run(options)).lines.at(-1)?.result;
  expect(result?.tables[1]).toMatchObject({
    verdict: 'match',
    rows: { left: rows - 1, right: rows - 1 },
    compared: { resumed: false },
  });
});

test('a state of another job, of a cut file or of another format counts for nothing', async () => {
  const options = await prepare('sqlite', `${dataset}_f`, 1_000);
  for (const text of [
    '',
    '{"format":1,"jo',
    '{"format":1,"job":"other","done":[{}]}',
    'null',
    '[]',
    '{"format":2}',
  ]) {
    await writeFile(String(options.stateFile), text);
    expect(await verifyStore(options, { env: {} })).toMatchObject({
      verdict: 'match',
      rowsRead: 2_020,
    });
  }
});

/** DuckDB's memory goes by the columns. */
const wider = [
  "CREATE OR REPLACE TABLE t AS SELECT *, 'note of row ' || (id % 1000) AS note, " +
    "TIMESTAMP '2020-01-01' + to_seconds(id) AS made FROM t",
];

test.each([
  ['sqlite', 500_000, 100],
  ['duckdb', 300_000, 80],
  ['postgresql', 300_000, 80],
] as const)('%s: a table of %i rows is read in constant memory', async (engine, count, mostMib) => {
  const ended = await run(
    await prepare(engine, `${dataset}_large`, count, engine === 'duckdb' ? wider : []),
  );
  const last = ended.lines.at(-1);
  expect(last?.result).toMatchObject({ verdict: 'match', rowsRead: 2 * (count + 10) });
  // What Node itself and the drivers take depends on how they are built. DuckDB takes 95 MiB more where nobody collects garbage
  // between the parts, and any of them hundreds where rows are kept.
  expect((last?.memoryMib ?? Infinity) - (last?.beforeMib ?? 0)).toBeLessThan(mostMib);
});
