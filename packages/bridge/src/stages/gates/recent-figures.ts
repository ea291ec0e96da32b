import type { Stage } from '@changeover/core';
import type {
  RecentCell,
  RecentFigures,
  RecentLatency,
  RecentMinutes,
  TotalsBy,
} from '../../recorder/report-data.ts';
import { routes } from '../../call/route.ts';
import { minuteMs } from '../../recorder/minute-rows.ts';
import { durationText } from '../../plain-text.ts';
import { type FigureName, gateLimits } from './default-gates.ts';
import { errorIncrease, type Figure, type Told, unexplained } from './figures.ts';
import { nameOf } from './key-record.ts';

/** What is asked again and again of the latest calls of thousands of keys must not be so by chance. */
const recentConfidence = 0.9999;
/** Failed calls below which the latest ones say nothing. */
const fewestFailures = 5;
/** The same of comparisons. */
const fewestComparisons = 100;
/** Medians that differ by less, in ms, are equal: they jump from one hour to the next. */
const floorMs = 1;
/** Where the legacy leg took no calls lately, its calls of before are the yardstick: what is called may be something else by now, so
 * that a leg has to be as much slower before it counts as such. With the gate's own 1.5 that is twice as slow. */
const otherTimesAllowance = 4 / 3;
/** A minute's percentile is up to 4.4 % off, a yardstick's 1.1 %. */
const minuteResolution = 1.056;

/** What was counted lately of one key. */
export interface RecentOfKey {
  readonly cells: readonly RecentCell[];
  readonly minutes: RecentMinutes | undefined;
}

/** Beside what was counted lately. */
export interface AskedOf {
  /** The key's cells, or the cohort's, of all time and all stages. */
  readonly whole: readonly TotalsBy[];
  /** Undefined for figures of all stages. */
  readonly stage: Stage | undefined;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** By how much a ratio of two medians of what was counted lately may be off. Default: 1, by nothing that counts. */
  readonly resolution?: number | undefined;
}

/** Of each key, by {@link nameOf}. */
export function recentByKey(recent: RecentFigures | undefined): ReadonlyMap<string, RecentOfKey> {
  const found = new Map<string, { cells: RecentCell[]; minutes: RecentMinutes | undefined }>();
  const ofKey = ({
    backend,
    dataset,
  }: RecentCell | RecentMinutes): { cells: RecentCell[]; minutes: RecentMinutes | undefined } => {
    const name = nameOf(backend, dataset);
    const own = found.get(name) ?? { cells: [], minutes: undefined };
    found.set(name, own);
    return own;
  };
  for (const cell of recent?.cells ?? []) ofKey(cell).cells.push(cell);
  for (const minutes of recent?.minutes ?? []) ofKey(minutes).minutes = minutes;
  return found;
}

/**
 * A figure of what was counted lately, where the pooled leg answers: so that a leg that has just become slow, or has begun to fail, is
 * not hidden by all that it did well before. Undefined where the question doesn't arise.
 */
export function recentFigureOf(
  name: FigureName,
  { cells, minutes }: RecentOfKey,
  { whole, stage, nowMs, resolution = 1 }: AskedOf,
): Figure {
  if (stage !== undefined && routes[stage].read.answers !== 'pooled') return undefined;
  const own = cells.filter((cell) => stage === undefined || cell.stage === stage);
  switch (name) {
    case 'latency-p50-ratio': {
      const before = legacyMedians(whole);
      const slower = legacyGrowth(own, before);
      return slowest([
        ...own.map((cell) => operationRatio(cell, before, slower, { nowMs, resolution })),
        minutes && minutesRatio(minutes, { whole, stage, nowMs }, before),
      ]);
    }
    case 'error-increase':
      return errorIncrease([...whole.filter(isLegacyAnswered), ...cells], {
        confidence: recentConfidence,
        fewest: fewestFailures,
      });
    case 'unexplained': {
      const found = unexplained(own, recentConfidence);
      return found.n < fewestComparisons ? undefined : found;
    }
    default:
      return undefined;
  }
}

function isLegacyAnswered({ stage }: TotalsBy): boolean {
  return stage !== undefined && routes[stage].read.answers === 'legacy';
}

