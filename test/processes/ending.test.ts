import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readLedgerFile } from '@changeover/bridge';
import { readRecordings, readSharedRecordings } from 'changeover';
import pg from 'pg';
import { root } from '../architecture/source-files.ts';

const calls = 17;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-ending-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs the program to its end; sends it `signal` as soon as it says that it is ready. */
async function run(
  end: string,
  { store = join(folder, 'store.sqlite'), signal, flushAtExit }: RunOptions = {},
): Promise<End> {
  const child = spawn(
    process.execPath,
    [
      '--conditions=@changeover/source',
      '--disable-warning=ExperimentalWarning',
      join(root, 'test/processes/ending-program.ts'),
      JSON.stringify({ store, flags: join(folder, 'flags.json'), calls, end, flushAtExit }),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let [output, errors] = ['', ''];
  child.stdout.on('data', (data: Buffer) => {
    output += data.toString();
    if (signal !== undefined && data.toString().includes('ready')) child.kill(signal);
  });
  child.stderr.on('data', (data: Buffer) => {
    errors += data.toString();
  });
  return await new Promise((resolve) => {
    child.on('close', (code, by) => {
      resolve({ code, signal: by, output, errors });
    });
  });
}

interface RunOptions {
  readonly store?: string;
  readonly signal?: NodeJS.Signals;
  readonly flushAtExit?: boolean;
}

function storedInFile(): { readonly calls: number; readonly held: readonly string[] } {
  const store = join(folder, 'store.sqlite');
  return {
    calls: readRecordings(store).totals.calls,
    held: readLedgerFile(store).map(({ dataset, held }) => `${dataset} ${String(held)}`),
  };
}

const all = { calls, held: ['b true'] };

describe('a program that ends without closing its bridge', () => {
  test.each([
    ['by itself', undefined, { code: 7, signal: null }],
    ['process.exit', undefined, { code: 9, signal: null }],
    ['throw', undefined, { code: 1, signal: null }],
    ['wait', 'SIGTERM', { code: null, signal: 'SIGTERM' }],
    ['wait', 'SIGINT', { code: null, signal: 'SIGINT' }],
    ['listen', 'SIGTERM', { code: 3, signal: null }],
    ['listen late', 'SIGTERM', { code: 3, signal: null }],
  ] as const)(
    'keeps its last counts and its last step back, and ends as it would have: %s %s',
    async (how, signal, ends) => {
      const { code, signal: by, output } = await run(how, signal === undefined ? {} : { signal });
      expect({ code, signal: by }).toEqual(ends);
      expect(output.includes('heard')).toBe(how.startsWith('listen'));
      expect(storedInFile()).toEqual(all);
    },
    30_000,
  );

  test('stores nothing at its end where flushAtExit is false', async () => {
    const { code } = await run('process.exit', { flushAtExit: false });
    expect(code).toBe(9);
    expect(storedInFile()).toEqual({ calls: 0, held: [] });
  });
});

describe('a program that ends without closing its bridge, over a store in PostgreSQL', () => {
  const name = `ending_${String(process.pid)}`;
  let store: string;

  beforeEach(async () => {
    const url = new URL(process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '');
    await asAdmin(`create database ${name}`);
    url.pathname = `/${name}`;
    store = url.href;
  });

  afterEach(async () => {
    await asAdmin(`drop database if exists ${name} with (force)`);
  });

  test.each([
    ['by itself', undefined, { code: 7, signal: null }],
    ['process.exit', undefined, { code: 9, signal: null }],
    ['wait', 'SIGTERM', { code: null, signal: 'SIGTERM' }],
    ['listen', 'SIGTERM', { code: 3, signal: null }],
  ] as const)(
    'keeps its last counts and its last step back, and ends as it would have: %s %s',
    async (how, signal, ends) => {
      const { code, signal: by } = await run(
        how,
        signal === undefined ? { store } : { store, signal },
      );
      expect({ code, signal: by }).toEqual(ends);
      expect((await readSharedRecordings(store)).totals.calls).toBe(calls);
      expect(await heldIn(store)).toEqual(['b']);
    },
    60_000,
  );
});

async function heldIn(url: string): Promise<readonly unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ dataset: string }>(
      'select dataset from changeover.ledger where held',
    );
    return rows.map(({ dataset }) => dataset);
  } finally {
    await client.end();
  }
}

async function asAdmin(statement: string): Promise<void> {
  const client = new pg.Client({
    connectionString: process.env['CHANGEOVER_TEST_DATABASE_URL'],
  });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
