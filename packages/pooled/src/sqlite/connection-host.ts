import { statSync } from 'node:fs';
import { ConnectionError } from '@changeover/engines/api';
import { openSqliteSession } from '@changeover/engines/sqlite';
import type { OnPart, SqliteSession } from '@changeover/engines';
import { isInLine, isWriting, jobProgram } from '../job.ts';
import type { Job, JobAnswer } from '../job.ts';
import { marked } from './commit-marks.ts';
import type { CommitMarks } from './commit-marks.ts';
import { errorData } from './error-transfer.ts';
import { mayBeTriedAgain } from './fences.ts';
import { packRows } from './packed-rows.ts';
import { PlanGuard } from './plan-guard.ts';
import type { WorkerPiece, WorkerReply, WorkerRequest } from './worker-messages.ts';

interface Hosted {
  readonly session: SqliteSession;
  readonly guard: PlanGuard;
  readonly dataset: string;
  readonly file: string;
  readonly identity: string | undefined;
  checkedAtMs: number;
  refusals: number;
  fences: number;
  /** The write of a line that was found to be quick last, by its text. */
  quick: string | undefined;
}

type RunRequest = Extract<WorkerRequest, { kind: 'run' }>;

/** How often it is checked for reads that the open file is still the one at its path. */
const recheckMs = 1_000;

/** What a write may take behind which the answers of those before it wait. */
const quickMs = 0.25;

const nothing: JobAnswer = { rows: 'none', value: undefined };

/** Hosts SQLite connections in a worker thread or a child process and does what it is asked, one request after the other. */
export class ConnectionHost {
  readonly #hosted = new Map<number, Hosted>();
  readonly #marks: CommitMarks;

  constructor(marks: CommitMarks) {
    this.#marks = marks;
  }

  /** Does what is asked. Never throws.
   *
   * @param send takes rows of a long answer before the reply. */
  perform(request: WorkerRequest, send: (piece: WorkerPiece) => void): WorkerReply {
    const { call, connection } = request;
    const startedMs = performance.now();
    let outcome: Outcome;
    try {
      outcome = this.#outcome(request, send);
    } catch (error) {
      outcome = failed(this.#hosted.get(connection), request, error);
    }
    const durationMs = performance.now() - startedMs;
    this.#noteQuick(request, durationMs);
    return {
      ...outcome,
      call,
      durationMs,
      transactionState: this.#hosted.get(connection)?.session.transactionState ?? 'none',
    };
  }

  /** Whether the answer to a request may wait for that to the next: both are writes of lines on one connection, and the next is like
   * one that took no time to speak of. */
  isQuick(request: WorkerRequest, next: WorkerRequest): boolean {
    return (
      request.connection === next.connection &&
      lineText(request) !== undefined &&
      lineText(next) === this.#hosted.get(next.connection)?.quick
    );
  }

  #noteQuick(request: WorkerRequest, durationMs: number): void {
    const text = lineText(request);
    const host = this.#hosted.get(request.connection);
    if (host !== undefined && text !== undefined)
      host.quick = durationMs <= quickMs ? text : undefined;
  }

