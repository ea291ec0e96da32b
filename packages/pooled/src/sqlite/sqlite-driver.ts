import { stat } from 'node:fs/promises';
import { datasetFile, DatasetNotFoundError } from '@changeover/engines/api';
import { classifyError, leadingWords } from '@changeover/engines';
import { buildDataset } from '../engine-parts.ts';
import type { EngineDriver, EngineSetting } from '../engine-parts.ts';
import { isForComparison, isWriting } from '../job.ts';
import type { InlineReads } from '../dataset/inline-reads.ts';
import type { PooledDataset } from '../dataset/pooled-dataset.ts';
import type { ResourceSource } from '../pool/resource-source.ts';
import type { PooledSession } from '../pooled-session.ts';
import { InlineReader } from './inline-reader.ts';
import type { InlineReaders } from './inline-readers.ts';
import { cellsOf, StatementCosts } from './statement-costs.ts';
import type { ChildSet } from './child-set.ts';
import { RoutedSession } from './routed-session.ts';
import { StatementRoutes } from './statement-routes.ts';
import { type OnDuration, WorkerSession } from './worker-session.ts';
import type { WorkerSet } from './worker-set.ts';

/** How SQLite is used. */
export interface SqliteSetting {
  /** Reads whose measured cost is at most this run on the main thread, in ms. 0 sends every read to a worker. */
  readonly inlineThresholdMs: number;
  /** Page cache of each connection, in KiB. */
  readonly cacheSizeKib: number;
}

/** How long a statement waits in a worker for another's lock. Short, because it holds up the whole thread; the longer wait
 * is made outside, where it holds up nobody. */
const workerBusyTimeoutMs = 5;

/** A digest whose read was measured to take no longer, in ms, is made on the main thread: to ask a worker takes as much of that. */
const inlineDigestMs = 0.2;

/** Statements after which a view or an index may mean something else. Whichever it doesn't know costs one more look. */
const schemaWords: ReadonlySet<string> = new Set(['CREATE', 'DROP', 'ALTER']);

/** Where a driver runs what it is given. */
export interface SqliteHosts {
  readonly workers: WorkerSet;
  /** For what nothing bounds, and for transactions. */
  readonly children: ChildSet;
  /** The connections on the main thread. */
  readonly inline: InlineReaders;
}

/** Makes the pools of SQLite datasets: one writer and some readers in the shared worker threads, beside them connections in
 * child processes for what may never end, and for cheap reads a connection on the main thread. */
export class SqliteDriver implements EngineDriver {
  readonly setting: EngineSetting;
  readonly #hosts: SqliteHosts;
  readonly #inline: InlineReaders | undefined;
  readonly #sqlite: SqliteSetting;

  constructor(setting: EngineSetting, sqlite: SqliteSetting, hosts: SqliteHosts) {
    this.setting = setting;
    this.#sqlite = sqlite;
    this.#hosts = hosts;
    this.#inline = sqlite.inlineThresholdMs > 0 ? hosts.inline : undefined;
  }

  open(dataset: string, onEmpty: () => void): PooledDataset {
    const file = datasetFile(this.setting.location, 'sqlite', dataset);
    const costs = new StatementCosts();
    const isForCallers = this.setting.purpose === 'callers';
    const routes = new StatementRoutes();
    const forget = (): void => {
      routes.clear();
      costs.clear();
    };
    const inline =
      this.#inline === undefined
        ? undefined
        : this.#inlineReads(this.#inline, dataset, file, costs, forget, onEmpty);
    const onDuration: OnDuration = (job, durationMs, value) => {
      routes.took(job, durationMs);
      if (
        job.kind === 'operation' &&
        job.operation === 'execute' &&
        schemaWords.has(leadingWords(String(job.args[0]), 1, 'sqlite')[0] ?? '')
      ) {
        forget();
      }
      if (
        inline !== undefined &&
        !routes.isRecursive(job) &&
        job.kind === 'operation' &&
        (isForCallers ? !isForComparison(job) : job.digest === true) &&
        !isWriting(job)
      ) {
        costs.note(costs.keyOf(job), durationMs, cellsOf(value));
      }
    };
    const source = this.#source(dataset, file, routes, onDuration);
    return buildDataset(
      this.setting,
      dataset,
      {
        source,
        writers: 1,
        sharesWrites: true,
        inline,
        estimatedCostMs: (job) => routes.estimatedCostMs(job),
      },
      onEmpty,
    );
  }

