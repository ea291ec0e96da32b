import type { Job } from '../job.ts';
import type { StatementBound } from './statement-bound.ts';
import { costKey } from './statement-costs.ts';

/** Where a job is run: `guarded` in a worker thread as far as the plans of its statements bound them; `thread` there
 * whatever their plans say; `child` in a process of its own, which can be ended. */
export type Route = 'guarded' | 'thread' | 'child';

/** What nothing bounds runs in a thread from when it has been measured to take no longer. */
const shortMs = 25;
/** Weights of the newest measurement; see `StatementCosts`. */
const [dearer, cheaper] = [0.5, 0.3];
/** Statements remembered for one dataset. */
const maxStatements = 500;

interface Seen {
  /** What a plan said when it was refused; undefined where none was. */
  bound: StatementBound | undefined;
  /** The mean of what it took; undefined where it never came to its end. */
  meanMs: number | undefined;
}

/** What is known of one dataset's statements, so that what may never end is not begun where it can't be ended. */
export class StatementRoutes {
  readonly #seen = new Map<string, Seen>();

  /** Where to run a job that belongs to no transaction. */
  routeOf(job: Job): Route {
    const key = routeKey(job);
    if (key === undefined) return job.kind === 'begin' ? 'child' : 'thread';
    const seen = this.#seen.get(key);
    if (seen?.bound === undefined) return 'guarded';
    if (seen.bound.recursive) return 'child';
    return seen.meanMs !== undefined && seen.meanMs <= shortMs ? 'thread' : 'child';
  }

  /** Whether a recursion is in it, whose cost says nothing of what it takes the next time. */
  isRecursive(job: Job): boolean {
    const key = routeKey(job);
    return key !== undefined && this.#seen.get(key)?.bound?.recursive === true;
  }

  /** What a job is expected to take, in ms: what it took on the average, twice the time after which it was ended, or
   * Infinity where no plan bounds it and it was never run. Undefined where nothing is known. */
  estimatedCostMs(job: Job): number | undefined {
    const key = routeKey(job);
    const seen = key === undefined ? undefined : this.#seen.get(key);
    if (seen === undefined) return undefined;
    return seen.meanMs ?? (seen.bound === undefined ? undefined : Infinity);
  }

  /** It was refused by its plan. */
  refused(job: Job, bound: StatementBound): void {
    this.#note(job, (seen) => {
      seen.bound = bound;
    });
  }

  /** It took so long. */
  took(job: Job, durationMs: number): void {
    this.#note(job, (seen) => {
      const meanMs = seen.meanMs ?? durationMs;
      seen.meanMs = meanMs + (durationMs > meanMs ? dearer : cheaper) * (durationMs - meanMs);
    });
  }

  /** It was ended after so long, so that it takes longer than that. */
  ended(job: Job, afterMs: number): void {
    this.#note(job, (seen) => {
      seen.meanMs = Math.max(seen.meanMs ?? 0, 2 * afterMs, shortMs + 1);
    });
  }

  /** The schema changed: a view or an index may mean something else now. */
  clear(): void {
    this.#seen.clear();
  }

  #note(job: Job, change: (seen: Seen) => void): void {
    const key = routeKey(job);
    if (key === undefined) return;
    let seen = this.#seen.get(key);
    if (seen === undefined) {
      if (this.#seen.size >= maxStatements) {
        const [oldest] = this.#seen.keys();
        if (oldest !== undefined) this.#seen.delete(oldest);
      }
      seen = { bound: undefined, meanMs: undefined };
      this.#seen.set(key, seen);
    }
    change(seen);
  }
}

function routeKey(job: Job): string | undefined {
  switch (job.kind) {
    case 'operation':
      return job.operation === 'query' || job.operation === 'execute'
        ? textOf(job.args[0])
        : costKey(job.operation, job.args);
    case 'rehearse':
      return `rehearse\0${textOf(job.args[0])}`;
    default:
      return undefined;
  }
}

/** What is no text is refused where it is run; making one of it may throw. */
function textOf(sql: unknown): string {
  return typeof sql === 'string' ? sql : '';
}
