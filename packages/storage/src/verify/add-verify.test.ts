import { mkdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runCommand } from '@changeover/operate/command';
import { addVerify } from './add-verify.ts';
import { ProgressLine } from './progress-line.ts';
import { makeTestStores, numberedTable, type TestStores } from './test-kit/stores.ts';
import type { VerifyProgress, VerifyResult } from './verify-types.ts';

let stores: TestStores;

beforeAll(async () => {
  stores = await makeTestStores();
  for (const name of ['a', 'b']) await mkdir(stores.at(name).basePath);
  await stores.run('sqlite', stores.at('a'), 'titanic', numberedTable('sqlite', 'train', 30));
  await stores.run('sqlite', stores.at('b'), 'titanic', [
    ...numberedTable('sqlite', 'train', 30),
    "UPDATE train SET name = 'a secret' WHERE id = 21",
  ]);
});

afterAll(async () => {
  await stores.close();
});

async function type(
  ...args: readonly string[]
): Promise<{ code: number; out: string; err: string }> {
  const text = { out: '', err: '' };
  const code = await runCommand(
    ['verify', '--base-path', stores.at('a').basePath, ...args],
    {
      stdout: {
        write: (part) => {
          text.out += part;
        },
      },
      stderr: {
        write: (part) => {
          text.err += part;
        },
      },
      env: {},
    },
    { version: '0', more: [addVerify] },
  );
  return { code, ...text };
}

test('equal ends with 0 and says what was compared', async () => {
  const { code, out } = await type('sqlite', 'titanic');
  expect(code).toBe(0);
  expect(out).toMatch(/^MATCH {2}legacy leg against pooled leg: 1 of 1 tables match/);
  expect(out).toContain('30 rows, each value as it is read, one snapshot');
});

test('a difference ends with 99, names the place and hides the values unless asked', async () => {
  const copy = ['sqlite', 'titanic', '--against-base-path', stores.at('b').basePath];
  const { code, out } = await type(...copy);
  expect(code).toBe(99);
  expect(out).toMatch(/value in name; 1 rows on the left and 1 on the right have no equal/);
  expect(out).toMatch(/row 21 name: <string 7 [0-9a-f]{12}> \| <string 8 [0-9a-f]{12}>/);
  expect(out).not.toContain('secret');
  expect((await type(...copy, '--show-values')).out).toContain('row 21 name: name 21 | a secret');
});

test('as JSON it is the result', async () => {
  const { code, out } = await type(
    'sqlite',
    '--format',
    'json',
    '--against-base-path',
    stores.at('b').basePath,
  );
  const result = JSON.parse(out) as VerifyResult;
  expect([code, result.verdict, result.tables[0]?.difference?.class]).toEqual([
    99,
    'mismatch',
    'value',
  ]);
});

test('what can not be read ends with 3', async () => {
  await mkdir(`${stores.at('c').basePath}/bad`, { recursive: true });
  await writeFile(`${stores.at('c').basePath}/bad/dataset.sqlite`, 'no database '.repeat(100));
  const { code, out } = await type('sqlite', '--base-path', stores.at('c').basePath);
  expect([code, out.startsWith('INCONCLUSIVE')]).toEqual([3, true]);
});

test.each([
  [['sqlit'], /Supported: sqlite, duckdb, postgresql/],
  [['sqlite', 'nowhere'], /neither side/],
  [['sqlite', '--pause', 'soon'], /not negative/],
  [['--against', 'duckdb'], /engine must be named/],
  [['sqlite', '--by', 'magic'], /values, checksum/],
  [['sqlite', 'titanic', '--table', 'absent'], /neither side/],
])('%j is wrong usage: 2', async (args, message) => {
  const { code, err } = await type(...args);
  expect([code, err]).toEqual([2, expect.stringMatching(message)]);
});

test('help has an example', async () => {
  expect((await type('--help')).out).toContain('$ changeover verify sqlite titanic');
});

test('progress is one line on a terminal, and a line now and then in a log', () => {
  const progress: VerifyProgress = {
    engine: 'sqlite',
    dataset: 'titanic',
    table: 'train',
    phase: 'scan',
    rows: 250_000,
    totalRows: 1_000_000,
    tablesDone: 1,
    tablesTotal: 3,
    rowsPerSecond: 500_000,
    secondsLeft: 1.5,
  };
  for (const isTTY of [true, false]) {
    let now = 0;
    const written: string[] = [];
    const line = new ProgressLine(
      {
        isTTY,
        write: (text) => {
          written.push(text);
        },
      },
      () => now,
    );
    for (; now <= 10_000; now += 100) line.show(progress);
    line.end();
    const text = '2/3 sqlite titanic train: 250,000 rows (25 %), 500,000 rows/s, 1.5 s left';
    expect(written.length).toBe(isTTY ? 51 : 1);
    expect(written[0]).toBe(isTTY ? `\r\u001b[2K${text}` : `${text}\n`);
    expect(written.at(-1)).toBe(isTTY ? '\r\u001b[2K' : `${text}\n`);
  }
});
