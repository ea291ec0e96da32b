import { AbortedError } from '@changeover/engines/api';
import type { AsyncSession, Program, TransactionState } from '@changeover/engines';
import { answerValue, jobProgram, keepsState } from '../job.ts';
import type { Job, JobContext } from '../job.ts';
import type { PooledSession } from '../pooled-session.ts';
import type { InstanceThreads } from './instance-threads.ts';
import type { QuerySlots } from './query-slots.ts';

/** A DuckDB connection of a pool, whose queries wait for a slot. */
export class DuckdbPooledSession implements PooledSession {
  readonly cancellable = true;
  readonly #session: AsyncSession;
  readonly #context: JobContext;
  readonly #slots: QuerySlots;
  readonly #threads: InstanceThreads;
  #leaveLine: (() => void) | undefined;
  #marked = false;

  constructor(session: AsyncSession, dataset: string, slots: QuerySlots, threads: InstanceThreads) {
    this.#session = session;
    this.#context = { engine: 'duckdb', dataset, form: 'objects' };
    this.#slots = slots;
    this.#threads = threads;
  }

  get connected(): boolean {
    return this.#session.usable;
  }

  get usable(): boolean {
    return !this.#marked && this.connected;
  }

  get transactionState(): TransactionState {
    return this.#session.transactionState;
  }

  async run(job: Job): Promise<unknown> {
    if (keepsState(job)) this.#marked = true;
    const taken = await this.#slots.take((leave) => {
      this.#leaveLine = leave;
    });
    this.#leaveLine = undefined;
    if (!taken)
      throw new AbortedError(
        'The query was given up while it waited for a thread; nothing was applied.',
        {
          engine: 'duckdb',
          dataset: this.#context.dataset,
          retryable: true,
        },
      );
    const startedMs = this.#slots.nowMs();
    try {
      if (this.#threads.takeRaise()) await this.#session.run(useAllThreads());
      return answerValue(job, await this.#session.run(jobProgram(this.#context, job)));
    } finally {
      this.#threads.ran(this.#slots.nowMs() - startedMs, this.#slots.used);
      this.#slots.giveBack();
    }
  }

  async cancel(): Promise<void> {
    this.#leaveLine?.();
    await this.#session.cancel();
  }

  mayEnd(): boolean {
    return true;
  }

  end(): Promise<void> {
    return this.close();
  }

  async close(): Promise<void> {
    this.#leaveLine?.();
    await this.#session.close();
  }

  cut(): void {
    void this.close();
  }
}

function* useAllThreads(): Program<void> {
  yield { kind: 'run', sql: 'RESET threads' };
}
