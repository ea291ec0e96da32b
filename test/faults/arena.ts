import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { StorageError } from '@changeover/engines';
import { systemClock } from '@changeover/core';
import type { Clock } from '@changeover/core';
import type { Engine, StorageBackend } from '@changeover/engines';
import { silentMetrics, StorageBackendFactory } from '@changeover/pooled';
import { TcpProxy } from '../kit/tcp-proxy.ts';
import { CallLog } from './call-log.ts';
import type { LoggedCall } from './call-log.ts';
import type { FaultyPostgres } from './faulty-postgres.ts';
import { pick } from './random.ts';

/** Pools small enough that a fault is felt, and times short enough that its end is too. */
const poolOptions = {
  max: 4,
  acquireTimeoutMs: 1_000,
  connectTimeoutMs: 500,
  validationTimeoutMs: 300,
  validateAfterIdleMs: 100,
  closeTimeoutMs: 300,
  leakDetectionThresholdMs: 300,
  leakReclaimMs: 600,
  maxPending: 200,
  backoffMaxMs: 200,
} as const;

/** PostgreSQL connections of all datasets together. */
const postgresqlBudget = 8;
/** Calls of the load are to be answered within this time. */
const callDeadlineMs = 1_200;
/** Calls that bring no deadline have this one, by the factory's option. */
const callTimeoutMs = 1_500;
/** After a fault the service must be back within this time. */
const recoveryMs = 5_000;

