import type { Digest } from '@changeover/core';
import { datasetPrograms, withEachStep } from '@changeover/engines';
import type {
  PostgresSession,
  Program,
  Step,
  StepResult,
  TransactionState,
} from '@changeover/engines';
import { answerValue, isWriting, jobProgram, keepsState, writtenTransaction } from '../job.ts';
import type { DigestInState, Job, JobAnswer, JobContext, WrittenTransaction } from '../job.ts';
import type { MeasuredRead, PooledSession } from '../pooled-session.ts';
import { endBackend } from './end-backend.ts';
import type { OpenedSession } from './handover.ts';

/** Our own questions, which call nothing but the server's own functions. */
const leavesNothing: ReadonlySet<Job['kind']> = new Set<Job['kind']>(['ping', 'snapshotBounds']);

/** A PostgreSQL connection of a pool. It asks for each transaction's id before the commit, so that the server can be asked
 * what became of it if the answer is lost. */
export class PostgresPooledSession implements PooledSession {
  readonly cancellable = true;
  readonly opened: OpenedSession;
  readonly #session: PostgresSession;
  readonly #context: JobContext;
  #transaction: WrittenTransaction | undefined;
  #doubtful = false;
  /** Something was run on it since it was cleaned that may have left something. */
  #mayHaveLeft = false;
  readonly #url: string;
  /** A statement has left something on it that cleaning does not surely take away: a seed, a custom setting, which reads '' then. */
  #marked = false;

  /** @param url of the server. */
  constructor(opened: OpenedSession, dataset: string, url: string) {
    this.opened = opened;
    this.#url = url;
    this.#session = opened.session;
    // Made once: to make them for each read took 3 % of a point read.
    const programs = datasetPrograms({ engine: 'postgresql', dataset, form: 'objects' });
    this.#context = { engine: 'postgresql', dataset, form: 'objects', programs };
  }

  get connected(): boolean {
    return this.#session.connected;
  }

  get usable(): boolean {
    return !this.#marked && this.#session.usable;
  }

  /** It works as far as is known: it never failed to answer. */
  get isSound(): boolean {
    return this.usable && !this.#doubtful;
  }

  /** Whether the server answers. */
  async answers(): Promise<boolean> {
    // Until it has: nobody may wait for the answer any more when it comes.
    this.#doubtful = true;
    const answered = (await this.run({ kind: 'ping' })) === true;
    this.#doubtful = !answered;
    return answered;
  }

  get transactionState(): TransactionState {
    return this.#session.transactionState;
  }

  async run(job: Job, read?: MeasuredRead): Promise<unknown> {
    const program = jobProgram(this.#context, job);
    if (!leavesNothing.has(job.kind)) this.#mayHaveLeft = true;
    // What a job leaves behind a pooler by transaction is not on this connection.
    if (keepsState(job) && !this.#session.isPooledByTransaction) this.#marked = true;
    if (read !== undefined) {
      let tookMs = 0;
      const answer = await this.#session.read(program, read.shared, (durationMs) => {
        tookMs += durationMs;
      });
      // A read that changes the connection, by a function it calls, does so to nobody else.
      read.cost.note(this.usable ? tookMs : Infinity);
      return answerValue(job, answer);
    }
    if (job.kind === 'operation' && job.withState === true)
      return await this.#inState(job, program);
    if (!isWriting(job)) return answerValue(job, await this.#session.run(program));
    this.#transaction = undefined;
    return answerValue(job, await this.#session.run(this.#noted(program)));
  }

  /** Runs what is no job of a dataset. */
  runProgram<Value>(program: Program<Value>): Promise<Value> {
    return this.#session.run(program);
  }

  /** Takes away what a statement may have left. Rejects where the connection is not to be used any more. */
  async clean(): Promise<void> {
    if (!this.#mayHaveLeft) return;
    await this.#session.clean();
    this.#mayHaveLeft = false;
  }

  commitOutcome(): Job | undefined {
    return this.#transaction === undefined
      ? undefined
      : { kind: 'commitOutcome', transaction: this.#transaction };
  }

  /** It is kept for as long as the process lives, which must not live for it. */
  pin(): void {
    this.#session.unref();
  }

  cancel(): Promise<void> {
    return this.#session.cancel();
  }

  /** It may hold up nobody but who wants the same rows, and whoever made it wants it done. */
  mayEnd(): boolean {
    return false;
  }

  async end(): Promise<void> {
    const { processId, isPooledByTransaction } = this.#session;
    // The number is the pooler's, which passes a request to cancel on to the process that it stands for now.
    if (isPooledByTransaction) await this.#session.cancel();
    // The socket alone would not do: a process that waits for a lock doesn't look at it.
    if (processId !== null) await endBackend(this.#url, processId);
    this.cut();
  }

  close(): Promise<void> {
    return this.#session.close();
  }

  cut(): void {
    this.#session.cut();
  }

  /** Both in one trip. The server runs one after the other. */
  async #inState(job: Job, program: Program<JobAnswer>): Promise<DigestInState> {
    const together = <T>(part: Program<T>): Promise<T> =>
      this.#session.read(part, true, () => undefined);
    const [bounds, read] = await Promise.allSettled([
      together(jobProgram(this.#context, { kind: 'snapshotBounds' })),
      together(program),
    ]);
    if (read.status === 'rejected') throw read.reason;
    if (bounds.status === 'rejected') throw bounds.reason;
    const state = answerValue(job, bounds.value) as string;
    return { state, digest: answerValue(job, read.value) as Digest };
  }

  #noted(program: Program<JobAnswer>): Program<JobAnswer> {
    return withEachStep(program, (step) => this.#withIdBeforeCommit(step));
  }

  *#withIdBeforeCommit(step: Step): Program<StepResult> {
    if (step.kind === 'commit') this.#transaction = yield* writtenTransaction();
    return yield step;
  }
}
