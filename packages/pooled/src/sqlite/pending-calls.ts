import type { TransactionState } from '@changeover/engines';
import { ConnectionError, InvalidArgumentError } from '@changeover/engines/api';
import { appendRows, toStorageError } from '@changeover/engines/sqlite';
import { describe, type Row } from '@changeover/core';
import { CommitUnknownError } from '../pool/pool-errors.ts';
import { isWriting } from '../job.ts';
import type { Job, JobAnswer } from '../job.ts';
import { FencedError } from '../pooled-session.ts';
import { errorFromData } from './error-transfer.ts';
import { needsPlain, plainJob } from './plain-job.ts';
import type { StatementBound } from './statement-bound.ts';
import { unpackColumns } from './packed-rows.ts';
import { Slices } from './slices.ts';
import type { WorkerMessage, WorkerPiece, WorkerReply, WorkerRequest } from './worker-messages.ts';

/** What came back with an answer beside it. */
export interface WorkerAnswer {
  readonly answer: JobAnswer;
  readonly reply: Pick<WorkerReply, 'durationMs' | 'transactionState'>;
}

/** Told of a failed request before its promise is rejected: what is known of the connection now.
 *
 * @param fences whether what is in a line and was sent behind it is not run. */
export type OnFailure = (usable: boolean, state: TransactionState, fences: boolean) => void;

/** A request without its number. */
export type RequestBody = WorkerRequest extends infer Request
  ? Request extends unknown
    ? Omit<Request, 'call'>
    : never
  : never;

/** How far a write had come whose host is gone: `committed` with the rows that it affected. */
export type WriteOutcome = 'nothing' | 'committing' | { readonly rowsAffected: number };

/** The host did not run it. Never leaves this folder. */
export class RefusedError extends Error {
  /** Undefined where it was only sent behind one that was refused. */
  readonly bound: StatementBound | undefined;

  constructor(bound: StatementBound | undefined) {
    super('Nothing bounds the time that the statement takes.');
    this.bound = bound;
  }
}

interface Pending {
  readonly job: Job | undefined;
  readonly dataset: string;
  resolve(answer: WorkerAnswer): void;
  reject(error: unknown): void;
  readonly onFailure: OnFailure;
  /** Made of the pieces that came; undefined before the first. */
  rows: Row[] | undefined;
}

/** Requests to one host that were not answered yet. */
export class PendingCalls {
  readonly #pending = new Map<number, Pending>();
  readonly #host: string;
  readonly #slices = new Slices();
  #calls = 0;

  /** @param host what it is called in messages. */
  constructor(host: string) {
    this.#host = host;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** Sends a request. @param send throws where the request can't be cloned. */
  ask(
    dataset: string,
    request: RequestBody,
    onFailure: OnFailure,
    send: (request: WorkerRequest) => void,
  ): Promise<WorkerAnswer> {
    this.#calls = (this.#calls + 1) % 2 ** 31;
    const call = this.#calls;
    try {
      sendPlain({ ...request, call }, send);
    } catch (error) {
      return Promise.reject(sendError(error, dataset));
    }
    const job = request.kind === 'run' ? request.job : undefined;
    return new Promise((resolve, reject) => {
      this.#pending.set(call, { job, dataset, resolve, reject, onFailure, rows: undefined });
    });
  }

  /** Takes what came: some rows, or what settles a request. */
  received(message: WorkerMessage): void {
    if ('piece' in message) this.#addRows(message);
    else this.#answered(message);
  }

  #addRows({ call, columns, piece }: WorkerPiece): void {
    const pending = this.#pending.get(call);
    if (pending === undefined) return;
    const rows = (pending.rows ??= []);
    this.#slices.add(() => {
      appendRows(rows, columns, unpackColumns(piece), piece.count);
    });
  }

  #answered(reply: WorkerReply): void {
    const pending = this.#pending.get(reply.call);
    if (pending === undefined) return;
    this.#pending.delete(reply.call);
    switch (reply.outcome) {
      case 'done':
        this.#resolve(pending, reply.answer, reply);
        return;
      case 'refused':
        pending.reject(new RefusedError(reply.bound));
        return;
      case 'fenced':
        pending.reject(new FencedError());
        return;
      case 'failed':
        pending.onFailure(reply.usable, reply.transactionState, reply.fences);
        pending.reject(errorFromData(reply.error));
    }
  }

  /** Rejects all that wait: the host is gone.
   *
   * @param outcomeOf how far a write had come. */
  lost(outcomeOf: (call: number) => WriteOutcome, cause: unknown): void {
    const pending = [...this.#pending];
    this.#pending.clear();
    for (const [call, each] of pending) {
      each.onFailure(false, 'none', false);
      const outcome = each.job === undefined || !isWriting(each.job) ? 'nothing' : outcomeOf(call);
      this.#settle(each, outcome, cause);
    }
  }

  /** What asking is answered with when the host is gone. */
  lostError(dataset: string, cause?: unknown): ConnectionError {
    return new ConnectionError(
      `The ${this.#host} that held the SQLite connection ended; nothing was applied. ` +
        'The next call opens a connection in another.',
      { engine: 'sqlite', dataset, cause, retryable: true },
    );
  }

  #resolve({ rows, resolve }: Pending, answer: JobAnswer, reply: WorkerReply): void {
    if (rows === undefined || answer.rows !== 'cells') {
      resolve({ answer, reply });
      return;
    }
    const { columns } = answer;
    this.#slices.add(() => {
      resolve({ answer: { rows: 'objects', columns, objects: rows }, reply });
    });
  }

  #settle({ job, dataset, resolve, reject }: Pending, outcome: WriteOutcome, cause: unknown): void {
    if (outcome === 'nothing') {
      reject(this.lostError(dataset, cause));
    } else if (outcome === 'committing') {
      reject(new CommitUnknownError({ engine: 'sqlite', dataset, cause }));
    } else {
      // It was applied; only the news was lost, and what there was to tell is in the mark.
      const isExecute = job?.kind === 'operation' && job.operation === 'execute';
      resolve({
        answer: { rows: 'none', value: isExecute ? outcome.rowsAffected : undefined },
        reply: { durationMs: 0, transactionState: 'none' },
      });
    }
  }
}

function sendPlain(request: WorkerRequest, send: (request: WorkerRequest) => void): void {
  const plain = (): WorkerRequest =>
    request.kind === 'run' ? { ...request, job: plainJob(request.job) } : request;
  if (request.kind !== 'run' || !needsPlain(request.job)) {
    try {
      send(request);
      return;
    } catch (error) {
      if (!isCloneError(error)) throw error;
    }
  }
  send(plain());
}

function isCloneError(error: unknown): boolean {
  // The one of a process's channel is an error like any other.
  const { name, message } = error as Partial<Error>;
  return name === 'DataCloneError' || /could not be cloned/.test(String(message));
}

/** What a caller is told whose arguments could not be sent: the same as where they are read without being sent. */
function sendError(error: unknown, dataset: string): Error {
  if (!isCloneError(error)) return toStorageError('sqlite', error, { dataset });
  return new InvalidArgumentError(
    `An argument holds something that is no value: ${describe((error as Error).message)}.`,
    { engine: 'sqlite', dataset, cause: error },
  );
}
