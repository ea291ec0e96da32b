/** A call in what it takes to make it again. Holds values of the data, and stays in the process. */
export interface RepeatableCall {
  readonly operation: string;
  /** '' for a call about no key. */
  readonly key: string;
  readonly shape: string;
  readonly args: readonly unknown[];
}

/** The latest call of each of so many mismatches. */
export const maxRecentCalls = 100;
/** A call that takes more is not kept, in bytes or so: all of them take 6.4 MB at most. */
const maxCallSize = 64 * 1024;
const valueSize = 8;

/** The calls of the last mismatches, in memory alone, so that they can be made again where no store may hold their values. */
export class RecentCalls {
  readonly #calls = new Map<string, RepeatableCall>();

  /** Forgets the oldest where it is one too many, and an earlier one of the same id in either case. */
  keep(id: string, call: RepeatableCall): void {
    this.#calls.delete(id);
    if (sizeOf(call.args) > maxCallSize) return;
    this.#calls.set(id, call);
    const [oldest] = this.#calls.keys();
    if (this.#calls.size > maxRecentCalls && oldest !== undefined) this.#calls.delete(oldest);
  }

  get(id: string): RepeatableCall | undefined {
    return this.#calls.get(id);
  }

  /** The latest first. */
  ids(): readonly string[] {
    return [...this.#calls.keys()].reverse();
  }
}

/** Objects of classes are behaviour more than data, a connection or a request: they are no copies and are not looked into. */
function isData(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return true;
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** About what values take in memory; more than {@link maxCallSize} as soon as that is known. */
function sizeOf(args: readonly unknown[]): number {
  let size = 0;
  const waiting: unknown[] = [...args];
  while (waiting.length > 0 && size <= maxCallSize) {
    const value = waiting.pop();
    size += valueSize;
    if (typeof value === 'string') size += 2 * value.length;
    else if (ArrayBuffer.isView(value)) size += value.byteLength;
    else if (isData(value)) {
      const inside: unknown[] = Array.isArray(value) ? value : Object.values(value);
      // A longer one is not looked into.
      if (inside.length * valueSize > maxCallSize) size += inside.length * valueSize;
      else waiting.push(...inside);
    }
  }
  return size;
}
