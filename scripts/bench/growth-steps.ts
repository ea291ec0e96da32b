import { type Figure, figureOf } from './figure.ts';
import { timeText } from './measure.ts';
import { quantile } from './quantile.ts';
import { atMost, fewestRounds, verdicts } from './verdict.ts';

/** One size, and what it took in each round, in ms. */
export interface Step {
  readonly size: number;
  readonly rounds: readonly number[];
}

/** What something takes as it grows. */
export interface Line {
  /** Its figure's key within the case. */
  readonly key: string;
  /** What is done, and of what there is more. */
  readonly name: string;
  readonly steps: readonly Step[];
  /** The same by the driver alone, in the same rounds. */
  readonly bare?: readonly Step[] | undefined;
}

/** How steep a step may be, against a linear one. */
const steepest = 1.15;

/** Where the cost grew most against the size, which is 1 where it is linear; and where the driver's own line stands beside it, where it grew
 * most against that. */
export function growthFigures({ key, name, steps, bare }: Line): Figure[] {
  const last = steps.at(-1);
  const own = worstStep(
    {
      key,
      name: `${name}, the steepest step against a linear one`,
      beside:
        steps.map((step) => `${step.size}: ${timeText(medianMs(step))}`).join(', ') +
        (last === undefined
          ? ''
          : `, which is ${timeText(medianMs(last) / last.size)} each at the end`) +
        bareText(bare),
    },
    stepsOf(steps),
  );
  if (bare === undefined) return [own];
  const driver = stepsOf(bare);
  const against = stepsOf(steps).map(({ at, ratios }, index) => ({
    at,
    ratios: ratios.map((ratio, round) => ratio / (driver[index]?.ratios[round] ?? NaN)),
  }));
  return [
    own,
    worstStep(
      { key: `${key}-driver`, name: `${name}, against the same step of the driver` },
      against,
    ),
  ];
}

/** The step with the worst verdict, and of those the one with the highest median. All steps must hold for it to hold, so one that can't be
 * told from noise says so. */
function worstStep(
  { key, name, beside }: { readonly key: string; readonly name: string; readonly beside?: string },
  steps: readonly { readonly at: string; readonly ratios: readonly number[] }[],
): Figure {
  const figures = steps.map(({ at, ratios }) =>
    figureOf({
      key,
      name,
      unit: '×',
      rounds: ratios,
      target: atMost(steepest),
      beside: [at, beside].filter((text) => text !== undefined).join('; '),
    }),
  );
  const [worst] = figures.sort(
    (one, other) =>
      verdicts.indexOf(other.verdict) - verdicts.indexOf(one.verdict) || other.figure - one.figure,
  );
  if (worst === undefined) throw new Error('a step needs two sizes');
  return worst;
}

function bareText(bare: readonly Step[] | undefined): string {
  if (bare === undefined) return '';
  const steps = stepsOf(bare).map(({ ratios }) => quantile(ratios, 0.5));
  const times = bare.map((step) => `${step.size}: ${timeText(medianMs(step))}`).join(', ');
  return `; the driver alone, whose steepest step is ${Math.max(...steps).toFixed(2)} ×: ${times}`;
}

export function medianMs({ rounds }: Step): number {
  return quantile(rounds, 0.5);
}

/** Each step's growth in time over its growth in size, round by round. */
function stepsOf(steps: readonly Step[]): { readonly at: string; readonly ratios: number[] }[] {
  return steps.slice(1).map(({ size, rounds }, index) => {
    const before = steps[index];
    return {
      at: `from ${before?.size} to ${size}`,
      ratios: rounds.map(
        (ms, round) => ms / (before?.rounds[round] ?? NaN) / (size / (before?.size ?? NaN)),
      ),
    };
  });
}

/** What is measured at each size. */
export interface StepWork {
  readonly sizes: readonly number[];
  /** At most; at least {@link fewestRounds}. */
  readonly rounds: number;
  /** For how long rounds are begun, beyond the fewest, in ms. Default: 6,000 of each that does it. */
  readonly longestMs?: number | undefined;
  /** How often each size is done before it is measured, at least: until what it needs is compiled and open. Default: 1. */
  readonly warmUps?: number | undefined;
  run(size: number): unknown;
}

/** A size that takes longer leaves nothing for the next one to warm up. */
const warmMs = 500;
/** For how long a size is done at least, before it is measured and in a round. */
const [warmUpMs, roundMs] = [100, 25];

/** Measures the sizes in turn, so that a slow moment of the machine meets a round and not a size. */
export async function measureSteps(work: StepWork): Promise<Step[]> {
  const [steps = []] = await measureBeside([work.run], work);
  return steps;
}

/** The same of several that do it, who take turns at each size. */
export async function measureBeside(
  runs: readonly ((size: number) => unknown)[],
  { sizes, rounds, warmUps = 1, longestMs = 6_000 }: Omit<StepWork, 'run'>,
): Promise<Step[][]> {
  for (const run of runs) await warmUp(run, sizes, warmUps);
  const took = runs.map(() => new Map<number, number[]>(sizes.map((size) => [size, []])));
  const begunMs = performance.now();
  for (let round = 0; round < rounds; round += 1) {
    if (round >= fewestRounds && performance.now() - begunMs > longestMs * runs.length) break;
    for (const size of sizes)
      for (const [at, run] of runs.entries()) took[at]?.get(size)?.push(await timeOf(run, size));
  }
  return took.map((of) => [...of].map(([size, ms]) => ({ size, rounds: ms })));
}

async function warmUp(
  run: (size: number) => unknown,
  sizes: readonly number[],
  warmUps: number,
): Promise<void> {
  for (const size of sizes) {
    const begunMs = performance.now();
    for (let made = 0; made < warmUps || performance.now() - begunMs < warmUpMs; made += 1)
      await run(size);
    if (warmUps === 1 && performance.now() - begunMs > warmMs) return;
  }
}

async function timeOf(run: (size: number) => unknown, size: number): Promise<number> {
  // Or the smallest size would collect the largest one's garbage.
  globalThis.gc?.();
  const once: number[] = [];
  const fromMs = performance.now();
  do {
    const startedMs = performance.now();
    await run(size);
    once.push(performance.now() - startedMs);
  } while (performance.now() - fromMs < roundMs);
  return quantile(once, 0.5);
}
