import { Worker } from 'node:worker_threads';
import type { TransactionState } from '@changeover/engines';
import { ConnectionError, InvalidArgumentError } from '@changeover/engines/api';
import { describe } from '@changeover/core';
import { CommitUnknownError } from '../pool/pool-errors.ts';
import { isWriting } from '../job.ts';
import type { Job, JobAnswer } from '../job.ts';
import { restoreBytes } from './bytes-transfer.ts';
import { errorFromData } from './error-transfer.ts';
import { writeMark, writePhase } from './worker-messages.ts';
import type { WorkerReply, WorkerRequest } from './worker-messages.ts';

/** What came back with an answer beside it. */
export interface WorkerAnswer {
  readonly answer: JobAnswer;
  readonly reply: Pick<WorkerReply, 'durationMs' | 'transactionState'>;
}

interface Pending {
  readonly job: Job | undefined;
  readonly dataset: string;
  resolve(answer: WorkerAnswer): void;
  reject(error: unknown): void;
  /** Told before the promise settles. */
  readonly onFailure: OnFailure;
}

/** Told of a failed request before its promise is rejected: what is known of the connection now. */
type OnFailure = (usable: boolean, state: TransactionState) => void;

type RequestBody = WorkerRequest extends infer Request
  ? Request extends unknown
    ? Omit<Request, 'call'>
    : never
  : never;

/** One worker thread that hosts connections. It keeps the process alive only while something runs in it. */
export class HostingWorker {
  /** The thread itself. */
  readonly thread: Worker;
  readonly #mark: Int32Array;
  readonly #pending = new Map<number, Pending>();
  readonly #onLost: () => void;
  #calls = 0;
  #connectionNumber = 0;
  #lost = false;
  #cause: unknown;
  /** Connections that live here. */
  connections = 0;

  /** @param onLost called once, when the thread has ended for whatever reason. */
  constructor(onLost: () => void) {
    this.#onLost = onLost;
    this.#mark = new Int32Array(
      new SharedArrayBuffer(writeMark.length * Int32Array.BYTES_PER_ELEMENT),
    );
    this.thread = startWorker(this.#mark);
    this.thread.unref();
    this.thread.on('message', (reply: WorkerReply) => {
      this.#onReply(reply);
    });
    this.thread.on('messageerror', (error: unknown) => {
      this.#cause = error;
      void this.thread.terminate();
    });
    this.thread.on('error', (error: unknown) => {
      this.#cause = error;
    });
    // Only now has every answer arrived that the thread gave before it ended.
    this.thread.on('exit', () => {
      this.#onEnd();
    });
  }

  /** A number for one more connection here. */
  nextConnection(): number {
    this.#connectionNumber += 1;
    return this.#connectionNumber;
  }

  get lost(): boolean {
    return this.#lost;
  }

  /** Requests that were not answered yet. */
  get running(): number {
    return this.#pending.size;
  }

  /** Asks the thread for something. Rejects with the operation's error; with a `ConnectionError` where the thread died
   * and nothing can have been applied; with a `CommitUnknownError` where it died in the middle of a commit. */
  ask(dataset: string, request: RequestBody, onFailure: OnFailure): Promise<WorkerAnswer> {
    if (this.#lost) return Promise.reject(lostError(dataset, undefined));
    this.#calls = (this.#calls + 1) % 2 ** 31;
    const call = this.#calls;
    const message: WorkerRequest = { ...request, call };
    try {
      this.thread.postMessage(message);
    } catch (error) {
      // What can't be cloned is no value that any engine takes.
      return Promise.reject(
        new InvalidArgumentError(
          `An argument holds something that is no value: ${describe((error as Error).message)}.`,
          { engine: 'sqlite', dataset, cause: error },
        ),
      );
    }
    if (this.#pending.size === 0) this.thread.ref();
    return new Promise((resolve, reject) => {
      this.#pending.set(call, {
        job: request.kind === 'run' ? request.job : undefined,
        dataset,
        resolve,
        reject,
        onFailure,
      });
    });
  }

  /** Ends the thread. A statement that runs in the engine's own code holds it up, so nobody may wait for this without a
   * limit of his own. */
  async terminate(): Promise<void> {
    await this.thread.terminate();
  }

  #onReply(reply: WorkerReply): void {
    const pending = this.#pending.get(reply.call);
    if (pending === undefined) return;
    this.#pending.delete(reply.call);
    if (this.#pending.size === 0) this.thread.unref();
    if (reply.ok) {
      restoreBytes(reply.answer);
      pending.resolve({ answer: reply.answer, reply });
    } else {
      pending.onFailure(reply.usable, reply.transactionState);
      pending.reject(errorFromData(reply.error));
    }
  }

  #onEnd(): void {
    const cause = this.#cause;
    if (this.#lost) return;
    this.#lost = true;
    const pending = [...this.#pending];
    this.#pending.clear();
    this.thread.unref();
    this.#onLost();
    for (const [call, each] of pending) {
      each.onFailure(false, 'none');
      this.#settleLost(call, each, cause);
    }
  }

  #settleLost(call: number, { job, dataset, resolve, reject }: Pending, cause: unknown): void {
    const phase =
      Atomics.load(this.#mark, writeMark.call) === call
        ? Atomics.load(this.#mark, writeMark.phase)
        : writePhase.none;
    if (job === undefined || !isWriting(job) || phase === writePhase.none) {
      reject(lostError(dataset, cause));
    } else if (phase === writePhase.committed) {
      // It was applied; only the news was lost, and what there was to tell is in the mark.
      const rowsAffected = Atomics.load(this.#mark, writeMark.rowsAffected);
      const value =
        job.kind === 'operation' && job.operation === 'execute' ? rowsAffected : undefined;
      resolve({
        answer: { rows: 'none', value },
        reply: { durationMs: 0, transactionState: 'none' },
      });
    } else {
      reject(new CommitUnknownError({ engine: 'sqlite', dataset, cause }));
    }
  }
}

function lostError(dataset: string, cause: unknown): ConnectionError {
  return new ConnectionError(
    'The worker thread that held the SQLite connection ended; nothing was applied. ' +
      'The next call opens a connection in another.',
    { engine: 'sqlite', dataset, cause, retryable: true },
  );
}

/** The worker is TypeScript in the repository and JavaScript in the package; the URL has to name the one that is there. */
function startWorker(mark: Int32Array): Worker {
  const fromSource = import.meta.url.endsWith('.ts');
  return new Worker(new URL(fromSource ? './worker.ts' : './worker.js', import.meta.url), {
    name: 'changeover-sqlite',
    workerData: { mark },
    execArgv: fromSource
      ? ['--conditions=@changeover/source', '--disable-warning=ExperimentalWarning']
      : [],
  });
}