/** Where faults happen: a factory with two datasets an engine, under a load that notes what it is told. */
export class Arena {
  readonly engines: readonly Engine[];
  readonly log: CallLog;
  readonly factory: StorageBackendFactory;
  readonly basePath: string;
  readonly postgres: FaultyPostgres;
  readonly proxy: TcpProxy;
  readonly random: () => number;
  /** SQLite's worker threads that were started. */
  readonly workers: Worker[] = [];
  /** Attempts that were made again. */
  retries = 0;
  readonly #prefix: string;
  readonly #unhandled = (error: unknown): void => {
    this.log.problem(`unhandled rejection: ${String(error)}`);
  };
  #tokens = 0;
  #stop = false;
  #loops: Promise<void>[] = [];
  #watch: NodeJS.Timeout | undefined;
  #wallOffsetMs = 0;
  #keptWaitingMs = keptWaitingMs();
  readonly #removeFiles = (): void => {
    rmSync(this.basePath, { recursive: true, force: true, maxRetries: 3 });
  };

  private constructor(
    engines: readonly Engine[],
    postgres: FaultyPostgres,
    proxy: TcpProxy,
    random: () => number,
    prefix: string,
    grace: number,
  ) {
    this.log = new CallLog(grace);
    this.engines = engines;
    this.postgres = postgres;
    this.proxy = proxy;
    this.random = random;
    this.#prefix = prefix;
    this.basePath = mkdtempSync(join(tmpdir(), 'changeover-faults-'));
    process.once('exit', this.#removeFiles);
    this.factory = new StorageBackendFactory({
      basePath: this.basePath,
      databaseUrl: proxy.urlFor(postgres.reachedBy),
      pools: { sqlite: poolOptions, duckdb: poolOptions, postgresql: poolOptions },
      budgets: { postgresql: postgresqlBudget },
      callTimeoutMs,
      lockWaitMs: 1_000,
      random,
      clock: this.#clock(),
      sqlite: {
        onWorker: (worker) => {
          this.workers.push(worker);
        },
      },
      metrics: {
        ...silentMetrics,
        retried: () => {
          this.retries += 1;
        },
      },
      duckdb: { memoryBudgetMib: 256 },
      postgresql: { statementTimeoutMs: 900 },
    });
    process.on('unhandledRejection', this.#unhandled);
  }

  static async open(
    engines: readonly Engine[],
    postgres: FaultyPostgres,
    random: () => number,
    grace: number,
  ): Promise<Arena> {
    const proxy = await TcpProxy.start(postgres.reachedBy);
    const prefix = `faults_${Math.floor(random() * 1e9)}_${process.pid}_${Math.floor(performance.now())}`;
    const arena = new Arena(engines, postgres, proxy, random, prefix, grace);
    for (const engine of engines) {
      for (const dataset of arena.datasets) {
        await setUp(() => arena.storage(engine).createDataset(dataset));
        await setUp(() =>
          arena.storage(engine).writeTable(dataset, 'log', [{ owner: dataset, token: 'first' }]),
        );
      }
    }
    return arena;
  }

  get datasets(): readonly string[] {
    return [`${this.#prefix}_a`, `${this.#prefix}_b`];
  }

  /** A dataset that the load doesn't touch. */
  get victim(): string {
    return `${this.#prefix}_victim`;
  }

  storage(engine: Engine): StorageBackend {
    return this.factory.storage(engine);
  }

  /** Sets the wall clock so far off; the monotonic one goes on. */
  setClock(wallOffsetMs: number): void {
    this.#wallOffsetMs = wallOffsetMs;
  }

  #clock(): Clock {
    return { ...systemClock, wallMs: () => systemClock.wallMs() + this.#wallOffsetMs };
  }

  /** Begins the load: some callers an engine, each making one call after the other. */
  startLoad(callers = 4): void {
    this.#stop = false;
    this.#loops = this.engines.flatMap((engine) =>
      Array.from({ length: callers }, async () => {
        while (!this.#stop) await this.call(engine);
      }),
    );
    this.#watch = setInterval(() => {
      this.#checkBounds();
    }, 20);
  }

  /** Lets at least so many calls be answered, with a limit for when none is. */
  async answered(count: number): Promise<void> {
    const target = this.#ended() + count;
    const endMs = performance.now() + 3_000;
    while (this.#ended() < target && performance.now() < endMs) await pause(5);
  }

  async stopLoad(): Promise<void> {
    this.#stop = true;
    await Promise.all(this.#loops);
    clearInterval(this.#watch);
  }

  /** Makes one random call and notes what it is told. Never rejects. */
  async call(engine: Engine): Promise<void> {
    const dataset = pick(this.random, this.datasets);
    // A transaction without a deadline has none as a whole, only each of its statements has.
    if (this.random() < 0.25) {
      await this.both(engine, dataset, callDeadlineMs);
      return;
    }
    const deadlineMs = this.random() < 0.5 ? callDeadlineMs : undefined;
    await pick(this.random, [this.read, this.insert, this.append]).call(
      this,
      engine,
      dataset,
      deadlineMs,
    );
  }

  async read(engine: Engine, dataset: string, deadlineMs?: number): Promise<void> {
    await this.#noted(engine, dataset, 'read', 0, deadlineMs, async () => {
      const { rows } = await this.factory
        .createBackend(dataset, engine)
        .query('SELECT DISTINCT owner FROM log', [], { deadlineMs });
      for (const { owner } of rows) {
        if (owner !== dataset)
          this.log.problem(
            `a read of ${dataset} on ${engine} saw a row of another's: ${JSON.stringify(owner)}`,
          );
      }
    });
  }

  async insert(engine: Engine, dataset: string, deadlineMs?: number): Promise<void> {
    await this.#noted(engine, dataset, 'execute', 1, deadlineMs, async ([token = '']) => {
      await this.factory
        .createBackend(dataset, engine)
        .execute(insertSql(engine), [dataset, token], { deadlineMs });
    });
  }

  /** With many rows it takes some milliseconds, so that a fault meets it in the middle. */
  async append(engine: Engine, dataset: string, deadlineMs?: number, count = 3): Promise<void> {
    await this.#noted(engine, dataset, 'writeTable', count, deadlineMs, async (tokens) => {
      const rows = tokens.map((token) => ({ owner: dataset, token }));
      await this.factory
        .createBackend(dataset, engine)
        .writeTable('log', rows, { ifExists: 'append' }, { deadlineMs });
    });
  }

  async both(engine: Engine, dataset: string, deadlineMs: number): Promise<void> {
    let runs = 0;
    await this.#noted(engine, dataset, 'transaction', 2, deadlineMs, async (tokens) => {
      await this.factory.createBackend(dataset, engine).transaction(
        async (transaction) => {
          runs += 1;
          for (const token of tokens)
            await transaction.execute(insertSql(engine), [dataset, token]);
        },
        { deadlineMs },
      );
    });
    if (runs > 1) this.log.problem(`a transaction's function was run ${runs} times`);
  }

  /** Notes a call that a fault makes itself. The result is its error, if any. */
  async noted(
    engine: Engine,
    dataset: string,
    operation: string,
    deadlineMs: number,
    call: () => Promise<unknown>,
  ): Promise<unknown> {
    return await this.#noted(engine, dataset, operation, 0, deadlineMs, call);
  }

  /** After a fault, under load still: every dataset must be back soon. */
  async recovered(): Promise<void> {
    const backBy = performance.now() + recoveryMs;
    await Promise.all(
      this.engines.flatMap((engine) =>
        this.datasets.map((dataset) => this.#backBy(engine, dataset, backBy)),
      ),
    );
  }

  /** After the faults: nothing may be in use, and what is there must be what was told. */
  async finish(): Promise<void> {
    const backBy = performance.now() + recoveryMs;
    await this.stopLoad();
    for (const { engine, callers } of this.factory.stats().engines) {
      const busy = callers.pools.filter((pool) => pool.inUse + pool.pending > 0);
      if (busy.length > 0 && !(await this.#calmBy(backBy)))
        this.log.problem(`${engine} has connections in use that nobody uses`);
    }
    this.log.checkDeadlines();
    for (const engine of this.engines) {
      for (const dataset of this.datasets) await this.#checkContents(engine, dataset, backBy);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#watch);
    this.#stop = true;
    this.proxy.mode = 'pass';
    for (const engine of this.engines) {
      for (const dataset of [...this.datasets, this.victim]) {
        await this.storage(engine)
          .dropDataset(dataset)
          .catch((error: unknown) => {
            this.log.problem(`drop failed: ${String(error)}`);
          });
      }
    }
    const closeMs = performance.now();
    await this.factory.close({ deadlineMs: 3_000 });
    if (performance.now() - closeMs > 3_000 + 250)
      this.log.problem('closing took longer than its deadline');
    await this.proxy.stop();
    process.off('unhandledRejection', this.#unhandled);
    process.off('exit', this.#removeFiles);
    this.#removeFiles();
  }

  async #noted(
    engine: Engine,
    dataset: string,
    operation: string,
    tokens: number,
    deadlineMs: number = callTimeoutMs,
    call: (tokens: readonly string[]) => Promise<unknown>,
  ): Promise<unknown> {
    const written = Array.from({ length: tokens }, () => `t${(this.#tokens += 1)}`);
    const logged: LoggedCall = this.log.begin({
      engine,
      dataset,
      operation,
      tokens: written,
      deadlineMs,
    });
    try {
      await call(written);
      this.log.end(logged, undefined);
      return undefined;
    } catch (error) {
      this.log.end(logged, error);
      // A refusal at once must not become a busy loop that starves what it waits for.
      await pause(2);
      return error;
    }
  }

  async #backBy(engine: Engine, dataset: string, byMs: number): Promise<void> {
    let error: unknown;
    do {
      error = await this.noted(engine, dataset, 'recovery', callDeadlineMs, () =>
        this.factory
          .createBackend(dataset, engine)
          .query('SELECT count(*) AS c FROM log', [], { deadlineMs: callDeadlineMs }),
      );
      if (error === undefined) return;
    } while (performance.now() < byMs);
    this.log.problem(
      `${engine} was not back ${recoveryMs} ms after the fault: ${(error as Error).message}`,
    );
  }

  async #calmBy(byMs: number): Promise<boolean> {
    for (;;) {
      const pools = this.factory.stats().engines.flatMap(({ callers }) => callers.pools);
      if (pools.every(({ inUse, pending }) => inUse + pending === 0)) return true;
      if (performance.now() > byMs + 1_000) return false;
      await pause(20);
    }
  }

  #checkBounds(): void {
    const waitedMs = keptWaitingMs();
    this.log.keptWaiting(waitedMs - this.#keptWaitingMs);
    this.#keptWaitingMs = waitedMs;
    for (const { engine, callers } of this.factory.stats().engines) {
      if (callers.connections > callers.budget)
        this.log.problem(`${engine} has ${callers.connections} connections of ${callers.budget}`);
      for (const { name, open, opening, closing, max } of callers.pools) {
        // By the pools' own books, and for PostgreSQL by the sockets that there are.
        if (open + opening + closing > max)
          this.log.problem(`${name} has ${open + opening + closing} connections of ${max}`);
      }
    }
    if (this.proxy.held > postgresqlBudget)
      this.log.problem(`${this.proxy.held} sockets are open of ${postgresqlBudget}`);
  }

  #ended(): number {
    return this.log.calls.reduce((sum, { endedMs }) => sum + (endedMs === undefined ? 0 : 1), 0);
  }

  async #checkContents(engine: Engine, dataset: string, byMs: number): Promise<void> {
    // The breaker may still be open for a moment, for what the load has met last.
    await this.#backBy(engine, dataset, byMs);
    const rows = await this.storage(engine).readTable(dataset, 'log');
    this.log.checkWrites(engine, dataset, rows as { owner: unknown; token: unknown }[]);
  }
}

