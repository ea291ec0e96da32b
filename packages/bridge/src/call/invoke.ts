import type { Leg } from '@changeover/core';

export type Method = (...args: readonly unknown[]) => unknown;

/** Makes a call on a leg. Returns and throws what the leg's method does. */
export function invoke(leg: Leg<object>, operation: string, args: readonly unknown[]): unknown {
  const method = (leg.api as Record<string, Method | undefined>)[operation];
  // Never `undefined` in place of an answer: a write would be gone without a word.
  if (method === undefined)
    throw new TypeError(`the ${leg.name} leg has no operation ${operation}`);
  return Reflect.apply(method, leg.api, args);
}

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
