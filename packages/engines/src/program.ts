import type { InputRows, InputValue } from './api/input-values.ts';
import type { Row, Value } from '@changeover/core';

/**
 * How rows are wanted: `objects` for callers, `cells` (a list of values a row, in the order of the columns) for what is
 * digested or sent between threads, where objects would only cost.
 */
export type RowForm = 'objects' | 'cells';

/** A statement with what is bound to it. */
interface SqlStep {
  readonly sql: string;
  readonly params?: readonly InputValue[] | undefined;
  /** Default: `objects`. */
  readonly form?: RowForm | undefined;
}

/** A statement of the project's own, or one that was checked before. */
export interface StatementStep extends SqlStep {
  /** `all` for its rows, `run` for the number of rows affected. */
  readonly kind: 'all' | 'run';
}

/** A caller's statement, which the session checks by the engine's own knowledge before anything runs. */
export interface CallerStatementStep extends SqlStep {
  /** `query` must only read, or it is refused with a `ReadOnlyError`; `execute` may write, but may not change the state of
   * the connection (transactions, attached databases, settings), or it is refused with an `InvalidArgumentError`. */
  readonly kind: 'query' | 'execute';
  /** The connection is its caller's alone and nobody's afterwards: `query` takes rows of a write (RETURNING), `execute` takes
   * settings. Default: false. */
  readonly inSession?: boolean | undefined;
}

/** Begins, ends or marks a transaction. The session keeps its {@link TransactionState} by these. */
export interface TransactionStep {
  readonly kind: 'begin' | 'commit' | 'rollback' | 'savepoint' | 'release' | 'rollbackToSavepoint';
  /** Only for `begin`: refuses writes for the whole transaction. Default: false. */
  readonly readOnly?: boolean | undefined;
  /** Of `begin`, on PostgreSQL: all of it sees one state, that of its first statement. */
  readonly snapshot?: boolean | undefined;
  /** Only for `begin`: the transaction writes to temporary tables alone and takes no lock on the dataset. Default: false. */
  readonly temporaryOnly?: boolean | undefined;
}

/** Inserts many rows in each session's fastest correct way. Must be inside a transaction: it is several statements. */
export interface InsertStep {
  readonly kind: 'insert';
  /** The table's name as the engine has it, not quoted. */
  readonly table: string;
  /** True for a temporary table of this connection. Default: false. */
  readonly temporary?: boolean | undefined;
  readonly columns: readonly InsertColumn[];
  readonly rows: InputRows;
}

/** A column to insert into. */
export interface InsertColumn {
  /** The column's name as the engine has it. */
  readonly name: string;
  /** The key that holds its values in the input; undefined where the input has none (NULL is stored). */
  readonly key: string | undefined;
  /** The engine's name of the column's type. */
  readonly type: string;
}

/** One thing that a program asks of its session. */
export type Step = StatementStep | CallerStatementStep | TransactionStep | InsertStep;

/** Takes rows of a long answer, in the form `cells`, while those after them are still being read. */
export type OnPart = (columns: string[], cells: Value[][]) => void;

/** What the session answers to a step. Lists that don't apply are empty, numbers 0. */
export interface StepResult {
  /** Names of the columns; where a statement yields one name twice, the later ones are `name:1`, `name:2`, …. */
  readonly columns: string[];
  /** The rows of a step in the form `objects`. */
  readonly rows: Row[];
  /** The rows of a step in the form `cells`. */
  readonly cells: Value[][];
  readonly rowsAffected: number;
}

/**
 * An operation of several statements, written once: it yields a step, receives the result (or the driver's error, thrown
 * at the `yield`), and returns the operation's result. The same program runs synchronously in a SQLite session and
 * asynchronously in the others.
 */
export type Program<T> = Generator<Step, T, StepResult>;

/** The answer to a step that yields nothing. */
export const emptyStepResult: StepResult = Object.freeze({
  columns: [],
  rows: [],
  cells: [],
  rowsAffected: 0,
});

/** A program in the place of another: each of its steps is performed by a program of its own, which may yield other steps before
 * and after it, or in its stead. What that throws is thrown where the step was yielded. */
export function* withEachStep<T>(
  program: Program<T>,
  perform: (step: Step) => Program<StepResult>,
): Program<T> {
  let next = program.next();
  while (next.done !== true) {
    let result: StepResult;
    try {
      result = yield* perform(next.value);
    } catch (error) {
      next = program.throw(error);
      continue;
    }
    next = program.next(result);
  }
  return next.value;
}

/** Runs a program whose steps are performed at once. */
export function runProgram<T>(program: Program<T>, perform: (step: Step) => StepResult): T {
  let next = program.next();
  while (next.done !== true) {
    let result: StepResult;
    try {
      result = perform(next.value);
    } catch (error) {
      next = program.throw(error);
      continue;
    }
    next = program.next(result);
  }
  return next.value;
}

/** Runs a program whose steps take time. */
export async function runProgramAsync<T>(
  program: Program<T>,
  perform: (step: Step) => Promise<StepResult>,
): Promise<T> {
  let next = program.next();
  while (next.done !== true) {
    let result: StepResult;
    try {
      result = await perform(next.value);
    } catch (error) {
      next = program.throw(error);
      continue;
    }
    next = program.next(result);
  }
  return next.value;
}
