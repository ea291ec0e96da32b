import { type Finding, shareDifference, shareOf } from '@changeover/compare';
import { type Stage, stages } from '@changeover/core';
import { counted, countText, shareText } from '../../plain-text.ts';
import type { JudgedCounts, LatencyFigures, TotalsBy } from '../../recorder/report-data.ts';
import { type FigureName, gateLimits } from './default-gates.ts';
import type { DataCheck } from './judged-data.ts';

/** How a figure is written for people. */
export type FigureUnit = 'count' | 'share' | 'ratio';

export const figureUnits: Readonly<Record<FigureName, FigureUnit>> = {
  calls: 'count',
  comparisons: 'count',
  unwatched: 'count',
  mismatch: 'share',
  unexplained: 'share',
  failed: 'share',
  'latency-p50-ratio': 'ratio',
  'error-increase': 'share',
  unkept: 'count',
  'data-checks': 'share',
};

/** A figure as people read it; a dash where there is none. */
export function figureText(value: number | undefined, unit: FigureUnit): string {
  if (value === undefined) return '–';
  switch (unit) {
    case 'count':
      return countText(value);
    case 'share':
      return shareText(value);
    case 'ratio':
      return value.toFixed(2);
  }
}

/** A figure with the observations it rests on; undefined where the question doesn't arise. */
export type Figure = { readonly count: number; readonly n: number } | Told | undefined;

/** A finding, with what people are told where it is too much. Default: what is said of every such figure. */
export type Told = Finding & { readonly said?: string | undefined };

/** How long both legs took for an operation at a stage, or for several. */
export interface MeasuredPart extends Pick<TotalsBy, 'operation' | 'stage'> {
  readonly legacy: Pick<LatencyFigures, 'count' | 'p50Ms'>;
  readonly pooled: Pick<LatencyFigures, 'count' | 'p50Ms'>;
}

/** What {@link figureOf} looks at: a key or a cohort. */
export interface FigureSubject {
  /** Its cells, of all stages. */
  readonly cells: readonly TotalsBy[];
  /** What latencies are asked of, of all stages: percentiles of several parts can't be added up, so there is one answer a part, and the
   * slowest counts. */
  readonly latencies: readonly MeasuredPart[];
  /** Undefined where none were asked for. */
  readonly dataChecks: readonly DataCheck[] | undefined;
  /** How many guarantees are relied on, and not kept; left out where none is relied on. */
  readonly unkept?: { readonly count: number; readonly n: number } | undefined;
  /** Left out for figures of all stages. */
  readonly stage?: string | undefined;
}

/** A percentile is up to 1.1 % off, so a ratio of two is up to 2.2 % off. */
const ratioResolution = 1.022;

/** What the counts of a cell are asked of. */
export type CountedCell = JudgedCounts & Pick<TotalsBy, 'operation' | 'stage'>;

export function figureOf(name: FigureName, subject: FigureSubject): Figure {
  const { stage } = subject;
  const cells = subject.cells.filter((cell) => stage === undefined || cell.stage === stage);
  const evidence = sum(cells, 'match') + sum(cells, 'mismatch');
  switch (name) {
    case 'calls':
      return { count: sum(cells, 'calls'), n: sum(cells, 'calls') };
    case 'comparisons':
      return { count: evidence, n: sum(cells, 'eligible') };
    case 'unwatched':
      return unwatched(cells);
    case 'mismatch':
      return shareOf(sum(cells, 'mismatch'), evidence);
    case 'unexplained':
      return unexplained(cells);
    case 'failed':
      return shareOf(sum(cells, 'failed'), sum(cells, 'calls'));
    case 'latency-p50-ratio':
      return slowest(
        subject.latencies.filter((one) => stage === undefined || one.stage === stage),
        subject.latencies,
      );
    case 'error-increase':
      return errorIncrease(subject.cells);
    case 'unkept':
      return subject.unkept;
    case 'data-checks':
      return subject.dataChecks && failedChecks(subject.dataChecks);
  }
}

function failedChecks(checks: readonly DataCheck[]): Finding {
  return shareOf(checks.filter(({ ok }) => !ok).length, checks.length);
}

function sum(cells: readonly CountedCell[], field: keyof JudgedCounts): number {
  return cells.reduce((all, one) => all + one[field], 0);
}

/** Operations with calls that could be compared, of which none was. */
function unwatched(cells: readonly TotalsBy[]): { readonly count: number; readonly n: number } {
  const compared = new Map<string, number>();
  for (const { eligible, operation = '', compared: count } of cells)
    if (eligible > 0) compared.set(operation, (compared.get(operation) ?? 0) + count);
  return { count: [...compared.values()].filter((count) => count === 0).length, n: compared.size };
}

