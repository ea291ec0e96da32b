/** What a measurement came to. */
export interface Figure {
  readonly name: string;
  /** The median over the rounds, where there are several. */
  readonly figure: number;
  readonly unit: string;
  /** In words: what the figure is held against. */
  readonly target: string;
  readonly holds: boolean;
  /** Half of the rounds lie between these; undefined for what was measured once. */
  readonly spread?: readonly [number, number] | undefined;
  readonly rounds?: number | undefined;
  /** What stands beside it: the peers' figures, the limit that it ran into, what was measured how. */
  readonly beside?: string | undefined;
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

/** One benchmark, run in a process of its own. */
export interface BenchCase {
  readonly name: string;
  /** What it measures, in a line. */
  readonly title: string;
  readonly needsPostgres?: boolean | undefined;
  run(context: BenchContext): Promise<CaseResult>;
}

/** Whether a figure keeps within its target. */
export function atMost(figure: number, target: number): { target: string; holds: boolean } {
  return { target: `≤ ${target}`, holds: figure <= target };
}

/** Whether a figure reaches its target. */
export function atLeast(figure: number, target: number): { target: string; holds: boolean } {
  return { target: `≥ ${target}`, holds: figure >= target };
}
