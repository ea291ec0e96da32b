import type { Program, Step, StepResult } from '@changeover/engines';
import { leadingWords, withEachStep } from '@changeover/engines/sqlite';
import { boundOf, estimatedMs } from './statement-bound.ts';
import type { Instruction, StatementBound } from './statement-bound.ts';

/** What a statement may take at worst, by its plan and the size of the file, to be run where it can't be ended. Others wait
 * for that thread meanwhile. */
const boundMs = 100;
/** Bounds remembered for one connection. */
const maxStatements = 500;

const ofPragma: StatementBound = { depth: 1, recursive: false, rows: undefined };

/** Looks at each statement's plan before it runs on one connection, and refuses what no plan bounds. */
export class PlanGuard {
  readonly #bounds = new Map<string, StatementBound>();
  #schemaVersion: unknown;
  #refused: StatementBound | undefined;

  /** What the program that ran last was refused for; undefined where it wasn't. Asked once. */
  takeRefusal(): StatementBound | undefined {
    const refused = this.#refused;
    this.#refused = undefined;
    return refused;
  }

  /** The program up to the first statement that is not bounded, at which it fails. Whatever it makes of that failure, nothing
   * but its rollback runs after it, so that it can be run again elsewhere. */
  guarded<Value>(program: Program<Value>): Program<Value> {
    return withEachStep(program, (step) => this.#checked(step));
  }

  *#checked(step: Step): Program<StepResult> {
    yield* this.#check(step);
    return yield step;
  }

  *#check(step: Step): Program<void> {
    if (step.kind === 'rollback' || step.kind === 'rollbackToSavepoint') return;
    if (this.#refused === undefined && 'sql' in step) {
      const bound = yield* this.#bound(step);
      if (bound !== undefined && bound.depth > 0) {
        const { cells } = yield { kind: 'all', sql: 'PRAGMA page_count', form: 'cells' };
        if (estimatedMs(bound, Number(cells[0]?.[0])) > boundMs) this.#refused = bound;
      }
    }
    if (this.#refused !== undefined)
      throw new Error('The statement was not run: nothing bounds the time that it takes.');
  }

  /** @returns undefined for what the engine refuses, which it says best itself. */
  *#bound(step: Extract<Step, { sql: string }>): Program<StatementBound | undefined> {
    // As a row: for cells the session describes the columns each time, which takes longer than the rest of this.
    const { rows } = yield { kind: 'all', sql: 'PRAGMA schema_version' };
    const schemaVersion = rows[0]?.['schema_version'];
    if (schemaVersion !== this.#schemaVersion) this.#bounds.clear();
    this.#schemaVersion = schemaVersion;
    const known = this.#bounds.get(step.sql);
    if (known !== undefined) return known;
    // To explain a pragma is to run it.
    if (leadingWords(step.sql, 1, 'sqlite')[0] === 'PRAGMA') return ofPragma;
    let plan: StepResult;
    try {
      const { sql, params } = step;
      plan = yield { kind: 'all', sql: `EXPLAIN ${sql}`, params, form: 'cells' };
    } catch (error) {
      if (isLocked(error)) throw error;
      return undefined;
    }
    const bound = boundOf(plan.cells as unknown as Instruction[]);
    if (this.#bounds.size >= maxStatements) this.#bounds.clear();
    this.#bounds.set(step.sql, bound);
    return bound;
  }
}

function isLocked(error: unknown): boolean {
  return /^SQLITE_(?:BUSY|LOCKED)/.test(String((error as { code?: unknown } | null)?.code));
}
