import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout } from 'node:timers/promises';
import {
  type Engine,
  InvalidArgumentError,
  parseDatasetName,
  type StorageSession,
  type StorageTransaction,
  type StoreLocation,
  type TransactionOptions,
} from '@changeover/engines/api';
import {
  datasetPrograms,
  type DatasetPrograms,
  type DatasetStore,
  inAttempts,
  parseTransactionOptions,
  type Program,
  readInSnapshot,
  serializableSql,
} from '@changeover/engines';
import { abortedError, CallQueue } from './call-queue.ts';
import type { Connection } from './connection.ts';
import { LegacySession } from './legacy-session.ts';
import { LegacyTransaction } from './legacy-transaction.ts';
import { openDataset, openStore } from './open-dataset.ts';

/** How a call is made that is no caller's. */
export interface ShadowRun {
  /** Gives the call up: it leaves the queue, or is cancelled where it runs. */
  readonly signal: AbortSignal;
  /** PostgreSQL: the snapshot to read in. */
  readonly snapshot?: string | undefined;
}

interface OpenDataset {
  readonly dataset: string;
  readonly connection: Connection;
}

/** What a legacy object is inside: one queue, one connection, to one dataset. */
export class SingleConnection {
  readonly #engine: Engine;
  readonly #location: () => StoreLocation;
  readonly #queue = new CallQueue();
  readonly #transactions = new AsyncLocalStorage<LegacyTransaction>();
  #open: OpenDataset | undefined;
  /** The dataset that is open, or is being opened. */
  #current: string | undefined;
  /** Datasets that must not be opened, each with what ends that. */
  readonly #closed = new Map<string, Promise<unknown>>();
  /** See `LegacyLegOptions`. */
  mayLeave: ((dataset: string, sql: string) => boolean) | undefined;

  /** @param location asked at each opening. */
  constructor(engine: Engine, location: () => StoreLocation) {
    this.#engine = engine;
    this.#location = location;
  }

  /** Whether nothing runs, waits or is open. */
  get unused(): boolean {
    return this.#queue.idle && this.#open === undefined;
  }

  /** Whether nothing runs or waits. */
  get idle(): boolean {
    return this.#queue.idle;
  }

  /** Runs a program on a dataset in its turn, or in the transaction that the caller is in. */
  async run<T>(
    name: string,
    make: (programs: DatasetPrograms) => Program<T>,
    shadow?: ShadowRun,
  ): Promise<T> {
    const dataset = parseDatasetName(name);
    const { signal, snapshot } = shadow ?? {};
    const transaction = this.#transaction();
    if (transaction !== undefined) {
      this.#requireSame(transaction, dataset);
      return transaction.run(make);
    }
    return this.#turn(
      dataset,
      async () => {
        const { connection } = await this.#opened(dataset);
        const program = make(datasetPrograms({ engine: this.#engine, dataset }));
        return this.#watched(
          connection,
          snapshot === undefined ? program : readInSnapshot(snapshot, program),
          signal,
        );
      },
      signal,
    );
  }

  /** Runs `work` in a transaction, which holds the queue until it has ended. */
  async transaction<T>(
    name: string,
    work: (transaction: StorageTransaction) => Promise<T> | T,
    options?: TransactionOptions,
  ): Promise<T> {
    const dataset = parseDatasetName(name);
    checkWork('transaction', dataset, work);
    const { attempts, serializable } = parseTransactionOptions(options);
    const outer = this.#transaction();
    if (outer instanceof LegacySession && outer.dataset === dataset && !serializable)
      return outer.transaction(work);
    this.#refuseInTransaction('transaction');
    return inAttempts(
      this.#engine,
      attempts,
      () => this.#transactOnce(dataset, work, serializable),
      // Only another process can be met here.
      (failures) => setTimeout(Math.random() * Math.min(250, 5 * 2 ** failures)),
    );
  }

  /** Runs `work` on a connection of its own, beside the one whose state stays, and holds the queue until it has ended. */
  async session<T>(name: string, work: (session: StorageSession) => Promise<T> | T): Promise<T> {
    const dataset = parseDatasetName(name);
    checkWork('session', dataset, work);
    this.#refuseInTransaction('session');
    return this.#turn(dataset, async () => {
      // Naming a dataset opens it, whatever is called.
      await this.#opened(dataset);
      const connection = await this.#openDataset(dataset);
      const session = new LegacySession(this.#engine, dataset, connection);
      try {
        return await this.#transactions.run(session, async () => await work(session));
      } finally {
        await session.end();
        await connection.close();
      }
    });
  }

