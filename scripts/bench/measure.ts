import { type BenchContext, type Figure, figureOf, type FigureText } from './figure.ts';
import { quantile } from './quantile.ts';
import { threadWorkedMs } from './thread-time.ts';

/** One side of a measurement: does the work once. What it returns is compared with the others' before timing. */
export type Side = () => unknown;

/** How sides are taken in turn. */
export interface TurnOptions {
  /** At least 3, or nothing can be said of a target. Default: 15; 3 where the bench is to be quick. */
  readonly rounds?: number | undefined;
  /** Each side is repeated until it has taken this long, a round, in ms. Default: 20; a quarter of it where quick. */
  readonly roundMs?: number | undefined;
  /** Whether two results are the same work done; default: both are compared as JSON. */
  readonly equal?: ((one: unknown, other: unknown) => boolean) | undefined;
}

/**
 * Measures several sides in turn, so that all meet the same machine. Each begins a round as often as the others.
 *
 * @throws where the sides' results differ: failing fast is not fast.
 */
export async function takeTurns<Name extends string>(
  { quick }: BenchContext,
  sides: Readonly<Record<Name, Side>>,
  options: TurnOptions = {},
): Promise<Timings<Name>> {
  const names = Object.keys(sides) as Name[];
  const rounds = quick ? 3 : (options.rounds ?? 15);
  const roundMs = (options.roundMs ?? 20) / (quick ? 4 : 1);
  await assertEqual(names, sides, options.equal ?? sameJson);
  const repeats = new Map<Name, number>();
  for (const name of names) repeats.set(name, await repeatsFor(sides[name], roundMs));
  const took = new Map<Name, Took[]>(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (let at = 0; at < names.length; at += 1) {
      const name = names[(at + round) % names.length];
      if (name !== undefined)
        took.get(name)?.push(await timeOf(sides[name], repeats.get(name) ?? 1));
    }
  }
  return new Timings(took);
}

/** A figure of two sides. */
export interface Compared<Name extends string> extends FigureText {
  readonly measured: Name;
  readonly against: Name;
}

/** What a call took in a round, in ms. */
interface Took {
  readonly wallMs: number;
  /** What this thread itself worked for it. */
  readonly threadMs: number;
}

/** What each side took a call in each round, in ms. */
export class Timings<Name extends string> {
  readonly #took: ReadonlyMap<Name, readonly Took[]>;

  constructor(took: ReadonlyMap<Name, readonly Took[]>) {
    this.#took = took;
  }

  /** The median of a side, in ms a call. */
  medianMs(name: Name): number {
    return quantile(this.of(name), 0.5);
  }

  /** One side's rounds, in ms a call. */
  of(name: Name): readonly number[] {
    return (this.#took.get(name) ?? []).map(({ wallMs }) => wallMs);
  }

  /** The time of `measured` over the time of `against`, round by round. */
  ratios(measured: Name, against: Name): number[] {
    const other = this.of(against);
    return this.of(measured).map((ms, round) => ms / (other[round] ?? NaN));
  }

  /** What `measured` takes longer than `against`, in µs a call, round by round. */
  addedMicros(measured: Name, against: Name): number[] {
    const other = this.of(against);
    return this.of(measured).map((ms, round) => (ms - (other[round] ?? NaN)) * 1_000);
  }

  /**
   * What this thread works longer for `measured` than for `against`, in µs a call, round by round: where a server or a thread of the
   * driver answers, what it takes varies by more than what is added here.
   */
  addedThreadMicros(measured: Name, against: Name): number[] {
    const other = this.#took.get(against) ?? [];
    return (this.#took.get(measured) ?? []).map(
      ({ threadMs }, round) => (threadMs - (other[round]?.threadMs ?? NaN)) * 1_000,
    );
  }

  /** How much of the time of `against` the work takes. */
  ratio(text: Compared<Name>): Figure {
    return figureOf({ ...text, unit: '×', rounds: this.ratios(text.measured, text.against) });
  }

  /** How many times as much `measured` does in the same time as `against`. */
  speedup(text: Compared<Name>): Figure {
    return figureOf({ ...text, unit: '×', rounds: this.ratios(text.against, text.measured) });
  }
}

async function assertEqual<Name extends string>(
  names: readonly Name[],
  sides: Readonly<Record<Name, Side>>,
  equal: (one: unknown, other: unknown) => boolean,
): Promise<void> {
  const [first, ...others] = names;
  if (first === undefined) return;
  const result = await sides[first]();
  for (const name of others) {
    if (!equal(result, await sides[name]()))
      throw new Error(`the results of ${first} and ${name} differ, so nothing was timed`);
  }
}

function sameJson(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

async function repeatsFor(side: Side, roundMs: number): Promise<number> {
  for (let repeats = 1; ; repeats *= 2) {
    const took = (await timeOf(side, repeats)).wallMs * repeats;
    if (took >= roundMs || repeats >= 2 ** 20)
      return Math.max(1, Math.ceil(repeats * Math.min(1, roundMs / took)));
  }
}

/** A call's share. A side that answers at once is not awaited, since the wait would be most of the figure. */
async function timeOf(side: Side, repeats: number): Promise<Took> {
  const workedMs = threadWorkedMs();
  const started = performance.now();
  for (let at = 0; at < repeats; at += 1) {
    const result = side();
    if (isPromise(result)) await result;
  }
  const wallMs = (performance.now() - started) / repeats;
  return { wallMs, threadMs: (threadWorkedMs() - workedMs) / repeats };
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

/** As many callers as `count` at once. */
export function together<Value>(
  count: number,
  work: (caller: number) => PromiseLike<Value>,
): Promise<Value[]> {
  return Promise.all(Array.from({ length: count }, (_, caller) => work(caller)));
}

/** The loop's longest stalls while `work` runs: the p99 of the delay of a timer that is due each ms, in ms. */
export async function loopDelayP99(work: () => Promise<unknown>): Promise<number> {
  const { monitorEventLoopDelay } = await import('node:perf_hooks');
  const watch = monitorEventLoopDelay({ resolution: 1 });
  watch.enable();
  await work();
  // A stall is seen by the timer that comes late, which needs its turn.
  await pause(3);
  watch.disable();
  return watch.percentile(99) / 1e6;
}

export function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, durationMs);
  });
}

/** A whole number for people: `10^6`, `20,000`. */
export function countText(count: number): string {
  const power = Math.log10(count);
  return power >= 6 && Number.isInteger(power) ? `10^${power}` : count.toLocaleString('en');
}

/** A time for people. */
export function timeText(ms: number): string {
  if (ms < 0.001) return `${(ms * 1e6).toPrecision(3)} ns`;
  if (ms < 1) return `${(ms * 1_000).toPrecision(3)} µs`;
  return `${ms.toPrecision(3)} ms`;
}
