import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStaticStageSource, createStorageBridge, type Engine } from 'changeover';
import { programEnvironment } from '../../kit/program-environment.ts';
import { seededRandom } from '../random.ts';

/** What a counting process is told. */
export interface KillOptions {
  readonly engine: Engine;
  readonly dataset: string;
  readonly basePath: string;
  readonly databaseUrl: string;
  readonly seed: number;
}

export interface KillResult {
  readonly kills: number;
  /** Increments that were answered, and what the counter says. */
  readonly acknowledged: number;
  readonly counted: number;
  readonly problems: readonly string[];
}

/** Kills a counting process in the middle of its calls, so many times, and compares the counter with what was acknowledged: nothing
 * of that is lost, and no more is counted than was called. Rejects where a process ended by itself. */
export async function runKills({
  engine,
  databaseUrl,
  kills,
  seed,
}: Pick<KillOptions, 'engine' | 'databaseUrl' | 'seed'> & {
  readonly kills: number;
}): Promise<KillResult> {
  const basePath = mkdtempSync(join(tmpdir(), 'changeover-kills-'));
  const dataset = `kills_${process.pid.toString(36)}_${engine}`;
  const random = seededRandom(seed);
  const location = { basePath, databaseUrl };
  const problems: string[] = [];
  let acknowledged = 0;
  let counted = 0;
  try {
    await onDataset(location, engine, async (storage) => {
      await storage.createDataset(dataset);
      await storage.execute(dataset, 'CREATE TABLE counter (n BIGINT)');
      await storage.execute(dataset, 'INSERT INTO counter VALUES (0)');
    });
    for (let kill = 0; kill < kills; kill += 1) {
      const options = { ...location, engine, dataset, seed: seed + kill };
      const told = await killed(options, 20 + Math.floor(random() * 200));
      const now = await readCounter(location, engine, dataset);
      const gained = now - counted;
      if (gained < told.answered || gained > told.called)
        problems.push(
          `${engine}, kill ${String(kill + 1)}: ${String(told.answered)} of ${String(told.called)} increments were acknowledged, ${String(gained)} are counted`,
        );
      acknowledged += told.answered;
      counted = now;
    }
    await onDataset(location, engine, (storage) => storage.dropDataset(dataset));
    return { kills, acknowledged, counted, problems };
  } finally {
    rmSync(basePath, { recursive: true, force: true, maxRetries: 3 });
  }
}

type Storage = ReturnType<ReturnType<typeof createStorageBridge>['storage']>;
type Location = Pick<KillOptions, 'basePath' | 'databaseUrl'>;

async function onDataset<T>(
  location: Location,
  engine: Engine,
  work: (storage: Storage) => Promise<T>,
): Promise<T> {
  const stages = createStaticStageSource(() => 'pooled');
  const bridge = createStorageBridge({ ...location, storePath: ':memory:', stages });
  try {
    return await work(bridge.storage(engine));
  } finally {
    await bridge.close();
  }
}

/** In a transaction that writes, so that it comes after whatever the killed process's connections still commit. */
function readCounter(location: Location, engine: Engine, dataset: string): Promise<number> {
  return onDataset(location, engine, (storage) =>
    storage.transaction(dataset, async (inside) => {
      await inside.execute('UPDATE counter SET n = n');
      const { rows } = await inside.query('SELECT n FROM counter');
      return Number(rows[0]?.['n']);
    }),
  );
}

/** Runs a counting process until so many of its calls were answered, and kills it. */
async function killed(
  options: KillOptions,
  answers: number,
): Promise<{ readonly called: number; readonly answered: number }> {
  const child = spawn(
    process.execPath,
    [
      '--conditions=@changeover/source',
      '--disable-warning=ExperimentalWarning',
      join(import.meta.dirname, 'counting-process.ts'),
      JSON.stringify(options),
    ],
    {
      env: { ...programEnvironment(), UV_THREADPOOL_SIZE: '8' },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let called = 0;
  let answered = 0;
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2_000);
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    for (const mark of text) {
      if (mark === '+') called += 1;
      if (mark === '=') answered += 1;
    }
    if (answered >= answers) child.kill('SIGKILL');
  });
  const [, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (signal !== 'SIGKILL') throw new Error(`the counting process ended by itself: ${said}`);
  return { called, answered };
}
