import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Engine, readRecordings, type ReportData } from 'changeover';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { runChangeover } from '../command/run-changeover.ts';
import { writeTestFlags } from '../command/write-test-flags.ts';
import type { ApplicationEnd } from './application-options.ts';
import { ApplicationProcess } from './application-process.ts';
import { createSharedData, dataOf, readSharedData } from './shared-data.ts';

const engines: readonly Engine[] = ['sqlite', 'postgresql'];
const callers = 2;

let folder: string;
let dataset: string;
let databaseUrl: string;
let running: ApplicationProcess[];
const ledgerDatabases: string[] = [];

beforeEach(() => {
  const address = process.env['CHANGEOVER_TEST_DATABASE_URL'];
  if (address === undefined)
    throw new Error('CHANGEOVER_TEST_DATABASE_URL is not set: run the tests by npm test');
  databaseUrl = address;
  folder = mkdtempSync(join(tmpdir(), 'changeover-processes-'));
  dataset = `shared_${String(process.pid)}_${String(Date.now() % 1e9)}`;
  running = [];
});

afterEach(async () => {
  for (const application of running) application.kill();
  await asAdmin(`drop schema if exists "mdm_${dataset}" cascade`);
  for (const name of ledgerDatabases.splice(0))
    await asAdmin(`drop database if exists ${name} with (force)`);
  rmSync(folder, { recursive: true, force: true });
});

/** For a ledger of its own: other tests' must not meet a whole engine's hold. */
async function createLedgerDatabase(): Promise<string> {
  const name = `ledger_${dataset}`;
  ledgerDatabases.push(name);
  await asAdmin(`create database ${name}`);
  const url = new URL(databaseUrl);
  url.pathname = `/${name}`;
  return url.href;
}

