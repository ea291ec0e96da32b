import { digits } from './digits.ts';
import { type Interval, intervalOf, type Target, type Verdict, verdictOf } from './verdict.ts';
import { quantile } from './quantile.ts';

/** What a measurement came to. */
export interface Figure {
  /** Its name within the case, for documents: `sqlite-100-rows`. Lower case, digits and hyphens. */
  readonly key: string;
  /** What was measured, in words. */
  readonly name: string;
  /** The median over the rounds. */
  readonly figure: number;
  readonly unit: string;
  /** What the figure is held against: `≤ 0.4`. */
  readonly target: string;
  /** Where the true median lies, by {@link intervalOf}; the target is judged by it. */
  readonly interval: Interval;
  /** How often it was measured; 1 for what was counted. */
  readonly rounds: number;
  readonly verdict: Verdict;
  /** What stands beside it: the peers' figures, the limit that it ran into, what was measured how. */
  readonly beside?: string | undefined;
}

/** What every figure is made of. */
export interface FigureText {
  readonly key: string;
  readonly name: string;
  readonly target: Target;
  /** Default: nothing. */
  readonly beside?: string | undefined;
}

/** The median of several rounds, judged by its interval. */
export function figureOf(
  text: FigureText & { readonly unit: string; readonly rounds: readonly number[] },
): Figure {
  const { key, name, unit, rounds, target, beside } = text;
  const interval = intervalOf(rounds);
  return {
    key,
    name,
    figure: quantile(rounds, 0.5),
    unit,
    target: targetText(target),
    interval,
    rounds: rounds.length,
    verdict: verdictOf(rounds.length, interval, target),
    beside,
  };
}

/** What was counted and has no spread: errors among all calls. */
export function countOf(
  text: FigureText & { readonly unit: string; readonly count: number },
): Figure {
  const { key, name, unit, count, target, beside } = text;
  const interval: Interval = [count, count];
  return {
    key,
    name,
    figure: count,
    unit,
    target: targetText(target),
    interval,
    rounds: 1,
    verdict: verdictOf(Infinity, interval, target),
    beside,
  };
}

function targetText({ sign, value }: Target): string {
  return `${sign} ${value}`;
}

/** A figure with its interval: `0.92 × (0.9 to 0.95)`; what was counted has none. */
export function figureText({ figure, unit, interval: [low, high] }: Figure): string {
  const range = low === high ? '' : ` (${digits(low)} to ${digits(high)})`;
  return `${digits(figure)} ${unit}${range}`;
}

/** One line of a plot: points as x and y. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** A plot of one or more lines, drawn by `renderPlot`. */
export interface Plot {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  /** Equal ratios at equal distances, on both axes. Default: false. */
  readonly logarithmic?: boolean | undefined;
  readonly series: readonly Series[];
}

/** What a benchmark makes of its work. */
export interface CaseResult {
  readonly figures: readonly Figure[];
  readonly plots?: readonly Plot[] | undefined;
}

/** What a benchmark is given. */
export interface BenchContext {
  /** Few and short rounds: shows that everything works, and roughly what comes out. */
  readonly quick: boolean;
  /** No other is run beside it, so that it may take minutes. */
  readonly alone: boolean;
  /** A PostgreSQL server; undefined for a benchmark that asks for none. */
  readonly databaseUrl: string | undefined;
}

/** One benchmark, run in a process of its own. A file a case: `cases.ts` lists them, and nothing else knows them. */
export interface BenchCase {
  readonly name: string;
  /** What it measures, in a line. */
  readonly title: string;
  readonly needsPostgres?: boolean | undefined;
  run(context: BenchContext): Promise<CaseResult>;
}
