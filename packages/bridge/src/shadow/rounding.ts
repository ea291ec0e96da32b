import { findDifference, roundedIn, roundedNumbers } from '@changeover/compare';
import type { RoundedFields, Undetermined } from '@changeover/core';
import type { Excuse } from './confirmation.ts';

interface Results {
  readonly legacy: unknown;
  readonly pooled: unknown;
}

/** What a difference in nothing but last digits is worth, where the call may differ in them; undefined where there is more to it. */
export function roundingExcuse(
  { fields, reason }: Undetermined,
  { legacy, pooled }: Results,
  ordered: boolean,
): Excuse | undefined {
  const rules =
    fields === undefined ? roundedNumbers : roundedIn(fields.rounded, largest(fields, legacy));
  if (findDifference(legacy, pooled, ordered, rules) !== undefined) return undefined;
  // All other fields were compared to the last digit.
  return fields === undefined ? 'rounding' : { verdict: 'match', reason };
}

function largest({ between = [] }: RoundedFields, answer: unknown): number {
  if (typeof answer !== 'object' || answer === null) return 0;
  const numbers = between.map((field) => Math.abs(Number(Reflect.get(answer, field))));
  return Math.max(0, ...numbers.filter((number) => Number.isFinite(number)));
}