  async #transactOnce<T>(
    dataset: string,
    work: (transaction: StorageTransaction) => Promise<T> | T,
    serializable: boolean,
  ): Promise<T> {
    return this.#turn(dataset, async () => {
      const { connection } = await this.#opened(dataset);
      await this.#watched(connection, begun(this.#engine, serializable));
      const transaction = new LegacyTransaction(this.#engine, dataset, connection);
      let result: T;
      try {
        result = await this.#transactions.run(transaction, () => work(transaction));
        await transaction.end();
        await connection.run(control('commit'));
      } catch (error) {
        await transaction.end();
        await connection.run(control('rollback')).catch(() => undefined);
        await this.#dropUnusable();
        throw error;
      }
      return result;
    });
  }

  /** Runs work on the datasets themselves in its turn.
   *
   * @param closes a dataset that must not be open meanwhile. */
  async onStore<T>(
    operation: string,
    work: (store: DatasetStore) => Promise<T>,
    closes?: string,
    signal?: AbortSignal,
  ): Promise<T> {
    if (this.#transaction() !== undefined) {
      // Only what changes nothing that the transaction stands on.
      if (closes !== undefined) this.#refuseInTransaction(operation);
      return work(openStore(this.#engine, this.#location()));
    }
    return this.#queue.run(async () => {
      if (closes !== undefined && this.#open?.dataset === closes) await this.#close();
      return work(openStore(this.#engine, this.#location()));
    }, signal);
  }

  /** Closes what is open, in its turn. */
  async close(): Promise<void> {
    this.#refuseInTransaction('closeConnections');
    await this.#queue.run(() => this.#close());
  }

  /** Closes a dataset and lets calls to it wait while `work` runs. It holds the queue only where the dataset is open, so that
   * it can be called from inside a transaction on another. */
  async closedWhile<T>(dataset: string, work: () => Promise<T>): Promise<T> {
    while (this.#closed.has(dataset)) await this.#closed.get(dataset);
    const { promise: over, resolve } = Promise.withResolvers<undefined>();
    this.#closed.set(dataset, over);
    try {
      if (this.#current === dataset) {
        await this.#queue.run(async () => {
          if (this.#current === dataset) await this.#close();
        });
      }
      return await work();
    } finally {
      this.#closed.delete(dataset);
      resolve(undefined);
    }
  }

  /** Runs `work` as a call of nobody's transaction. */
  outsideTransaction<T>(work: () => T): T {
    return this.#transactions.exit(work);
  }

  /** Runs work on a dataset when its turn comes and the dataset may be open. */
  async #turn<T>(dataset: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (;;) {
      while (this.#closed.has(dataset)) await this.#closed.get(dataset);
      const turn = await this.#queue.run(
        async () => (this.#closed.has(dataset) ? undefined : { value: await work() }),
        signal,
      );
      if (turn !== undefined) return turn.value;
    }
  }

  #transaction(): LegacyTransaction | undefined {
    const transaction = this.#transactions.getStore();
    // Work that went on after its transaction ended makes calls like any other.
    return transaction?.ended === false ? transaction : undefined;
  }

  #requireSame(transaction: LegacyTransaction, dataset: string): void {
    if (transaction.dataset === dataset) return;
    throw new InvalidArgumentError(
      `A transaction on dataset "${transaction.dataset}" is running and there is one connection, so dataset "${dataset}" ` +
        "can't be reached from inside it. Call it before or after.",
      { engine: this.#engine, dataset },
    );
  }

  #refuseInTransaction(operation: string): void {
    const transaction = this.#transaction();
    if (transaction === undefined) return;
    throw new InvalidArgumentError(
      `${operation} can't be called inside a transaction, which holds the one connection. Call it before or after.`,
      { engine: this.#engine, dataset: transaction.dataset },
    );
  }

  async #opened(dataset: string): Promise<OpenDataset> {
    await this.#dropUnusable();
    if (this.#open?.dataset === dataset) return this.#open;
    await this.#close();
    this.#current = dataset;
    this.#open = {
      dataset,
      connection: await this.#openDataset(dataset),
    };
    return this.#open;
  }

  #openDataset(dataset: string): Promise<Connection> {
    return openDataset(this.#engine, this.#location(), dataset, (sql) =>
      this.mayLeave?.(dataset, sql),
    );
  }

  /** Runs a program; the connection is let go if it was lost, so that the next call opens another. */
  async #watched<T>(connection: Connection, program: Program<T>, signal?: AbortSignal): Promise<T> {
    const cancel = (): void => {
      connection.cancel().catch(() => undefined);
    };
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await connection.run(program);
    } catch (error) {
      throw signal?.aborted === true ? abortedError(signal) : error;
    } finally {
      signal?.removeEventListener('abort', cancel);
      await this.#dropUnusable();
    }
  }

  async #dropUnusable(): Promise<void> {
    if (this.#open !== undefined && !this.#open.connection.usable) await this.#close();
  }

  async #close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.connection.close();
    this.#current = undefined;
  }
}

function* control(kind: 'commit' | 'rollback'): Program<void> {
  yield { kind };
}

function* begun(engine: Engine, serializable: boolean): Program<void> {
  yield { kind: 'begin' };
  const sql = serializable ? serializableSql(engine) : undefined;
  if (sql !== undefined) yield { kind: 'run', sql };
}

function checkWork(operation: 'transaction' | 'session', dataset: string, work: unknown): void {
  if (typeof work === 'function') return;
  throw new InvalidArgumentError(`${operation} takes a function that is given the ${operation}.`, {
    dataset,
  });
}
