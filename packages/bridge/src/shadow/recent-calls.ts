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
/** And of so many differences that could not be explained: they are no mismatches, so none of those is forgotten for them. */
const maxUnexplained = 50;
/** A call that takes more is not kept, in bytes or so: all of them take 9.6 MB at most. */
const maxCallSize = 64 * 1024;
const valueSize = 8;

/** The calls of the last mismatches, and of what could not be explained, in memory alone, so that they can be made again where no store may
 * hold their values. */
export class RecentCalls {
  readonly #calls = new Map<string, RepeatableCall>();
  readonly #unexplained = new Map<string, RepeatableCall>();

  /** Forgets the oldest where it is one too many, and an earlier one of the same id in either case. */
  keep(id: string, call: RepeatableCall, isMismatch = true): void {
    const calls = isMismatch ? this.#calls : this.#unexplained;
    calls.delete(id);
    if (sizeOf(call.args) > maxCallSize) return;
    calls.set(id, call);
    const [oldest] = calls.keys();
    if (calls.size > (isMismatch ? maxRecentCalls : maxUnexplained) && oldest !== undefined)
      calls.delete(oldest);
  }

  get(id: string): RepeatableCall | undefined {
    return this.#calls.get(id) ?? this.#unexplained.get(id);
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