function slowest(ratios: readonly (Told | undefined)[]): Told | undefined {
  return ratios.reduce<Told | undefined>((worst, one) => {
    if (one?.kind !== 'estimate') return worst;
    return worst?.kind === 'estimate' && worst.lower >= one.lower ? worst : one;
  }, undefined);
}

/** By operation, the slowest of the legacy leg's medians, of those at one stage that have enough calls. */
type LegacyMedians = ReadonlyMap<string | undefined, number>;

function legacyMedians(whole: readonly TotalsBy[]): LegacyMedians {
  const medians = new Map<string | undefined, number>();
  for (const { operation, legacy } of whole) {
    if (legacy.p50Ms === undefined || legacy.count < gateLimits.smallestMedian) continue;
    medians.set(operation, Math.max(legacy.p50Ms, medians.get(operation) ?? 0));
  }
  return medians;
}

/** The pooled median of one operation over the legacy one, of the same hours where the legacy leg was called often enough in them. */
function operationRatio(
  { operation, pooled, legacy, from }: RecentCell,
  before: LegacyMedians,
  legacySlower: number,
  { nowMs, resolution }: { readonly nowMs: number; readonly resolution: number },
): Told | undefined {
  const own = ownMedian(legacy);
  const usual = before.get(operation);
  if (own === undefined && usual === undefined) return undefined;
  return ratio(pooled, {
    yardstickMs: own === undefined ? (usual ?? 0) * legacySlower : Math.max(own, usual ?? 0),
    allowance: resolution * (own === undefined ? otherTimesAllowance : 1),
    said: `the pooled median of \`${operation}\``,
    within: nowMs - from,
  });
}

function ownMedian({ count, highMs }: RecentLatency): number | undefined {
  return count >= gateLimits.smallestMedian ? highMs : undefined;
}

/** How many times as slow as before the legacy leg is where it was called lately: then so is the machine, or the store of both. */
function legacyGrowth(cells: readonly RecentCell[], before: LegacyMedians): number {
  const grown = cells.flatMap(({ operation, legacy: { count, p50Ms } }) => {
    const usual = before.get(operation);
    if (p50Ms === undefined || count < gateLimits.smallestMedian) return [];
    return usual === undefined || usual === 0 ? [] : [p50Ms / usual];
  });
  return Math.max(1, ...grown);
}

/**
 * The pooled median of all operations in the last minutes, which tell no operation from another: held against the slowest median that
 * any of them had on the legacy leg. Whatever is called more or less than before, a median of all can't be above all of theirs.
 */
function minutesRatio(
  { pooled, legacy, from }: RecentMinutes,
  { whole, stage, nowMs }: AskedOf,
  before: LegacyMedians,
): Told | undefined {
  let slowestMs: number | undefined;
  for (const cell of whole) {
    if (cell.stage !== stage || cell.pooled.count < gateLimits.smallestMedian) continue;
    const median = before.get(cell.operation) ?? cell.pooled.p50Ms;
    if (median !== undefined) slowestMs = Math.max(median, slowestMs ?? 0);
  }
  if (slowestMs === undefined) return undefined;
  const own = ownMedian(legacy);
  return ratio(pooled, {
    yardstickMs: Math.max(slowestMs, own ?? 0),
    allowance: minuteResolution * (own === undefined ? otherTimesAllowance : 1),
    said: 'the pooled median of all operations',
    within: nowMs - from,
  });
}

interface Held {
  readonly yardstickMs: number;
  readonly allowance: number;
  readonly said: string;
  readonly within: number;
}

function ratio(
  { count, p50Ms, lowMs, highMs }: RecentLatency,
  { yardstickMs, allowance, said, within }: Held,
): Told | undefined {
  if (count < gateLimits.smallestMedian) return undefined;
  if (p50Ms === undefined || lowMs === undefined || highMs === undefined) return undefined;
  if (lowMs - yardstickMs < floorMs || yardstickMs === 0) return undefined;
  const value = p50Ms / yardstickMs;
  return {
    kind: 'estimate',
    value,
    lower: lowMs / yardstickMs / allowance,
    upper: highMs / yardstickMs,
    n: count,
    said: `${said} was ${value.toFixed(2)} times the legacy one in the last ${durationText(Math.round(within / minuteMs) * minuteMs)}`,
  };
}
