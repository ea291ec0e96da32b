/** What is measured. */
export interface Instrument {
  readonly name: string;
  /** `counter` only grows, `total` is one that is read when asked for, as a `gauge` is; `histogram` takes durations in seconds. */
  readonly kind: 'counter' | 'total' | 'gauge' | 'histogram';
  /** By the Unified Code for Units of Measure: `s`, `By`, `{connection}`. */
  readonly unit: string;
  readonly description: string;
  /** Every attribute that a measurement may have. */
  readonly attributes: readonly string[];
}

/** Upper bounds in seconds: the conventions' advice for operations, and one step finer, since a point read takes µs. */
export const durationBoundsS: readonly number[] = [
  0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10,
];

/** Labels of a measurement. */
export type Attributes = Readonly<Record<string, string>>;

/** One reading of a gauge or a total. */
export interface Reading {
  readonly value: number;
  readonly attributes: Attributes;
}

/** Where measurements go. */
export interface InstrumentSink {
  /** Makes instruments known; what was not made known is not measured. Idempotent. */
  declare(instruments: readonly Instrument[]): void;
  add(counter: Instrument, attributes: Attributes): void;
  record(histogram: Instrument, seconds: number, attributes: Attributes): void;
  /** Calls `read` for each gauge and total among the instruments whenever they are collected, until the result is called. */
  observe(
    instruments: readonly Instrument[],
    read: (instrument: Instrument) => readonly Reading[],
  ): () => void;
}

/** Whether an instrument is read when it is asked for. */
export function isRead({ kind }: Instrument): boolean {
  return kind === 'gauge' || kind === 'total';
}