/** Says of which operation most are, where there is more than one. */
export function unexplained(cells: readonly CountedCell[], confidence?: number): Told {
  const [count, n] = [sum(cells, 'inconclusive'), sum(cells, 'compared')];
  const most = cells.reduce<CountedCell | undefined>(
    (first, one) => (one.inconclusive > (first?.inconclusive ?? 0) ? one : first),
    undefined,
  );
  const share = shareOf(count, n, confidence);
  if (most?.operation === undefined) return share;
  const of = most.inconclusive === count ? 'of' : 'most of them of';
  const said = `${counted(count, 'comparison', 'comparisons')} of ${countText(n)} came to no explanation, ${of} \`${most.operation}\``;
  return { ...share, said };
}

function slowest(parts: readonly MeasuredPart[], all: readonly MeasuredPart[]): Told {
  const ratios = parts.map((part) => medianRatio(part, yardstickOf(part, all)));
  const told = ratios.filter((one) => one.kind === 'estimate');
  return told.length === 0
    ? (ratios[0] ?? { kind: 'inconclusive', n: 0, reason: 'no call was measured' })
    : told.reduce((worst, one) => (one.value > worst.value ? one : worst));
}

/** The legacy leg's median that a part's is held against: the slowest that the same calls had at any stage. Where it is run beside the pooled
 * leg, it has moments without callers, and where it answered, it was in their crowd, as the pooled leg is now; and what is called rarely is
 * compared more often than its share, so that the median of what was compared may be far from that of all. */
function yardstickOf(part: MeasuredPart, all: readonly MeasuredPart[]): number | undefined {
  const own = part.legacy.p50Ms;
  if (own === undefined) return own;
  return Math.max(
    own,
    ...all
      .filter(({ operation, legacy }) => operation === part.operation && isEnough(legacy))
      .map(({ legacy }) => legacy.p50Ms ?? 0),
  );
}

function isEnough({ count }: { readonly count: number }): boolean {
  return count >= gateLimits.smallestMedian;
}

function medianRatio(
  { legacy, pooled, operation }: MeasuredPart,
  legacyMs: number | undefined,
): Told {
  const n = Math.min(legacy.count, pooled.count);
  const { smallestMedian, latencyFloorMs } = gateLimits;
  if (legacyMs === undefined || pooled.p50Ms === undefined || n < smallestMedian) {
    return {
      kind: 'inconclusive',
      n,
      reason: `${n} calls measured on both legs are too few: ${smallestMedian} are needed`,
    };
  }
  if (pooled.p50Ms - legacyMs <= latencyFloorMs && pooled.p50Ms > legacyMs)
    return { kind: 'estimate', value: 1, lower: 1, upper: 1, n };
  const value = legacyMs > 0 ? pooled.p50Ms / legacyMs : 1;
  const of = operation === undefined ? '' : ` of \`${operation}\``;
  return {
    said: `the pooled median${of} is ${value.toFixed(2)} times the legacy one`,
    kind: 'estimate',
    value,
    lower: value / ratioResolution,
    upper: value * ratioResolution,
    n,
  };
}

/** How sure it must be that a leg fails more often. */
interface ErrorBounds {
  /** Failed calls below which they say nothing of a leg. */
  readonly fewest: number;
  readonly confidence: number;
}

/** One failed call is none of the leg's: a caller may have broken a constraint. The confidence is stricter than other bounds: it is asked of
 * each operation of each key, again and again, one of which would soon exceed 95 % by chance. */
const errorBounds: ErrorBounds = { fewest: 2, confidence: 0.998 };
/** So many failed calls expected among those that were compared, without a mismatch: both legs fail them. */
const comparedFailures = 3;

/** Calls that one leg answered, and how many of them failed. */
interface Answered {
  readonly count: number;
  readonly n: number;
}

/**
 * What callers do wrong themselves fails on both legs alike; this is what fails on the pooled leg beyond that, of the operation where
 * that is clearest: an operation that is rarely called and fails by itself is none of many calls. Undefined as long as the pooled leg
 * has answered nobody.
 */
export function errorIncrease(
  cells: readonly CountedCell[],
  bounds: ErrorBounds = errorBounds,
): Told | undefined {
  const answeredBy = (names: readonly Stage[]): boolean =>
    cells.some(({ stage, calls }) => calls > 0 && stage !== undefined && names.includes(stage));
  if (!answeredBy(stages.slice(2))) return undefined;
  if (!answeredBy(stages.slice(0, 2)))
    return {
      kind: 'inconclusive',
      n: 0,
      reason: 'the legacy leg answered no call to hold it against',
    };
  const found = new Map<string, CountedCell[]>();
  for (const cell of cells) {
    const own = found.get(cell.operation ?? '');
    if (own === undefined) found.set(cell.operation ?? '', [cell]);
    else own.push(cell);
  }
  const told = [...found].flatMap(
    ([operation, own]) => operationIncrease(operation, own, bounds) ?? [],
  );
  const estimates = told.filter((one) => one.kind === 'estimate');
  const worst = estimates.reduce<(typeof estimates)[number] | undefined>(
    (most, one) => (most === undefined || one.lower > most.lower ? one : most),
    undefined,
  );
  if (worst !== undefined && worst.lower > 0) return worst;
  return told.find((one) => one.kind === 'inconclusive') ?? worst;
}

