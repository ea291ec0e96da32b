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
