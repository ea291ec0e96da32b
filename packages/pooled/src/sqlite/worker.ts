import { statSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { ConnectionError } from '@changeover/engines/api';
import { openSqliteSession } from '@changeover/engines/sqlite';
import type { Program, SqliteSession, Step, StepResult } from '@changeover/engines';
import { isWriting, jobProgram } from '../job.ts';
import type { Job, JobAnswer } from '../job.ts';
import { errorData } from './error-transfer.ts';
import { writeMark, writePhase } from './worker-messages.ts';
import type { WorkerReply, WorkerRequest } from './worker-messages.ts';

interface Hosted {
  readonly session: SqliteSession;
  readonly dataset: string;
  readonly file: string;
  readonly identity: string | undefined;
  checkedAtMs: number;
}

/** How often it is checked for reads that the open file is still the one at its path. */
const recheckMs = 1_000;

const nothing: JobAnswer = { rows: 'none', value: undefined };

/** Runs in a worker thread: hosts connections and does what it is asked, one request after the other. */
function serve(port: NonNullable<typeof parentPort>, mark: Int32Array): void {
  const hosted = new Map<number, Hosted>();
  port.on('message', (request: WorkerRequest) => {
    const startedMs = performance.now();
    const reply = perform(hosted, request, mark);
    port.postMessage({ ...reply, call: request.call, durationMs: performance.now() - startedMs });
  });
}

type Outcome =
  | Pick<Extract<WorkerReply, { ok: true }>, 'ok' | 'answer' | 'transactionState'>
  | Pick<Extract<WorkerReply, { ok: false }>, 'ok' | 'error' | 'usable' | 'transactionState'>;

function perform(hosted: Map<number, Hosted>, request: WorkerRequest, mark: Int32Array): Outcome {
  try {
    const answer = answerTo(hosted, request, mark);
    return {
      ok: true,
      answer,
      transactionState: hosted.get(request.connection)?.session.transactionState ?? 'none',
    };
  } catch (error) {
    const session = hosted.get(request.connection)?.session;
    return {
      ok: false,
      error: errorData(error),
      usable: session?.usable ?? false,
      transactionState: session?.transactionState ?? 'none',
    };
  }
}

function answerTo(
  hosted: Map<number, Hosted>,
  request: WorkerRequest,
  mark: Int32Array,
): JobAnswer {
  const { connection } = request;
  if (request.kind === 'open') {
    const {
      options: { file },
      dataset,
    } = request;
    const identity = fileIdentity(file);
    hosted.set(connection, {
      session: openSqliteSession(request.options),
      dataset,
      file,
      identity,
      checkedAtMs: performance.now(),
    });
    return nothing;
  }
  const host = hosted.get(connection);
  if (host === undefined) throw new Error(`No connection ${connection} is open in this thread.`);
  if (request.kind === 'close') {
    hosted.delete(connection);
    host.session.close();
    return nothing;
  }
  requireIdle(host, request.job);
  requireSameFile(host, request.job);
  const program = jobProgram(
    { engine: 'sqlite', dataset: host.dataset, form: 'cells' },
    request.job,
  );
  return host.session.run(
    isWriting(request.job) ? marked(program, request.call, request.job, mark) : program,
  );
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
    {
      engine: 'sqlite',
      dataset: host.dataset,
      retryable: true,
    },
  );
}

function fileIdentity(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false, bigint: true });
  return found === undefined ? undefined : `${found.dev}:${found.ino}`;
}

/** Notes how far a write has come, so that it is known even if this thread doesn't live to tell. */
function* marked(
  program: Program<JobAnswer>,
  call: number,
  job: Job,
  mark: Int32Array,
): Program<JobAnswer> {
  Atomics.store(mark, writeMark.phase, writePhase.none);
  Atomics.store(mark, writeMark.call, call);
  const commitsByItself = job.kind === 'operation' && job.inTransaction !== true;
  let next = program.next();
  while (next.done !== true) {
    const step: Step = next.value;
    const commits = step.kind === 'commit' || (commitsByItself && step.kind === 'execute');
    if (commits) Atomics.store(mark, writeMark.phase, writePhase.committing);
    let result: StepResult;
    try {
      result = yield step;
    } catch (error) {
      if (commits) Atomics.store(mark, writeMark.phase, writePhase.none);
      next = program.throw(error);
      continue;
    }
    if (commits) {
      Atomics.store(mark, writeMark.rowsAffected, result.rowsAffected);
      Atomics.store(mark, writeMark.phase, writePhase.committed);
    }
    next = program.next(result);
  }
  return next.value;
}

if (parentPort !== null) serve(parentPort, (workerData as { readonly mark: Int32Array }).mark);
