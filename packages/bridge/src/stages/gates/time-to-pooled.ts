import { type Stage, stages } from '@changeover/core';
import { gateLimits } from './default-gates.ts';
import {
  comparingStages,
  evidenceOf,
  type KeyRecord,
  type ShapeRecord,
  sumOf,
} from './key-record.ts';

/** A stage lasts at least so long beside its comparisons: gates are asked of what was read some seconds ago, and steps are written. */
const leastAtStageMs = 6_000;

/** What each shape of call gets whatever else is compared: so many at once, and so many a minute from then on. */
const [firstComparisons, comparisonsAMinute, minuteMs] = [20, 20, 60_000];

/**
 * About how long it takes until a key stands at `pooled`, at the load that was seen: each stage at which both legs run needs so many
 * comparisons of each shape of call. Undefined where that can't be told: of some shape none was compared yet.
 *
 * @param from the stage that it stands at.
 * @param isProved whether keys that have gone further proved a shape, which then needs few.
 */
export function timeToPooled(
  record: KeyRecord,
  from: Stage,
  isProved: (shape: ShapeRecord) => boolean,
): number | undefined {
  let allMs = 0;
  for (const stage of comparingStages) {
    if (stages.indexOf(stage) < stages.indexOf(from)) continue;
    let longestMs = leastAtStageMs;
    for (const shape of record.shapes) {
      const ms = timeAt(shape, stage, isProved(shape));
      if (ms === undefined) return undefined;
      longestMs = Math.max(longestMs, ms);
    }
    allMs += longestMs;
  }
  return record.shapes.length === 0 ? undefined : allMs;
}

/** How long a shape takes at a stage, less what is there already. Of one that nobody can compare there is nothing to wait for. */
function timeAt(shape: ShapeRecord, stage: Stage, proved: boolean): number | undefined {
  const comparable = shape.stages.filter(({ eligible }) => eligible > 0);
  if (comparable.length === 0)
    return sumOf(shape, 'calls') > 0 && isCompared(shape) ? undefined : 0;
  const evidence = evidenceOf(shape);
  const needed = proved ? gateLimits.ownWhereCohortProved : gateLimits.ownComparisons;
  const there = evidenceOf(shape, stage);
  if (there >= needed) return 0;
  // A write is compared at `shadow` alone: once it was called at `reverse` without, nothing is waited for there.
  const calledThere = sumOf(shape, 'calls', stage) > 0 && sumOf(shape, 'eligible', stage) === 0;
  if (calledThere && evidence >= needed) return 0;
  const spanMs = comparable.reduce((sum, { firstSeen, lastSeen }) => sum + lastSeen - firstSeen, 0);
  if (evidence <= 1 || spanMs <= 0) return undefined;
  // What is called often has its first comparisons at once, and then fewer.
  const calls = comparable.reduce((sum, one) => sum + one.calls, 0);
  const atOnce = (calls / spanMs) * minuteMs > comparisonsAMinute ? firstComparisons : 0;
  const steady = Math.max(0, evidence - atOnce * comparable.length) / spanMs;
  const toCome = needed - (there === 0 ? Math.min(needed, atOnce) : there);
  return toCome / (atOnce === 0 ? steady : Math.max(steady, comparisonsAMinute / minuteMs));
}

/** Whether a shape's calls are ever compared, as far as is known: at `legacy` nothing is. */
function isCompared(shape: ShapeRecord): boolean {
  return shape.stages.every(({ notComparable }) => notComparable === undefined);
}
