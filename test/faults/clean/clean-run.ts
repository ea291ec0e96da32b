import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createStaticStageSource, createStorageBridge, type Engine } from 'changeover';
import { programEnvironment } from '../../kit/program-environment.ts';

/** What one process is told. */
export interface CleanOptions {
  readonly engine: Engine;
  readonly dataset: string;
  readonly letter: string;
  /** Calls that it is to have compared. */
  readonly calls: number;
  readonly basePath: string;
  readonly databaseUrl: string;
}

/** What it says at its end. */
export interface CleanEnd {
  readonly compared: number;
  readonly mismatch: number;
  /** Calls that were refused because another's lock was not to be had in time: a busy machine, and no fault. */
  readonly busy: number;
  readonly problems: readonly string[];
}

export interface CleanResult extends CleanEnd {
  readonly processes: number;
  readonly seconds: number;
}

/** Numbers that leave little of their sum. */
const numbers = 'i % 5, ((i * 7919) % 20011 - 10005) * 1.1e-3';
const rows = { sqlite: 20_000, duckdb: 200_000, postgresql: 100_000 } as const;
const fill: Readonly<Record<Engine, string>> = {
  sqlite:
    `INSERT INTO numbers WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows.sqlite}) ` +
    `SELECT ${numbers} FROM n`,
  duckdb: `INSERT INTO numbers SELECT ${numbers} FROM range(${rows.duckdb}) t(i)`,
  postgresql: `INSERT INTO numbers SELECT ${numbers} FROM generate_series(1, ${rows.postgresql}) AS i`,
};

/** Has processes write and read one dataset at `shadow` and `reverse` until so many calls were compared: two, or one on DuckDB,
 * whose files one process holds. Rejects where a process failed. */
export async function runClean({
  engine,
  calls,
  databaseUrl,
}: Pick<CleanOptions, 'engine' | 'calls' | 'databaseUrl'>): Promise<CleanResult> {
  const basePath = mkdtempSync(join(tmpdir(), 'changeover-clean-'));
  const dataset = `clean_${process.pid.toString(36)}_${engine}`;
  const startedMs = performance.now();
  const location = { basePath, databaseUrl };
  const letters = engine === 'duckdb' ? ['a'] : ['a', 'b'];
  try {
    await onDataset(location, engine, async (storage) => {
      await storage.createDataset(dataset);
      await storage.execute(dataset, 'CREATE TABLE counter (n BIGINT)');
      await storage.execute(dataset, 'INSERT INTO counter VALUES (0)');
      await storage.execute(dataset, 'CREATE TABLE journal (id TEXT, note TEXT)');
      await storage.execute(dataset, 'CREATE TABLE flag (up INTEGER)');
      await storage.execute(dataset, 'INSERT INTO flag VALUES (0)');
      await storage.execute(dataset, 'CREATE TABLE numbers (k INTEGER, x DOUBLE PRECISION)');
      await storage.execute(dataset, fill[engine]);
    });
    const ends = await Promise.all(
      letters.map((letter) =>
        runProcess({
          ...location,
          engine,
          dataset,
          letter,
          calls: Math.ceil(calls / letters.length),
        }),
      ),
    );
    await onDataset(location, engine, (storage) => storage.dropDataset(dataset));
    return {
      compared: ends.reduce((sum, { compared }) => sum + compared, 0),
      mismatch: ends.reduce((sum, { mismatch }) => sum + mismatch, 0),
      busy: ends.reduce((sum, { busy }) => sum + busy, 0),
      problems: ends.flatMap(({ problems }) => problems),
      processes: letters.length,
      seconds: (performance.now() - startedMs) / 1_000,
    };
  } finally {
    rmSync(basePath, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function onDataset(
  location: { readonly basePath: string; readonly databaseUrl: string },
  engine: Engine,
  work: (storage: ReturnType<ReturnType<typeof createStorageBridge>['storage']>) => Promise<void>,
): Promise<void> {
  const stages = createStaticStageSource(() => 'legacy');
  const bridge = createStorageBridge({ ...location, storePath: ':memory:', stages });
  try {
    await work(bridge.storage(engine));
  } finally {
    await bridge.close();
  }
}

async function runProcess(options: CleanOptions): Promise<CleanEnd> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      '--conditions=@changeover/source',
      '--disable-warning=ExperimentalWarning',
      join(import.meta.dirname, 'clean-process.ts'),
      JSON.stringify(options),
    ],
    { env: { ...programEnvironment(), UV_THREADPOOL_SIZE: '8' }, maxBuffer: 50_000_000 },
  );
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as CleanEnd;
}
