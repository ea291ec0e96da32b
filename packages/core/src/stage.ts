/** Where a key stands on the way, in order. */
export const stages = ['legacy', 'shadow', 'reverse', 'pooled'] as const;

/** One of the four stages. */
export type Stage = (typeof stages)[number];

/** One of the two implementations that a call can take. */
export type LegName = 'legacy' | 'pooled';

/** The earlier of two stages: what a limit makes of a wish. */
export function earlierStage(a: Stage, b: Stage): Stage {
  return stages.indexOf(a) <= stages.indexOf(b) ? a : b;
}

/** Checks a stage's name that came from outside; `undefined` where there is no such stage. */
export function stageNamed(name: unknown): Stage | undefined {
  return stages.find((stage) => stage === name);
}
