import { LatencyHistogram } from '@changeover/compare';
import type { Stage } from '@changeover/core';
import { recentLatency } from '../../recorder/recent-latency.ts';
import type { RecentCell, RecentMinutes, ReportData } from '../../recorder/report-data.ts';
import { SparseSum } from '../../recorder/sparse-latency.ts';
import type { Steps } from '../../steps.ts';
import type { MeasuredPart } from './figures.ts';
import { nameOf } from './key-record.ts';
import type { RecentOfKey } from './recent-figures.ts';

/** Of both medians, each up to 4.4 % off. */
export const cohortResolution: number = 1.044 ** 2;

/** Cells that are added up in the time of one part of a step. */
const cellsAPart = 20;

interface Sum<Part> {
  /** Its counts, without its latencies. */
  readonly part: Part;
  readonly legacy: SparseSum;
  readonly pooled: SparseSum;
}

const counts = [
  'calls',
  'failed',
  'eligible',
  'compared',
  'match',
  'mismatch',
  'inconclusive',
] as const;

/** How long both legs took for some keys of a backend, as if they were one, by stage. */
export function* cohortLatencies(
  data: ReportData,
  backend: string,
  keys: ReadonlySet<string>,
): Steps<readonly MeasuredPart[]> {
  const { byStage, onBothLegs } = data.judged ?? data;
  if (onBothLegs === undefined) return byStage.filter((one) => one.backend === backend);
  const sums = new Map<Stage, Record<'legacy' | 'pooled', LatencyHistogram>>();
  for (const one of onBothLegs) {
    if (one.backend !== backend || !keys.has(one.dataset)) continue;
    const sum = sums.get(one.stage) ?? {
      legacy: new LatencyHistogram(),
      pooled: new LatencyHistogram(),
    };
    sums.set(one.stage, sum);
    sum.legacy.merge(one.legacy);
    sum.pooled.merge(one.pooled);
    yield 1 / cellsAPart;
  }
  return [...sums].map(([stage, { legacy, pooled }]) => ({
    stage,
    legacy: { count: legacy.count, p50Ms: legacy.percentile(50) },
    pooled: { count: pooled.count, p50Ms: pooled.percentile(50) },
  }));
}

/** What was counted lately of several keys, as if they were one: by operation and stage, and of all operations in the last minutes. */
export function* recentOfCohort(keys: readonly RecentOfKey[]): Steps<RecentOfKey> {
  const cells = new Map<string, Sum<RecentCell>>();
  let minutes: Sum<RecentMinutes> | undefined;
  for (const key of keys) {
    for (const cell of key.cells) {
      const name = nameOf(cell.operation, cell.stage);
      cells.set(name, cellsTogether(cells.get(name), cell));
    }
    if (key.minutes !== undefined) minutes = together(minutes, key.minutes);
    yield (1 + key.cells.length) / cellsAPart;
  }
  return { cells: [...cells.values()].map(told), minutes: minutes && told(minutes) };
}

function cellsTogether(sum: Sum<RecentCell> | undefined, cell: RecentCell): Sum<RecentCell> {
  const both = together(sum, cell);
  if (sum === undefined) return both;
  const added = Object.fromEntries(counts.map((name) => [name, sum.part[name] + cell[name]]));
  return {
    ...both,
    part: { ...both.part, ...(added as Pick<RecentCell, (typeof counts)[number]>) },
  };
}

function together<Part extends RecentCell | RecentMinutes>(
  sum: Sum<Part> | undefined,
  part: Part,
): Sum<Part> {
  const { legacy, pooled } = sum ?? { legacy: new SparseSum(), pooled: new SparseSum() };
  legacy.add(part.legacy.latencies);
  pooled.add(part.pooled.latencies);
  const from = Math.min(part.from, sum?.part.from ?? Infinity);
  return { part: { ...part, from }, legacy, pooled };
}

function told<Part extends RecentCell | RecentMinutes>({ part, legacy, pooled }: Sum<Part>): Part {
  return {
    ...part,
    legacy: recentLatency(legacy.latency),
    pooled: recentLatency(pooled.latency),
  };
}