function insertSql(engine: Engine): string {
  return `INSERT INTO log VALUES (${engine === 'postgresql' ? '$1, $2' : '?, ?'})`;
}

/** How long this thread was ready to run and the machine had no core for it, since it began; 0 where the system does not
 * tell. What it waits for by itself, such as a lock or the disk, is not in it. */
function keptWaitingMs(): number {
  if (process.platform !== 'linux') return 0;
  const [, waitedNs] = readFileSync('/proc/self/schedstat', 'utf8').split(' ');
  return Number(waitedNs) / 1e6;
}

/** Lets some time pass. */
export async function pause(durationMs: number): Promise<void> {
  await new Promise<void>((resolve) => {
    setTimeout(resolve, durationMs);
  });
}

/** Another process, which says when it is ready and ends when told. */
export interface OtherProcess {
  end(): Promise<void>;
}

/** Starts another process with a piece of JavaScript that prints a line when it is ready. `require` finds what this
 * repository has installed. */
export async function startOther(script: string): Promise<OtherProcess> {
  const require = createRequire(import.meta.url);
  const modules = {
    sqlite: require.resolve('better-sqlite3'),
    duckdb: require.resolve('@duckdb/node-api'),
  };
  const child = spawn(process.execPath, ['-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, MODULES: JSON.stringify(modules), NODE_OPTIONS: '' },
  });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => {
      resolve();
    });
  });
  await Promise.race([
    new Promise<void>((resolve) => {
      child.stdout.once('data', () => {
        resolve();
      });
    }),
    exited.then(() => {
      throw new Error('The other process ended before it was ready.');
    }),
  ]);
  return {
    async end() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Does what comes before the faults. The arena's limits are short, so that a loaded machine may take a few attempts. */
async function setUp(work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await work();
      return;
    } catch (error) {
      if (attempt >= 5 || !(error instanceof StorageError) || !error.retryable) throw error;
    }
  }
}
