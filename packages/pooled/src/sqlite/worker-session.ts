import type { SqliteSessionOptions, TransactionState } from '@changeover/engines';
import { answerValue } from '../job.ts';
import type { Job } from '../job.ts';
import type { PooledSession } from '../pooled-session.ts';
import { withBuffers } from './answer-bytes.ts';
import type { SqliteHost } from './sqlite-host.ts';
import { RefusedError } from './pending-calls.ts';
import type { WorkerSet } from './worker-set.ts';

/** Told how long a job took where it ran, and what it yielded. */
export type OnDuration = (job: Job, durationMs: number, value: unknown) => void;

/** A SQLite connection that lives in a worker thread or a child process. */
export class WorkerSession implements PooledSession {
  readonly cancellable = false;
  readonly #host: SqliteHost;
  readonly #dataset: string;
  readonly #connection: number;
  readonly #onDuration: OnDuration;
  #usable = true;
  #transactionState: TransactionState = 'none';
  #refusals = 0;
  #fences = 0;
  #running = 0;
  #onIdle: (() => void)[] = [];
  #closed: Promise<void> | undefined;

  private constructor(host: SqliteHost, dataset: string, onDuration: OnDuration) {
    this.#host = host;
    this.#dataset = dataset;
    this.#connection = host.nextConnection();
    this.#onDuration = onDuration;
  }

  /** Opens a connection in the worker with the least to do.
   *
   * @param onDuration told of each job. */
  static open(
    workers: WorkerSet,
    dataset: string,
    options: SqliteSessionOptions,
    onDuration: OnDuration,
  ): Promise<WorkerSession> {
    return WorkerSession.openIn(workers.choose(), dataset, options, onDuration);
  }

  /** Opens a connection in a host. */
  static async openIn(
    host: SqliteHost,
    dataset: string,
    options: SqliteSessionOptions,
    onDuration: OnDuration,
  ): Promise<WorkerSession> {
    const session = new WorkerSession(host, dataset, onDuration);
    host.connections += 1;
    try {
      const request = { kind: 'open', connection: session.#connection, dataset, options } as const;
      await host.ask(dataset, request, () => {
        session.#usable = false;
      });
      return session;
    } catch (error) {
      host.connections -= 1;
      throw error;
    }
  }

  get connected(): boolean {
    return this.#usable && !this.#host.lost;
  }

  get usable(): boolean {
    return this.connected;
  }

  get transactionState(): TransactionState {
    return this.#transactionState;
  }

  /** See `PooledSession.fences`. */
  get fences(): number {
    return this.#fences;
  }

  /** How much its host has to do already; the pool lends the connection of the least busy one. */
  get load(): number {
    return this.#host.running;
  }

  /** Resolves when all its jobs were answered and whoever waited for one has heard of it; undefined where none is under
   * way. */
  idle(): Promise<void> | undefined {
    if (this.#running === 0) return undefined;
    return new Promise((resolve) => {
      this.#onIdle.push(resolve);
    });
  }

  run(job: Job): Promise<unknown> {
    return this.#run(job, false);
  }

  /** Runs a job as far as the plans of its statements bound them.
   *
   * @throws {RefusedError} where one's doesn't; nothing was applied then. */
  runGuarded(job: Job): Promise<unknown> {
    return this.#run(job, true);
  }

  async #run(job: Job, guarded: boolean): Promise<unknown> {
    this.#running += 1;
    try {
      const request = {
        connection: this.#connection,
        job,
        guarded,
        refusals: this.#refusals,
        fences: this.#fences,
      };
      const { answer, reply } = await this.#host.ask(
        this.#dataset,
        { kind: 'run', ...request },
        (usable, state, fences) => {
          this.#usable &&= usable;
          this.#transactionState = state;
          if (fences) this.#fences += 1;
        },
      );
      this.#transactionState = reply.transactionState;
      const value = answerValue(job, withBuffers(answer));
      this.#onDuration(job, reply.durationMs, value);
      return value;
    } catch (error) {
      if (error instanceof RefusedError && error.bound !== undefined) this.#refusals += 1;
      throw error;
    } finally {
      this.#running -= 1;
      if (this.#running === 0 && this.#onIdle.length > 0) {
        const told = this.#onIdle.splice(0);
        setImmediate(() => {
          for (const tell of told) tell();
        });
      }
    }
  }

  /** SQLite has no means here: the worker finishes what it is at, and the connection is not lent meanwhile. */
  async cancel(): Promise<void> {}

  mayEnd(): boolean {
    return false;
  }

  end(): Promise<void> {
    return this.close();
  }

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
      await this.#host.ask(
        this.#dataset,
        { kind: 'close', connection: this.#connection },
        () => undefined,
      );
    } catch {
      // The host is gone and the connection with it.
    }
    this.#host.connections -= 1;
  }
}
