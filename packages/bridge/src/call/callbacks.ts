import type { Method } from './members.ts';

/** What callbacks were given beside their first value, by that value: it is not compared, and reaches the caller all the same. */
const moreValues = new WeakMap<object, readonly unknown[]>();
/** Lists that stand for several values of which the first is no object. */
const severalValues = new WeakSet<readonly unknown[]>();

/** Calls what takes a Node callback last, as a promise of the value that it is called with. Only its first call counts. */
export function callWithCallback(
  call: (args: readonly unknown[]) => unknown,
  args: readonly unknown[],
): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  call([
    ...args,
    (error: unknown, ...values: readonly unknown[]) => {
      // The leg's own error, whatever it is.

      if (error !== null && error !== undefined) reject(error);
      else resolve(oneValue(values));
    },
  ]);
  return promise;
}

/**
 * Hands a promise's outcome to a Node callback, once. What the callback throws ends the process as it would have without the
 * bridge, and is no rejection that nobody handles.
 */
export function tellCallback(promise: Promise<unknown>, callback: Method): void {
  const tell = (...outcome: readonly unknown[]): void => {
    process.nextTick(() => {
      Reflect.apply(callback, undefined, outcome);
    });
  };
  promise.then(
    (value) => {
      tell(null, ...valuesOf(value));
    },
    (error: unknown) => {
      tell(error);
    },
  );
}

function oneValue(values: readonly unknown[]): unknown {
  const [first, ...more] = values;
  if (more.length === 0) return first;
  if (typeof first === 'object' && first !== null) {
    moreValues.set(first, more);
    return first;
  }
  severalValues.add(values);
  return values;
}

function valuesOf(value: unknown): readonly unknown[] {
  if (typeof value !== 'object' || value === null) return [value];
  if (Array.isArray(value) && severalValues.has(value)) return value as unknown[];
  return [value, ...(moreValues.get(value) ?? [])];
}