  #outcome(request: WorkerRequest, send: (piece: WorkerPiece) => void): Outcome {
    const { connection } = request;
    if (request.kind === 'open') {
      this.#hosted.set(connection, hostedBy(request));
      return { outcome: 'done', answer: nothing };
    }
    const host = this.#hosted.get(connection);
    if (host === undefined) throw new Error(`No connection ${connection} is open in this thread.`);
    if (request.kind === 'close') {
      this.#hosted.delete(connection);
      host.session.close();
      return { outcome: 'done', answer: nothing };
    }
    return this.#run(host, request, send);
  }

  #run(host: Hosted, request: RunRequest, send: (piece: WorkerPiece) => void): Outcome {
    const { job, call, guarded } = request;
    if (request.refusals !== host.refusals) return { outcome: 'refused', bound: undefined };
    if (request.fences !== host.fences && isInLine(job)) return { outcome: 'fenced' };
    requireIdle(host, job);
    requireSameFile(host, job);
    const { session, dataset, guard } = host;
    const onPart: OnPart = (columns, cells) => {
      send({ call, columns, piece: packRows(cells, 0, cells.length) });
    };
    const program = jobProgram({ engine: 'sqlite', dataset, form: 'cells', onPart }, job);
    const checked = guarded ? guard.guarded(program) : program;
    let outcome: Outcome | undefined;
    let error: unknown;
    try {
      const answer = session.run(
        isWriting(job) ? marked(checked, call, job, this.#marks) : checked,
      );
      outcome = { outcome: 'done', answer };
    } catch (thrown) {
      error = thrown;
    }
    const bound = guard.takeRefusal();
    if (bound === undefined) return outcome ?? failed(host, request, error);
    host.refusals += 1;
    return { outcome: 'refused', bound };
  }
}

type Outcome = WorkerReply extends infer Reply
  ? Reply extends WorkerReply
    ? Omit<Reply, 'call' | 'durationMs' | 'transactionState'>
    : never
  : never;

/** The statement of a write that is in a line; undefined for all else. */
function lineText(request: WorkerRequest): string | undefined {
  if (request.kind !== 'run' || !isInLine(request.job)) return undefined;
  const { job } = request;
  if (job.kind !== 'operation' || job.operation !== 'execute') return undefined;
  const [sql] = job.args;
  return typeof sql === 'string' ? sql : undefined;
}

/** What failed and may be tried again lets nothing of a line past it. */
function failed(host: Hosted | undefined, request: WorkerRequest, error: unknown): Outcome {
  const fences = request.kind === 'run' && isInLine(request.job) && mayBeTriedAgain(error);
  if (host !== undefined && fences) host.fences += 1;
  return {
    outcome: 'failed',
    error: errorData(error),
    usable: host?.session.usable ?? false,
    fences,
  };
}

function hostedBy({ options, dataset }: Extract<WorkerRequest, { kind: 'open' }>): Hosted {
  const { file } = options;
  const identity = fileIdentity(file);
  return {
    session: openSqliteSession(options),
    guard: new PlanGuard(),
    dataset,
    file,
    identity,
    checkedAtMs: performance.now(),
    refusals: 0,
    fences: 0,
    quick: undefined,
  };
}

/** What was sent behind an operation that failed so badly that its transaction is still there must not become part of it. */
function requireIdle({ session, dataset }: Hosted, job: Job): void {
  if (
    job.kind !== 'operation' ||
    job.inTransaction === true ||
    (session.usable && session.transactionState === 'none')
  )
    return;
  throw new ConnectionError(
    'The write before this one left the connection in the middle of a transaction. Nothing was applied; the ' +
      'next attempt opens another.',
    { engine: 'sqlite', dataset, retryable: true },
  );
}

/** A dataset that another process dropped and made again is another file at the same path. A write to the old one would be
 * acknowledged and lost, so each asks first, for some µs in this thread; reads ask once in a while. */
function requireSameFile(host: Hosted, job: Job): void {
  const begins =
    job.kind === 'operation'
      ? job.inTransaction !== true
      : job.kind === 'begin' || job.kind === 'rehearse';
  if (!begins || host.session.transactionState !== 'none') return;
  const nowMs = performance.now();
  if (!isWriting(job) && nowMs - host.checkedAtMs < recheckMs) return;
  host.checkedAtMs = nowMs;
  if (fileIdentity(host.file) === host.identity) return;
  host.session.close();
  throw new ConnectionError(
    "The dataset's file is not the one that was opened: another process dropped it, and may have made it " +
      'again. Nothing was applied; the next attempt opens what is there now.',
    { engine: 'sqlite', dataset: host.dataset, retryable: true },
  );
}

function fileIdentity(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false, bigint: true });
  return found === undefined ? undefined : `${found.dev}:${found.ino}`;
}