function operationIncrease(
  operation: string,
  cells: readonly CountedCell[],
  { fewest, confidence }: ErrorBounds,
): Told | undefined {
  const [legacy, pooled] = [stages.slice(0, 2), stages.slice(2)].map((names): Answered => {
    const answered = cells.filter(({ stage }) => stage !== undefined && names.includes(stage));
    return { count: sum(answered, 'failed'), n: sum(answered, 'calls') };
  });
  if (legacy === undefined || pooled === undefined || pooled.n === 0) return undefined;
  if (isAllThatIsKnown(pooled, legacy))
    return {
      kind: 'inconclusive',
      n: pooled.n,
      reason: `the only call of \`${operation}\` that the pooled leg answered failed: another one tells whether it is the leg`,
    };
  if (pooled.count < fewest || isShared(pooled, cells)) {
    const n = Math.min(legacy.n, pooled.n);
    return { kind: 'estimate', value: 0, lower: 0, upper: 0, n };
  }
  if (legacy.n === 0)
    return {
      kind: 'inconclusive',
      n: 0,
      reason: `${failedText(pooled)} of \`${operation}\` failed on the pooled leg, and the legacy leg answered none to hold that against`,
    };
  return {
    ...shareDifference(legacy, pooled, confidence),
    said:
      `\`${operation}\` fails more often on the pooled leg than on the legacy leg: ${failedText(pooled)}, and ` +
      failedText(legacy),
  };
}

/** One call, which failed, of what the legacy leg does not fail as a rule. */
function isAllThatIsKnown(pooled: Answered, legacy: Answered): boolean {
  return pooled.n === 1 && pooled.count === 1 && legacy.n > 0 && legacy.count * 2 < legacy.n;
}

function failedText({ count, n }: Answered): string {
  return `${countText(count)} of ${counted(n, 'call', 'calls')}`;
}

/** Whether the failed calls were failed by both legs: where they were compared as often as all others, without a mismatch. */
function isShared(pooled: Answered, cells: readonly CountedCell[]): boolean {
  const compared = cells.filter(({ stage }) => stage === 'reverse');
  const calls = sum(compared, 'calls');
  if (calls === 0 || sum(compared, 'mismatch') > 0) return false;
  return (pooled.count * sum(compared, 'match')) / Math.max(calls, pooled.n) >= comparedFailures;
}

/**
 * What is wrong where a figure is too much or too little, as the end of "at shadow, …".
 *
 * @param n the observations that it rests on.
 */
export function failureText(name: FigureName, figure: NonNullable<Figure>, n: number): string {
  if ('said' in figure && figure.said !== undefined) return figure.said;
  return wrongText(
    name,
    'count' in figure ? figure.count : figure.kind === 'estimate' ? figure.value : NaN,
    n,
  );
}

function wrongText(name: FigureName, value: number, n: number): string {
  const count = Math.round(value * n);
  switch (name) {
    case 'calls':
      return `only ${counted(value, 'call was', 'calls were')} made`;
    case 'comparisons':
      return value === 0
        ? 'nothing was compared'
        : `only ${counted(value, 'comparison was', 'comparisons were')} made`;
    case 'unwatched':
      return `${counted(value, 'operation', 'operations')} of ${countText(n)} ${value === 1 ? 'was' : 'were'} never compared`;
    case 'mismatch':
      return `${counted(count, 'comparison', 'comparisons')} of ${countText(n)} ${count === 1 ? 'is a' : 'are'} confirmed ${
        count === 1 ? 'mismatch' : 'mismatches'
      }`;
    case 'unexplained':
      return `${counted(count, 'comparison', 'comparisons')} of ${countText(n)} came to no explanation`;
    case 'failed':
      return `${counted(count, 'call', 'calls')} of ${countText(n)} failed`;
    case 'latency-p50-ratio':
      return `the pooled median is ${value.toFixed(2)} times the legacy one`;
    case 'error-increase':
      return 'calls fail more often on the pooled leg than on the legacy leg';
    case 'unkept':
      return `${counted(value, 'guarantee is', 'guarantees are')} relied on and not kept`;
    case 'data-checks':
      return `${counted(count, 'table', 'tables')} of ${countText(n)} ${count === 1 ? 'is' : 'are'} not as expected`;
  }
}
