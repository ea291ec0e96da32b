/** The process at one moment. */
export interface SoakSample {
  /** Since the begin. */
  readonly atMs: number;
  readonly heapMib: number;
  readonly residentMib: number;
  /** Timers, sockets, files, workers that Node counts. */
  readonly handles: number;
  /** Connections of the pools. */
  readonly connections: number;
  /** The p99 of the event loop's delay since the sample before. */
  readonly loopDelayMs: number;
  readonly calls: number;
  readonly errors: number;
}

/** One thing that must stay as it is. */
export interface Flatness {
  readonly what: 'heap' | 'resident memory' | 'handles' | 'connections';
  readonly unit: string;
  /** In the middle third and in the last one. */
  readonly middle: number;
  readonly last: number;
  /** The last third may not be above this. */
  readonly most: number;
  readonly flat: boolean;
}

/** The share of the run that warms up: caches fill, code is compiled, pools open. */
const thirds = 3;

/**
 * Whether memory and handles stay where they are once the process is warm: the last third of the samples against the middle
 * one. The least of each third is taken for memory, which goes up and down with garbage, the most for what is open.
 *
 * @throws {RangeError} for fewer than nine samples, which say nothing.
 */
export function judgeFlatness(samples: readonly SoakSample[]): Flatness[] {
  if (samples.length < 9)
    throw new RangeError(`${samples.length} samples are too few to tell: run for longer.`);
  const third = Math.floor(samples.length / thirds);
  const [middle, last] = [samples.slice(-2 * third, -third), samples.slice(-third)];
  const of = (
    what: Flatness['what'],
    unit: string,
    pick: (sample: SoakSample) => number,
    choose: (...values: number[]) => number,
    share: number,
    room: number,
  ): Flatness => {
    const before = choose(...middle.map(pick));
    const after = choose(...last.map(pick));
    const most = before * (1 + share) + room;
    return { what, unit, middle: before, last: after, most, flat: after <= most };
  };
  return [
    of('heap', 'MiB', ({ heapMib }) => heapMib, Math.min, 0.05, 2),
    of('resident memory', 'MiB', ({ residentMib }) => residentMib, Math.min, 0.05, 8),
    of('handles', '', ({ handles }) => handles, Math.max, 0.2, 10),
    of('connections', '', ({ connections }) => connections, Math.max, 0.2, 5),
  ];
}