  #inlineReads(
    readers: InlineReaders,
    dataset: string,
    file: string,
    costs: StatementCosts,
    onChanged: () => void,
    onClosed: () => void,
  ): InlineReads {
    const { cacheSizeKib } = this.#sqlite;
    const { clock, purpose } = this.setting;
    const isForCallers = purpose === 'callers';
    const inlineThresholdMs = isForCallers
      ? this.#sqlite.inlineThresholdMs
      : Math.min(this.#sqlite.inlineThresholdMs, inlineDigestMs);
    const reader = new InlineReader({ dataset, file, cacheSizeKib, clock, onClosed, onChanged });
    const looked = (look: () => string | undefined): string | undefined => {
      if (!reader.open && !readers.hasRoom) return undefined;
      const token = look();
      if (reader.open) readers.used(reader);
      return token;
    };
    return {
      tryRead(job) {
        if (isWriting(job) || (job.digest === true) === isForCallers) return undefined;
        const key = costs.keyOf(job);
        if (!costs.isInline(key, inlineThresholdMs) || (!reader.open && !readers.hasRoom))
          return undefined;
        const dear = (costs.meanMs(key) ?? 0) > inlineThresholdMs;
        // To open a file takes a ms or two: with many datasets in one turn, sockets and timers would wait for seconds.
        if ((dear || !reader.open) && readers.turnSpent) return undefined;
        const done = reader.tryRun(job);
        if (done === undefined) return undefined;
        readers.used(reader);
        if (dear || done.openingMs > 0) readers.spend(done.openingMs + done.durationMs);
        costs.note(key, done.durationMs, dear ? cellsOf(done.value) : 0);
        return done;
      },
      nextTurn: (job) =>
        readers.turnSpent && costs.isInline(costs.keyOf(job), inlineThresholdMs)
          ? readers.nextTurn()
          : undefined,
      open: () => reader.open,
      version: () => reader.version(),
      look: () => looked(() => reader.look()),
      mark: () => looked(() => reader.mark()),
      close() {
        readers.forget(reader);
        reader.close();
      },
    };
  }

  #source(
    dataset: string,
    file: string,
    routes: StatementRoutes,
    onDuration: OnDuration,
  ): ResourceSource<PooledSession> {
    const { workers, children } = this.#hosts;
    const { clock } = this.setting;
    const identities = new WeakMap<PooledSession, string>();
    const options = {
      file,
      busyTimeoutMs: workerBusyTimeoutMs,
      cacheSizeKib: this.#sqlite.cacheSizeKib,
    };
    return {
      // The worker does. Five callers who write one row each at a time make twice as many writes a second.
      sharing: { atOnce: 32, inAll: 32, freelyMs: Infinity, mostMs: Infinity, stallMs: Infinity },
      open: async () => {
        const identity = await fileIdentity(file);
        if (identity === undefined) throw new DatasetNotFoundError(dataset, { engine: 'sqlite' });
        const thread = await WorkerSession.open(workers, dataset, options, onDuration);
        const parts = { dataset, options, thread, children, routes, clock, onDuration };
        const session = new RoutedSession(parts);
        identities.set(session, identity);
        return session;
      },
      close: (session) => session.close(),
      cut: (session) => {
        session.cut();
      },
      usable: (session) => session.usable && session.transactionState === 'none',
      // Dropped and made again by another process, the same path is another file.
      validate: async (session) => (await fileIdentity(file)) === identities.get(session),
      mayPass: (error) =>
        !(error instanceof DatasetNotFoundError) && passing.has(classifyError('sqlite', error)),
      rank: (session) => (session instanceof RoutedSession ? session.load : 0),
    };
  }
}

const passing: ReadonlySet<string> = new Set(['busy', 'conflict', 'connection']);

async function fileIdentity(file: string): Promise<string | undefined> {
  try {
    const found = await stat(file);
    return found.isFile() ? `${found.dev}:${found.ino}` : undefined;
  } catch (error) {
    const code: unknown = (error as { code?: unknown }).code;
    // Any other reason is said better by who tries to open it.
    return code === 'ENOENT' || code === 'ENOTDIR' ? undefined : 'unseen';
  }
}
