/** Why a comparison that was due was not made. */
export const shedReasons = [
  'queue-full',
  'busy',
  'deadline',
  'event-loop-late',
  'breaker-open',
  'legacy-busy',
  'too-large',
  'closing',
  'no-baseline',
  'budget',
  'side-effects',
  'loop-budget',
  'not-comparable',
] as const;

/** One of the reasons for which a comparison that was due was not made. */
export type ShedReason = (typeof shedReasons)[number];