async function asAdmin(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** Figures for people, where they want them: CHANGEOVER_FIGURES names a file. */
function tell(line: string): void {
  const file = process.env['CHANGEOVER_FIGURES'];
  if (file !== undefined) appendFileSync(file, `${line}\n`);
}

function total(data: ReportData, name: 'calls' | 'compared' | 'mismatch'): number {
  return data.byDataset
    .filter((one) => one.dataset === dataset)
    .reduce((sum, one) => sum + one[name], 0);
}

/** The names of the rows that the processes say are written. */
function namesWritten(ends: readonly ApplicationEnd[], engine: Engine): string[] {
  return ends.flatMap(({ letter, written }) =>
    (written[engine] ?? []).flatMap((count, caller) =>
      Array.from({ length: count }, (_, turn) => `${letter}-${String(caller)}-${String(turn)}`),
    ),
  );
}

/** Two of four turns add one to the counter. */
function countedUp(ends: readonly ApplicationEnd[], engine: Engine): number {
  return ends
    .flatMap(({ written }) => written[engine] ?? [])
    .reduce(
      (sum, count) =>
        sum + Array.from({ length: count }, (_, turn) => turn % 4 >= 2).filter(Boolean).length,
      0,
    );
}

describe('two processes of one application on the same files and the same server', () => {
  test('lose no write, double none, and count no comparison twice while the flags move them through every stage', async () => {
    const location = { basePath: folder, databaseUrl, flagsFile: join(folder, 'flags.json') };
    writeTestFlags(location.flagsFile, {});
    await createSharedData(location, engines, dataset);
    running = ['a', 'b'].map(
      (letter) => new ApplicationProcess({ ...location, letter, engines, dataset, callers }),
    );
    for (const [at, stage] of (
      ['legacy', 'shadow', 'reverse', 'pooled', 'legacy'] as const
    ).entries()) {
      // One change of one file, in the middle of what both are doing.
      writeTestFlags(location.flagsFile, { sqlite: stage, postgresql: stage });
      await Promise.all(
        running.flatMap((process) => engines.map((engine) => process.working(engine, stage, at))),
      );
    }
    const ends = await Promise.all(running.map((process) => process.end()));

    expect(ends.flatMap(({ failures }) => failures)).toEqual([]);
    for (const engine of engines) {
      const names = ['first', ...namesWritten(ends, engine)];
      expect([engine, await readSharedData(location, engine, dataset)]).toEqual([
        engine,
        dataOf(names, countedUp(ends, engine)),
      ]);
    }
    const recorded = readRecordings(join(folder, '.changeover', 'comparisons.sqlite'));
    for (const name of ['calls', 'compared', 'mismatch'] as const) {
      expect([name, total(recorded, name)]).toEqual([
        name,
        ends.reduce((sum, { counted }) => sum + counted[name], 0),
      ]);
    }
    expect(total(recorded, 'mismatch')).toBe(0);
    expect(total(recorded, 'compared')).toBeGreaterThan(0);
    expect(recorded.runs).toHaveLength(2);
  });
});

describe('a rollback that another process commands under full load', () => {
  test.each(['file', 'postgresql'] as const)(
    'moves every call back, and not one fails: the ledger in %s',
    async (place) => {
      const location = { basePath: folder, databaseUrl, flagsFile: join(folder, 'flags.json') };
      writeTestFlags(location.flagsFile, { sqlite: 'pooled', postgresql: 'pooled' });
      await createSharedData(location, engines, dataset);
      const store = place === 'file' ? undefined : await createLedgerDatabase();
      const application = new ApplicationProcess({
        ...location,
        letter: 'a',
        engines,
        dataset,
        callers: 4,
        watchPooled: true,
        store,
      });
      running = [application];
      const before = await Promise.all(
        engines.map((engine) => application.working(engine, 'pooled')),
      );
      const type = async (...args: string[]): Promise<number> => {
        const { code, out, err } = await runChangeover(
          [...args, '--reason', 'drill', '--format', 'json'],
          {
            CHANGEOVER_BASE_PATH: folder,
            CHANGEOVER_FLAGS: location.flagsFile,
            ...(store === undefined ? {} : { CHANGEOVER_STORE: store }),
          },
        );
        expect({ code, err }).toEqual({ code: 0, err: '' });
        return (JSON.parse(out) as { change: { at: number } }).change.at;
      };
      const typedAt = Date.now();
      const writtenAt = await Promise.all([
        type('rollback', 'sqlite', dataset),
        type('kill', 'postgresql'),
      ]);
      await Promise.all(
        engines.map((engine, at) => application.working(engine, 'legacy', before[at]?.round)),
      );
      const { failures, lastPooledAt, written } = await application.end();

      expect(failures).toEqual([]);
      for (const [at, engine] of engines.entries()) {
        const last = lastPooledAt[engine] ?? 0;
        // The command is the later of two words: what came before it went to the stage that held then.
        expect(last).toBeGreaterThan(0);
        tell(
          `${engine}, ledger in ${place}: last pooled call ${String(last - typedAt)} ms after the command was typed, ` +
            `${String(last - (writtenAt[at] ?? 0))} ms after it wrote the ledger`,
        );
        const rows = (written[engine] ?? []).reduce((sum, count) => sum + count, 1);
        expect(await readSharedData(location, engine, dataset)).toMatchObject({ rows });
      }
    },
    60_000,
  );
});

describe('three programs on one store, each with a key that is rolled back under load', () => {
  test('all follow, and the command says how many did and how long the last one took', async () => {
    const location = { basePath: folder, databaseUrl, flagsFile: join(folder, 'flags.json') };
    writeTestFlags(location.flagsFile, { sqlite: 'pooled' });
    await createSharedData(location, ['sqlite'], dataset);
    running = ['a', 'b', 'c'].map(
      (letter) =>
        new ApplicationProcess({
          ...location,
          letter,
          engines: ['sqlite'],
          dataset,
          callers,
          watchPooled: true,
        }),
    );
    await Promise.all(running.map((one) => one.working('sqlite', 'pooled')));
    const { code, out, err } = await runChangeover(
      ['rollback', 'sqlite', dataset, '--reason', 'drill', '--format', 'json'],
      { CHANGEOVER_BASE_PATH: folder, CHANGEOVER_FLAGS: location.flagsFile },
    );
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const { change, following } = JSON.parse(out) as {
      readonly change: { readonly at: number };
      readonly following: { readonly callers: number; readonly followed: number };
    };
    expect(following).toMatchObject({ callers: 3, followed: 3 });
    await Promise.all(running.map((one) => one.working('sqlite', 'legacy')));
    const ends = await Promise.all(running.map((one) => one.end()));
    expect(ends.flatMap(({ failures }) => failures)).toEqual([]);
    for (const { letter, lastPooledAt } of ends)
      tell(
        `${letter} of three: last pooled call ${String((lastPooledAt.sqlite ?? 0) - change.at)} ms after the ledger had it; ` +
          JSON.stringify(following),
      );
  });
});
