/** One side of a measurement: does the work once. What it returns is compared with the other side's before timing. */
export type Side = () => unknown;

/** What a measurement came to. */
export interface Figure {
  readonly name: string;
  /** The median over the rounds. */
  readonly figure: number;
  readonly unit: string;
  /** In words: what the figure is held against. */
  readonly target: string;
  readonly holds: boolean;
  /** Half of the rounds lie between these. */
  readonly spread: readonly [number, number];
  readonly rounds: number;
}

/** How a ratio is measured. */
export interface RatioOptions {
  readonly name: string;
  readonly target: number;
  /** `at-most` (default): the ratio of `measured` to `against` must not exceed the target; `at-least` the reverse. */
  readonly holds?: 'at-most' | 'at-least' | undefined;
  /** Default: 15. */
  readonly rounds?: number | undefined;
  /** Each side is repeated until it has taken this long, a round, in ms. Default: 20. */
  readonly roundMs?: number | undefined;
  readonly measured: Side;
  readonly against: Side;
  /** Whether the two results are the same work done; default: both are compared as JSON. */
  readonly equal?: ((measured: unknown, against: unknown) => boolean) | undefined;
}

/** The time of `measured` over the time of `against`, the two taken in turn so that both meet the same machine. */
export async function measureRatio(options: RatioOptions): Promise<Figure> {
  const { name, measured, against, target, rounds = 15, roundMs = 20 } = options;
  await assertEqual(name, measured, against, options.equal ?? sameJson);
  const repeats = { measured: await repeatsFor(measured, roundMs), against: await repeatsFor(against, roundMs) };
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    // Each side goes first as often as the other.
    const sides = round % 2 === 0 ? (['measured', 'against'] as const) : (['against', 'measured'] as const);
    const took = { measured: 0, against: 0 };
    for (const side of sides) took[side] = await timeOf(side === 'measured' ? measured : against, repeats[side]);
    ratios.push(took.measured / took.against);
  }
  const figure = quantile(ratios, 0.5);
  const atLeast = options.holds === 'at-least';
  return {
    name, figure, unit: '×', target: `${atLeast ? '≥' : '≤'} ${target}`, rounds,
    holds: atLeast ? figure >= target : figure <= target,
    spread: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
  };
}

/** What `measured` takes longer than `against`, in µs a call. */
export async function measureAdded(options: RatioOptions): Promise<Figure> {
  const { name, measured, against, target, rounds = 15, roundMs = 20 } = options;
  await assertEqual(name, measured, against, options.equal ?? sameJson);
  const repeats = await repeatsFor(against, roundMs);
  const added: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const first = await timeOf(round % 2 === 0 ? measured : against, repeats);
    const second = await timeOf(round % 2 === 0 ? against : measured, repeats);
    added.push((round % 2 === 0 ? first - second : second - first) * 1_000);
  }
  const figure = quantile(added, 0.5);
  return { name, figure, unit: 'µs', target: `≤ ${target}`, holds: figure <= target, rounds,
    spread: [quantile(added, 0.25), quantile(added, 0.75)] };
}

/** Failing fast is not fast: both must do the work. */
async function assertEqual(name: string, a: Side, b: Side, equal: (a: unknown, b: unknown) => boolean): Promise<void> {
  const results = [await a(), await b()];
  if (!equal(results[0], results[1])) throw new Error(`${name}: the two sides' results differ, so nothing was timed`);
}

function sameJson(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

async function repeatsFor(side: Side, roundMs: number): Promise<number> {
  for (let repeats = 1; ; repeats *= 2) {
    const took = await timeOf(side, repeats) * repeats;
    if (took >= roundMs || repeats >= 2 ** 20) return Math.max(1, Math.ceil(repeats * Math.min(1, roundMs / took)));
  }
}

/** Milliseconds a call. A side that answers at once is not awaited, since the wait would be most of the figure. */
async function timeOf(side: Side, repeats: number): Promise<number> {
  const started = performance.now();
  for (let at = 0; at < repeats; at += 1) {
    const result = side();
    if (result instanceof Promise) await result;
  }
  return (performance.now() - started) / repeats;
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)] ?? NaN;
  const high = sorted[Math.ceil(at)] ?? NaN;
  return low + (high - low) * (at - Math.floor(at));
}
