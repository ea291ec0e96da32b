import { type Finding, shareDifference, shareOf } from '@changeover/compare';
import type { ReportData, TotalsBy } from '../../recorder/report-data.ts';
import type { FigureName } from './default-gates.ts';
import type { DataCheck } from './judged-data.ts';

/** How a figure is written for people. */
export type FigureUnit = 'count' | 'share' | 'ratio';

export const figureUnits: Readonly<Record<FigureName, FigureUnit>> = {
  comparisons: 'count',
  unwatched: 'count',
  mismatch: 'share',
  unexplained: 'share',
  failed: 'share',
  'latency-p50-ratio': 'ratio',
  'error-increase': 'share',
  'data-checks': 'share',
};

/** A figure with the observations it rests on; undefined where the question doesn't arise. */
export type Figure = { readonly count: number; readonly n: number } | Finding | undefined;

/** What {@link figureOf} looks at. */
export interface FigureSubject {
  readonly data: ReportData;
  readonly dataChecks: readonly DataCheck[] | undefined;
  readonly backend: string;
  /** Left out for figures of all stages. */
  readonly stage?: string | undefined;
}

/** Calls below which a median isn't held against another. */
const smallestMedian = 30;
/** A percentile is up to 1.1 % off, so a ratio of two is up to 2.2 % off. */
const ratioResolution = 1.022;

export function figureOf(name: FigureName, subject: FigureSubject): Figure {
  const { dataChecks } = subject;
  const stages = totalsOf(subject);
  switch (name) {
    case 'comparisons':
      return { count: sum(stages, 'compared'), n: sum(stages, 'eligible') };
    case 'unwatched':
      return unwatched(subject);
    case 'mismatch':
      return shareOf(sum(stages, 'mismatch'), sum(stages, 'compared'));
    case 'unexplained':
      return shareOf(sum(stages, 'inconclusive'), sum(stages, 'compared'));
    case 'failed':
      return shareOf(sum(stages, 'failed'), sum(stages, 'calls'));
    case 'latency-p50-ratio':
      return medianRatio(stages);
    case 'error-increase':
      return errorIncrease(stages);
    case 'data-checks':
      return (
        dataChecks && failedChecks(dataChecks.filter(({ backend }) => backend === subject.backend))
      );
  }
}

function totalsOf({ data, backend, stage }: FigureSubject): TotalsBy[] {
  return (data.judged ?? data).byStage.filter((totals) => matches(totals, backend, stage));
}

function failedChecks(checks: readonly DataCheck[]): Finding {
  return shareOf(checks.filter(({ ok }) => !ok).length, checks.length);
}

function matches(totals: TotalsBy, backend: string, stage: string | undefined): boolean {
  return totals.backend === backend && (stage === undefined || totals.stage === stage);
}

function sum(
  totals: readonly TotalsBy[],
  field: 'calls' | 'failed' | 'eligible' | 'compared' | 'mismatch' | 'inconclusive',
): number {
  return totals.reduce((all, one) => all + one[field], 0);
}

/** Operations with calls that could be compared, of which none was. */
function unwatched({ data, backend, stage }: FigureSubject): {
  readonly count: number;
  readonly n: number;
} {
  const compared = new Map<string, number>();
  for (const cell of (data.judged ?? data).cells) {
    if (!matches(cell, backend, stage) || cell.eligible === 0) continue;
    const name = cell.operation ?? '';
    compared.set(name, (compared.get(name) ?? 0) + cell.compared);
  }
  return { count: [...compared.values()].filter((count) => count === 0).length, n: compared.size };
}

function medianRatio(stages: readonly TotalsBy[]): Finding {
  const [totals] = stages;
  // Percentiles of several parts can't be added up.
  if (totals === undefined || stages.length > 1)
    return { kind: 'inconclusive', n: 0, reason: 'one backend at one stage is expected' };
  const { legacy, pooled } = totals;
  const n = Math.min(legacy.count, pooled.count);
  if (legacy.p50Ms === undefined || pooled.p50Ms === undefined || n < smallestMedian) {
    return {
      kind: 'inconclusive',
      n,
      reason: `${n} calls measured on both legs are too few: ${smallestMedian} are needed`,
    };
  }
  if (!(legacy.p50Ms > 0)) return { kind: 'inconclusive', n, reason: 'the legacy median is zero' };
  const value = pooled.p50Ms / legacy.p50Ms;
  return {
    kind: 'estimate',
    value,
    lower: value / ratioResolution,
    upper: value * ratioResolution,
    n,
  };
}

/** Undefined as long as the pooled leg has answered nobody. */
function errorIncrease(stages: readonly TotalsBy[]): Finding | undefined {
  const [legacy, pooled] = [
    ['legacy', 'shadow'],
    ['reverse', 'pooled'],
  ].map((names) => {
    const answered = stages.filter(({ stage }) => names.includes(stage ?? ''));
    return { count: sum(answered, 'failed'), n: sum(answered, 'calls') };
  });
  if (legacy === undefined || pooled === undefined || pooled.n === 0) return undefined;
  if (legacy.n === 0)
    return {
      kind: 'inconclusive',
      n: 0,
      reason: 'the legacy leg answered no call to hold it against',
    };
  return shareDifference(legacy, pooled);
}
