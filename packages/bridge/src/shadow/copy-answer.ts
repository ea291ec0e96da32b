/**
 * Copies a call's arguments, so that the shadow leg works on what the caller passed: the caller may change its objects
 * as soon as it has its answer, and the shadow leg must not be able to change them at all.
 *
 * Lists, plain objects, dates and bytes are copied in depth; functions and objects of other classes (which are behaviour
 * more than data) are passed as they are.
 */
export function snapshotArguments(args: readonly unknown[]): readonly unknown[] {
  const copier = new Copier();
  return args.map((argument) => copier.copy(argument, 0));
}

/** The same; undefined where an argument defends itself (a getter that throws, a proxy): that costs the comparison, not the call. */
export function tryToCopy(args: readonly unknown[]): readonly unknown[] | undefined {
  return copiesBy(new Copier(), args);
}

/**
 * Copies the arguments of a read for the other leg, which makes the call a second time.
 *
 * @param functions `pure` where functions among them may run a second time too.
 * @returns undefined where the call can't be made twice: a function of the caller's would run again, a stream or an iterator
 *   would be used up, or an argument defends itself.
 */
export function copyForOtherLeg(
  args: readonly unknown[],
  functions: 'pure' | undefined,
): readonly unknown[] | undefined {
  const copier = new Copier();
  const copies = copiesBy(copier, args);
  return copier.usedUp || (copier.functions && functions !== 'pure') ? undefined : copies;
}

function copiesBy(copier: Copier, args: readonly unknown[]): readonly unknown[] | undefined {
  try {
    return args.map((argument) => copier.copy(argument, 0));
  } catch {
    return undefined;
  }
}

/** A copy of a call's answer, which the caller may change as soon as it has it. */
export interface AnswerCopy {
  readonly value: unknown;
  /** Whether the copy shares nothing with the answer that can be changed. Objects of classes it shares. */
  readonly whole: boolean;
}

/** Copies an answer as {@link snapshotArguments} does: of 20,000 rows a quarter of the time that their digest takes. */
export function copyAnswer(answer: unknown): AnswerCopy {
  const copier = new Copier();
  const value = copier.copy(answer, 0);
  return { value, whole: !copier.shared };
}

/** From this depth on, objects are remembered, so that a cycle or a shared part is copied once. Rows of a table are not
 * that deep, and a look-up for each of them would cost the caller. */
const rememberedDepth = 4;

class Copier {
  /** Something was met that is passed as it is. */
  shared = false;
  /** One of them was a function. */
  functions = false;
  /** One of them was a stream or an iterator. */
  usedUp = false;
  #copies: Map<object, unknown> | undefined;

  copy(value: unknown, depth: number): unknown {
    return typeof value === 'object' && value !== null
      ? this.#object(value, depth)
      : typeof value === 'function'
        ? this.#share(value)
        : value;
  }

  #object(value: object, depth: number): unknown {
    const prototype = Object.getPrototypeOf(value) as object | null;
    // Most are rows; asking them first what else they could be took as long as copying them.
    if (prototype === Object.prototype && depth < rememberedDepth)
      return this.#fields({ ...value }, depth);
    if (depth >= rememberedDepth) {
      this.#copies ??= new Map();
      if (this.#copies.has(value)) return this.#copies.get(value);
    }
    if (Array.isArray(value)) return this.#list(value as unknown[], depth);
    if (value instanceof Date) return new Date(value.getTime());
    if (ArrayBuffer.isView(value)) return this.#bytes(value);
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return this.#share(value);
    const copy = { ...value };
    if (prototype !== Object.prototype) Object.setPrototypeOf(copy, prototype);
    this.#copies?.set(value, copy);
    return this.#fields(copy, depth);
  }

  /** The engine has copied the object as it lies in memory, 20,000 rows in 1 ms where key by key took 6; what its fields refer to is
   * still the original's. */
  #fields(copy: object, depth: number): object {
    const fields = copy as Record<string, unknown>;
    for (const key in fields) {
      const item = fields[key];
      if ((typeof item === 'object' && item !== null) || typeof item === 'function')
        fields[key] = this.copy(item, depth + 1);
    }
    return copy;
  }

  #list(list: readonly unknown[], depth: number): unknown[] {
    // Keeps holes, which are no values.
    const copy = list.slice();
    this.#copies?.set(list, copy);
    for (let at = 0; at < copy.length; at += 1) {
      const item = copy[at];
      if ((typeof item === 'object' && item !== null) || typeof item === 'function')
        copy[at] = this.copy(item, depth + 1);
    }
    return copy;
  }

  #bytes(view: ArrayBufferView): unknown {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    return Buffer.isBuffer(view)
      ? Buffer.from(bytes)
      : view instanceof Uint8Array
        ? bytes.slice()
        : this.#share(view);
  }

  #share(value: unknown): unknown {
    this.shared = true;
    if (typeof value === 'function') this.functions = true;
    else if (isStream(value)) this.usedUp = true;
    return value;
  }
}

/** How many rows a result has; what isn't rows counts as one. */
export function rowCount(value: unknown): number {
  if (Array.isArray(value)) return value.length;
  if (typeof value !== 'object' || value === null) return 1;
  const { rows } = value as { rows?: unknown };
  return Array.isArray(rows) ? rows.length : 1;
}

/** True for an answer that is read piece by piece: a stream, an iterator, a cursor. Reading it would take it from the caller. */
export function isStream(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { next, pipe } = value as { readonly next?: unknown; readonly pipe?: unknown };
  return typeof next === 'function' || typeof pipe === 'function' || Symbol.asyncIterator in value;
}
