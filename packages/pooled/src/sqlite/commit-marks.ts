import { writeSync } from 'node:fs';
import type { Program, Step, StepResult } from '@changeover/engines';
import { leadingWords, withEachStep } from '@changeover/engines/sqlite';
import type { Job, JobAnswer } from '../job.ts';
import { markOf, writeMark, writePhase } from './worker-messages.ts';

/** Notes how far a write has come, so that it is known even if the one who runs it doesn't live to tell. */
export interface CommitMarks {
  readonly begin: (call: number) => void;
  readonly committing: (call: number) => void;
  readonly committed: (rowsAffected: number) => void;
  readonly failed: () => void;
  /** Whether a statement that commits by itself gets a transaction around it, so that it is known to the end that nothing
   * of it was applied. */
  readonly explicit: boolean;
}

/** Marks in memory that is shared with the main thread. */
export function sharedMarks(mark: Int32Array): CommitMarks {
  let at = 0;
  return {
    explicit: false,
    begin(call) {
      at = markOf(call);
      Atomics.store(mark, at + writeMark.phase, writePhase.none);
      Atomics.store(mark, at + writeMark.call, call);
    },
    committing() {
      Atomics.store(mark, at + writeMark.phase, writePhase.committing);
    },
    committed(rowsAffected) {
      Atomics.store(mark, at + writeMark.rowsAffected, rowsAffected);
      Atomics.store(mark, at + writeMark.phase, writePhase.committed);
    },
    failed() {
      Atomics.store(mark, at + writeMark.phase, writePhase.none);
    },
  };
}

/** Marks in a pipe, which holds what was written to it however the writer ends. */
export function pipedMarks(fd: number): CommitMarks {
  const bytes = Buffer.alloc(4);
  const nothing = (): void => undefined;
  return {
    explicit: true,
    begin: nothing,
    committing(call) {
      bytes.writeUInt32LE(call);
      writeSync(fd, bytes);
    },
    committed: nothing,
    failed: nothing,
  };
}

/** What can't be in a transaction. */
function standsAlone(sql: string): boolean {
  const [word] = leadingWords(sql, 1, 'sqlite');
  return word === 'VACUUM' || word === 'PRAGMA';
}

/** The program of a write, with marks. */
export function* marked(
  program: Program<JobAnswer>,
  call: number,
  job: Job,
  marks: CommitMarks,
): Program<JobAnswer> {
  marks.begin(call);
  const commitsByItself = job.kind === 'operation' && job.inTransaction !== true;
  return yield* withEachStep(program, function* (step) {
    if (step.kind === 'commit') return yield* committed(step, call, marks);
    if (!commitsByItself || step.kind !== 'execute') return yield step;
    if (!marks.explicit || standsAlone(step.sql)) return yield* committed(step, call, marks);
    return yield* inOwnTransaction(step, call, marks);
  });
}

function* committed(step: Step, call: number, marks: CommitMarks): Program<StepResult> {
  marks.committing(call);
  try {
    const result = yield step;
    marks.committed(result.rowsAffected);
    return result;
  } catch (error) {
    marks.failed();
    throw error;
  }
}

function* inOwnTransaction(step: Step, call: number, marks: CommitMarks): Program<StepResult> {
  yield { kind: 'begin' };
  try {
    const result = yield step;
    yield* committed({ kind: 'commit' }, call, marks);
    return result;
  } catch (error) {
    yield { kind: 'rollback' };
    throw error;
  }
}
