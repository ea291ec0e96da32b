import { pointReadOf, PointReadTexts } from '@changeover/engines';
import type { OperationJob } from '../job.ts';

/** Weights of the newest measurement. What the first run reads and compiles, or what another process on the same core takes, is
 * forgotten sooner than a statement that has become dear is believed cheap for one quick run. */
const [dearer, cheaper] = [0.3, 0.6];
/** A measurement this many times the mean, after at least this many that were not, says that the thread lost its core: on two busy
 * cores a read of 10 µs is measured as 3 to 10 ms now and then, and took the way over a worker for a dozen calls each time. */
const outlier = { times: 8, calmCalls: 16 } as const;
/** What a cell of a result adds to the time that a read may take on the main thread. Reading one there takes 60 to 100 ns and
 * receiving it from a worker 57 ns of the same thread, so that for reads that are mostly rows a worker saves nothing, and
 * the caller waits twice as long (measured with 5,000 rows of 6 columns). */
const perCellMs = 0.000_12;
/** No read may hold up the main thread for longer, whatever it yields. */
const longestMs = 8;
/** Statements remembered for one dataset. The one not used for longest is forgotten. */
const maxStatements = 500;

/**
 * What reads of one dataset have cost, by what was asked, so that cheap ones can run on the main thread and dear ones
 * elsewhere. An exponentially weighted mean: a statement whose cost depends on its parameters, or whose table grows,
 * changes sides after a few calls.
 */
export class StatementCosts {
  readonly #means = new Map<string, Cost>();
  readonly #pointReads = new PointReadTexts();

  /** What a read's cost is kept by: its {@link costKey}, the same text each time where it reads a row by its key. */
  keyOf({ operation, args }: OperationJob): string {
    const [table, options] = args;
    if (operation !== 'readTable' || typeof table !== 'string') return costKey(operation, args);
    const point = pointReadOf(options);
    if (point === undefined) return costKey(operation, args);
    const known = this.#pointReads.get(table, point);
    if (known !== undefined) return known;
    const key = costKey(operation, args);
    this.#pointReads.set(table, point, key);
    return key;
  }

  /** The mean so far in ms; undefined for what was never measured. */
  meanMs(statement: string): number | undefined {
    return this.#means.get(statement)?.ms;
  }

  /** Whether it is best done on the main thread.
   *
   * @param thresholdMs what the main thread may spend on it besides its rows. */
  isInline(statement: string, thresholdMs: number): boolean {
    const mean = this.#means.get(statement);
    if (mean === undefined) return false;
    return (
      mean.ms <= thresholdMs ||
      (mean.ms <= longestMs && mean.ms <= thresholdMs + mean.cells * perCellMs)
    );
  }

  /** The schema changed: a view or an index may mean something else now. */
  clear(): void {
    this.#means.clear();
  }

  /** @param cells values in the result. */
  note(statement: string, durationMs: number, cells = 0): void {
    const mean = this.#means.get(statement);
    if (mean !== undefined) {
      const isOutlier = durationMs > outlier.times * mean.ms;
      const isForgiven = isOutlier && mean.calmCalls >= outlier.calmCalls;
      mean.calmCalls = isOutlier ? 0 : mean.calmCalls + 1;
      if (isForgiven) return;
      mean.ms += (durationMs > mean.ms ? dearer : cheaper) * (durationMs - mean.ms);
      mean.cells += dearer * (cells - mean.cells);
      return;
    }
    if (this.#means.size >= maxStatements) {
      const [oldest] = this.#means.keys();
      if (oldest !== undefined) this.#means.delete(oldest);
    }
    this.#means.set(statement, { ms: durationMs, cells, calmCalls: 0 });
  }
}

interface Cost {
  ms: number;
  cells: number;
  /** Measurements since one that was far above the mean. */
  calmCalls: number;
}

/** How many values an operation's result has, where it has rows. */
export function cellsOf(result: unknown): number {
  const rows: unknown = Array.isArray(result)
    ? result
    : (result as { rows?: unknown } | null | undefined)?.rows;
  if (!Array.isArray(rows) || rows.length === 0) return 0;
  const [first] = rows as readonly unknown[];
  return typeof first === 'object' && first !== null ? rows.length * Object.keys(first).length : 0;
}

/** What tells one read from another by cost: the operation, its table or SQL, and what shapes the result; not the values. */
export function costKey(operation: string, args: readonly unknown[]): string {
  if (operation === 'query') return args[0] as string;
  try {
    return keyOf(operation, args);
  } catch {
    // A proxy, or a getter: who runs the operation says what is wrong with it.
    return operation;
  }
}

function keyOf(operation: string, args: readonly unknown[]): string {
  const [table, options] = args as [
    unknown,
    { limit?: unknown; where?: unknown; orderBy?: unknown } | undefined,
  ];
  if (options === undefined)
    return typeof table === 'string' ? `${operation}\0${table}` : operation;
  const { limit, where, orderBy } = options;
  const condition =
    typeof where === 'object' && where !== null ? Object.keys(where).join('\0') : String(where);
  const order =
    orderBy === undefined || typeof orderBy === 'string' ? orderBy : JSON.stringify(orderBy);
  return `${operation}\0${String(table)}\0${String(limit)}\0${condition}\0${order ?? ''}`;
}
