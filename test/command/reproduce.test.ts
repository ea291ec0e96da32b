import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { digestResult } from '@changeover/compare';
import { readRecordings, type ReportData, silentLogger } from '@changeover/bridge';
import {
  bridgeOf,
  createBridge,
  createStorageBridge,
  type Engine,
  read,
  type StorageBridge,
  type StorageBridgeOptions,
} from 'changeover';
import { runChangeover, typeChangeover, type Outcome } from './run-changeover.ts';
import { writeTestFlags } from './write-test-flags.ts';

const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'];
const secret = 'kanarienvogel';
const dataset = `reproduce_${randomUUID().slice(0, 8)}`;

let folder: string;
let env: Record<string, string>;
const cleanups: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-reproduce-'));
  writeTestFlags(join(folder, 'flags.json'), {
    sqlite: 'shadow',
    duckdb: 'shadow',
    postgresql: 'shadow',
  });
  env = {
    CHANGEOVER_BASE_PATH: folder,
    CHANGEOVER_FLAGS: join(folder, 'flags.json'),
    ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
  };
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  rmSync(folder, { recursive: true, force: true });
});

/** A faulty pooled leg: the last row is lost wherever a comparison reads. */
const losesRows: NonNullable<StorageBridgeOptions['decoratePooledLeg']> = (leg) => {
  const { shadow } = leg;
  if (shadow === undefined) throw new Error('the pooled leg has no shadow');
  const lossy: typeof shadow.read = async (call) => {
    const value = (await shadow.read(call)) as { rows: unknown[] };
    return call.operation === 'query' ? { ...value, rows: value.rows.slice(0, -1) } : value;
  };
  const digest: typeof shadow.digest = async (call) => digestResult(await lossy(call), 'rows');
  return { ...leg, shadow: { admits: () => shadow.admits(), read: lossy, digest } };
};

function program(options: StorageBridgeOptions = {}): StorageBridge {
  return createStorageBridge({
    basePath: folder,
    databaseUrl,
    flagsFile: join(folder, 'flags.json'),
    ledger: false,
    logger: silentLogger,
    guardrail: { mode: 'report' },
    decoratePooledLeg: losesRows,
    ...options,
  });
}

/** Makes a dataset and a call on which the legs differ. */
async function mismatch(bridge: StorageBridge, engine: Engine): Promise<void> {
  const storage = bridge.storage(engine);
  await storage.createDataset(dataset);
  cleanups.push(async () => {
    const cleaner = createStorageBridge({
      basePath: folder,
      databaseUrl,
      storePath: ':memory:',
      logger: silentLogger,
    });
    await cleaner.storage(engine).dropDataset(dataset);
    await cleaner.close();
  });
  const rows = [1, 2, 3].map((id) => ({ id, note: `${secret} ${String(id)}` }));
  await storage.writeTable(dataset, 'notes', rows);
  const mark = engine === 'postgresql' ? '$1' : '?';
  await storage.query(dataset, `SELECT * FROM notes WHERE note > ${mark} ORDER BY id`, [secret]);
  await bridge.idle();
}

function type(...args: string[]): Promise<Outcome> {
  return typeChangeover(args, env);
}

function recorded(): ReportData {
  return readRecordings(join(folder, '.changeover', 'comparisons.sqlite'));
}

function onlyId(): string {
  const found = recorded().sampleGroups.filter(({ verdict }) => verdict === 'mismatch');
  expect(found).toHaveLength(1);
  return found[0]?.id ?? '';
}

const here: readonly Engine[] =
  databaseUrl === undefined ? ['sqlite', 'duckdb'] : ['sqlite', 'duckdb', 'postgresql'];

describe.each(here)('a mismatch on %s', (engine) => {
  test('is run again by the command, once the fault is repaired: the legs agree', async () => {
    const bridge = program({ sampleValues: 'raw' });
    try {
      await mismatch(bridge, engine);
    } finally {
      await bridge.close();
    }
    const id = onlyId();
    const { code, out, err } = await runChangeover(['reproduce', id], env);
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain(`${id}  missing-row in query on ${engine}, key ${dataset}: 1 mismatch`);
    expect(out).toContain('row 3 is missing on the pooled leg');
    expect(out).toMatch(
      /MATCH {2}both legs answer the same now\n {2}legacy {2}3 rows +digest ([0-9a-f]{16})\n {2}pooled {2}3 rows +digest \1\n/,
    );
  });
});

