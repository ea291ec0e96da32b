import type { SqliteSessionOptions, TransactionState } from '@changeover/engines';
import { answerValue } from '../job.ts';
import type { Job } from '../job.ts';
import type { PooledSession } from '../pooled-session.ts';
import type { HostingWorker } from './hosting-worker.ts';
import type { WorkerSet } from './worker-set.ts';

/** Told how long a job took in the worker, and what it yielded. */
export type OnDuration = (job: Job, durationMs: number, value: unknown) => void;

/** A SQLite connection that lives in a worker thread. */
export class WorkerSession implements PooledSession {
  readonly cancellable = false;
  readonly #worker: HostingWorker;
  readonly #dataset: string;
  readonly #connection: number;
  readonly #onDuration: OnDuration;
  #usable = true;
  #transactionState: TransactionState = 'none';
  #closed: Promise<void> | undefined;

  private constructor(
    worker: HostingWorker,
    dataset: string,
    connection: number,
    onDuration: OnDuration,
  ) {
    this.#worker = worker;
    this.#dataset = dataset;
    this.#connection = connection;
    this.#onDuration = onDuration;
  }

  /** Opens a connection in the worker with the least to do.
   *
   * @param onDuration told of each job. */
  static async open(
    workers: WorkerSet,
    dataset: string,
    options: SqliteSessionOptions,
    onDuration: OnDuration,
  ): Promise<WorkerSession> {
    const worker = workers.choose();
    const session = new WorkerSession(worker, dataset, worker.nextConnection(), onDuration);
    worker.connections += 1;
    try {
      const request = { kind: 'open', connection: session.#connection, dataset, options } as const;
      await worker.ask(dataset, request, () => {
        session.#usable = false;
      });
      return session;
    } catch (error) {
      worker.connections -= 1;
      throw error;
    }
  }

  get usable(): boolean {
    return this.#usable && !this.#worker.lost;
  }

  get transactionState(): TransactionState {
    return this.#transactionState;
  }

  /** How much its thread has to do already; the pool lends the connection of the least busy one. */
  get load(): number {
    return this.#worker.running;
  }

  async run(job: Job): Promise<unknown> {
    const { answer, reply } = await this.#worker.ask(
      this.#dataset,
      { kind: 'run', connection: this.#connection, job },
      (usable, state) => {
        this.#usable &&= usable;
        this.#transactionState = state;
      },
    );
    this.#transactionState = reply.transactionState;
    const value = answerValue(job, answer);
    this.#onDuration(job, reply.durationMs, value);
    return value;
  }

  /** SQLite has no means here: the worker finishes what it is at, and the connection is not lent meanwhile. */
  async cancel(): Promise<void> {}

  close(): Promise<void> {
    this.#usable = false;
    this.#closed ??= this.#close();
    return this.#closed;
  }

  cut(): void {
    void this.close();
  }

  async #close(): Promise<void> {
    try {
      await this.#worker.ask(
        this.#dataset,
        { kind: 'close', connection: this.#connection },
        () => undefined,
      );
    } catch {
      // The thread is gone and the connection with it.
    }
    this.#worker.connections -= 1;
  }
}
