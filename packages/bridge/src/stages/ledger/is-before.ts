import { earlierStage, type Stage } from '@changeover/core';

/** True where `a` comes before `b` on the way. */
export function isBefore(a: Stage, b: Stage): boolean {
  return a !== b && earlierStage(a, b) === a;
}