describe('where the legs still differ', () => {
  test('the program says so by its id, with the place, and with values only where they are asked for', async () => {
    const bridge = program();
    try {
      await mismatch(bridge, 'sqlite');
      bridge.recorder.flush();
      const id = onlyId();
      const before = bridge.recorder.summary().totals;
      const found = await bridgeOf(bridge.storage('sqlite')).reproduce(id);
      expect(found).toMatchObject({
        id,
        verdict: 'mismatch',
        class: 'missing-row',
        key: dataset,
        operation: 'query',
        legacy: { kind: 'result', count: 3 },
        pooled: { kind: 'result', count: 2 },
        places: [{ row: 3, pooled: 'no such row' }],
      });
      expect(JSON.stringify(found)).not.toContain(secret);
      const shown = await bridge.reproduce(id.slice(0, 5), { showValues: true });
      expect(shown.places).toMatchObject([{ legacy: { id: 3, note: `${secret} 3` } }]);
      // A look at it is no call of a caller's.
      expect(bridge.recorder.summary().totals).toEqual(before);
    } finally {
      await bridge.close();
    }
  });
});

describe('what can not be run again', () => {
  test('a call whose values are not kept: it is said how they would be, and by what the program can do it', async () => {
    const bridge = program();
    try {
      await mismatch(bridge, 'sqlite');
    } finally {
      await bridge.close();
    }
    const id = onlyId();
    const { code, out, err } = await type('reproduce', id);
    expect([code, out]).toEqual([3, '']);
    expect(err).toContain('CHANGEOVER_SAMPLE_VALUES=raw');
    expect(err).toContain(`bridgeOf(object).reproduce('${id}')`);
  });

  test('an id that there is not: the ids that there are', async () => {
    const bridge = program();
    try {
      await mismatch(bridge, 'sqlite');
    } finally {
      await bridge.close();
    }
    const { code, err } = await type('reproduce', 'zzzzzzzz');
    expect(code).toBe(2);
    expect(err).toContain('No mismatch has the id "zzzzzzzz"');
    expect(err).toContain(`${onlyId()} missing-row in query on sqlite ${dataset}`);
  });

  test('a write, and a bridge of a program of its own, which can run it', async () => {
    mkdirSync(join(folder, '.changeover'));
    const notes = createBridge({
      name: 'notes',
      legacy: () => ({ list: () => Promise.resolve([{ id: 1 }]) }),
      pooled: () => ({ list: () => Promise.resolve([{ id: 2 }]) }),
      operations: { list: read.rows() },
      storePath: join(folder, '.changeover', 'comparisons.sqlite'),
      flagsFile: join(folder, 'notes.json'),
      ledger: false,
      logger: silentLogger,
      guardrail: { mode: 'report' },
      sampleValues: 'raw',
    });
    writeTestFlags(join(folder, 'notes.json'), { notes: 'shadow' });
    const bridge = bridgeOf(notes);
    await notes.list();
    await bridge.idle();
    bridge.recorder.sample({
      at: 1_000,
      backend: 'sqlite',
      dataset: 'titanic',
      operation: 'execute',
      stage: 'shadow',
      verdict: 'mismatch',
      class: 'value',
      summary: 'rows affected: legacy 2, pooled 1',
      call: { kind: 'write', values: 'raw', args: ['titanic', 'delete from t'] },
    });
    bridge.recorder.flush();
    const [list, write] = ['list', 'execute'].map(
      (operation) =>
        recorded().sampleGroups.find((group) => group.operation === operation)?.id ?? '',
    );
    const ofNotes = await type('reproduce', String(list));
    // The program that made it runs, and is asked.
    expect([ofNotes.code, ofNotes.err]).toEqual([99, '']);
    expect(ofNotes.out).toContain(`bridgeOf(object).reproduce('${String(list)}'`);
    const ofWrite = await type('reproduce', String(write));
    expect([ofWrite.code, ofWrite.err]).toEqual([
      3,
      expect.stringContaining('execute is a write, and a write is never made again'),
    ]);
    expect(await bridge.reproduce(String(list))).toMatchObject({
      verdict: 'mismatch',
      class: 'value',
    });
    await bridge.close();
  });
});

test('the list of mismatches has each with its call, its id and what to type, and no value', async () => {
  const bridge = program();
  try {
    await mismatch(bridge, 'sqlite');
  } finally {
    await bridge.close();
  }
  const id = onlyId();
  const { code, out } = await type('mismatches', 'sqlite', dataset);
  expect(code).toBe(0);
  for (const part of [
    `${id}  missing-row in query on sqlite, key ${dataset}: 1 mismatch, 20`,
    `call       query("${dataset}", text(46), [text(13)])`,
    'shape      select * from notes where note > ? order by id',
    `again      changeover reproduce ${id}, while the program runs`,
  ])
    expect(out).toContain(part);
  const { mismatches } = JSON.parse((await type('mismatches', '--format', 'json')).out) as {
    mismatches: ReportData['sampleGroups'];
  };
  expect(mismatches.map((group) => [group.id, group.samples[0]?.call?.args])).toEqual([
    [id, ['key', 'text(46)', ['text(13)']]],
  ]);
  for (const format of ['text', 'html', 'md', 'json']) {
    const report = (await type('report', '--format', format)).out;
    expect(report).toContain(id);
    expect(report).not.toContain(secret);
  }
});
