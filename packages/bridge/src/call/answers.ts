/** True for what a caller can wait for. */
export function isPromise(value: unknown): value is Promise<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    // Most answers are rows: a `then` is not looked for on them, at each call.
    !Array.isArray(value) &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

const AsyncFunction = (async () => undefined).constructor;

/** True for a function that can't but answer a promise. False says nothing. */
export function isAsyncFunction(value: unknown): boolean {
  return value instanceof AsyncFunction;
}

/** True for an answer that is read piece by piece: a stream, an iterator, a cursor. Reading it would take it from the caller. */
export function isStream(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { next, pipe } = value as { readonly next?: unknown; readonly pipe?: unknown };
  return typeof next === 'function' || typeof pipe === 'function' || Symbol.asyncIterator in value;
}
