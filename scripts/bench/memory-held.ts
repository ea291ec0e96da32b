import { fork } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, runTool } from '../run-node.ts';
import {
  type BenchCase,
  type BenchContext,
  type CaseResult,
  type Figure,
  figureOf,
  type Plot,
} from './figure.ts';
import { quantile } from './quantile.ts';
import { countText } from './measure.ts';
import type { MemoryOrder, MemoryReport } from './memory-process.ts';
import { atMost } from './verdict.ts';

const packages = join(root, 'packages');

export const memoryHeld: BenchCase = {
  name: 'memory-held',
  title:
    "memory at the ADR's working set (about 500 MB held) and after 10^6 calls at shadow; an idle dataset's cost",
  run: measureMemory,
};

/** V8 enlarges each thread's young generation in steps up to 16 MiB a half, which would be counted as the datasets' that came then. */
const fullYoungGenerations = ['--min-semi-space-size=16', '--max-semi-space-size=16'];

/** Rounds, each of a new process a stage. */
const rounds = 3;

async function measureMemory({ quick }: BenchContext): Promise<CaseResult> {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-memory-'));
  const scale: Scale = quick
    ? { folder, heldMib: 50, calls: 5_000, manyCalls: 20_000, datasets: 100 }
    : { folder, heldMib: 480, calls: 100_000, manyCalls: 1_000_000, datasets: 600 };
  try {
    const build = await runTool('typescript/bin/tsc', [
      '--build',
      ...readdirSync(packages).map((name) => join(packages, name)),
    ]);
    if (build !== 0)
      throw new Error('the packages, whose memory is to be measured, can not be built');
    const [held, long] = [await heldMemory(scale), await runInOwnProcess(longRun(scale))];
    return { figures: [...held, growthOf(long, scale.manyCalls)], plots: [memoryPlot(long)] };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** How much is done. */
interface Scale {
  readonly folder: string;
  readonly heldMib: number;
  /** Before the memory of a stage is measured. */
  readonly calls: number;
  /** Over which memory must not grow. */
  readonly manyCalls: number;
  readonly datasets: number;
}

function orderOf({ folder, heldMib }: Scale, part: Partial<MemoryOrder>): MemoryOrder {
  return { folder, heldMib, calls: 0, datasets: 0, stage: 'legacy', ...part };
}

function longRun(scale: Scale): MemoryOrder {
  return orderOf(scale, { stage: 'shadow', calls: scale.manyCalls });
}

async function heldMemory(scale: Scale): Promise<Figure[]> {
  const { calls, datasets, heldMib } = scale;
  const reports: Record<'legacy' | 'pooled' | 'shadow' | 'idle', MemoryReport[]> = {
    legacy: [],
    pooled: [],
    shadow: [],
    idle: [],
  };
  for (let round = 0; round < rounds; round += 1) {
    const [legacy, idle] = await Promise.all([
      runInOwnProcess(orderOf(scale, { stage: 'legacy', calls })),
      runInOwnProcess(
        orderOf(scale, { stage: 'pooled', heldMib: 0, datasets }),
        fullYoungGenerations,
      ),
    ]);
    reports.legacy.push(legacy);
    reports.idle.push(idle);
    // One after the other: beside another process pooled takes 15 MiB more.
    reports.pooled.push(await runInOwnProcess(orderOf(scale, { stage: 'pooled', calls })));
    reports.shadow.push(await runInOwnProcess(orderOf(scale, { stage: 'shadow', calls })));
  }
  const rss = (stage: keyof typeof reports): number[] => reports[stage].map((one) => one.rssMib);
  const figures = (['pooled', 'shadow'] as const).map((stage) =>
    figureOf({
      key: stage,
      name: `resident memory at ${stage} / legacy, each after ${countText(calls)} calls`,
      unit: '×',
      rounds: rss(stage).map((mib, round) => mib / (rss('legacy')[round] ?? NaN)),
      target: atMost(1.1),
      beside: `${quantile(rss(stage), 0.5).toFixed(0)} MiB against ${quantile(rss('legacy'), 0.5).toFixed(0)} MiB, of which about ${
        heldMib
      } MiB are rows that the caller holds`,
    }),
  );
  return [
    ...figures,
    figureOf({
      key: 'idle-dataset',
      name: 'an idle dataset',
      unit: 'KiB',
      rounds: reports.idle.map(({ idleKibPerDataset }) => idleKibPerDataset),
      target: atMost(50),
      beside: `after ${datasets} datasets were used and their connections closed by idleness, beside as many before`,
    }),
  ];
}

/** By how much each point of the curve's last quarter is above the point a quarter before it. A quarter is two turns of the garbage
 * collections that the process asks for, so that points in the same moment of a turn are compared. */
function growthOf({ over, compared, mismatches }: MemoryReport, calls: number): Figure {
  const quarter = Math.floor(over.length / 4);
  const earlier = over.slice(-2 * quarter, -quarter);
  const later = over.slice(-quarter);
  return figureOf({
    key: 'growth',
    name: `growth over a quarter of ${countText(calls)} calls at shadow, the last against the one before`,
    unit: '%',
    rounds: later.map(([, mib], at) => (mib / (earlier[at]?.[1] ?? NaN) - 1) * 100),
    target: atMost(2),
    beside: `${compared} of them compared, ${mismatches} mismatches`,
  });
}

function memoryPlot({ over }: MemoryReport): Plot {
  return {
    title: 'Resident memory over the calls at shadow',
    xTitle: 'calls',
    yTitle: 'MiB',
    series: [{ name: 'resident', points: over }],
  };
}

function runInOwnProcess(order: MemoryOrder, flags: readonly string[] = []): Promise<MemoryReport> {
  return new Promise((resolve, reject) => {
    const child = fork(join(import.meta.dirname, 'memory-process.ts'), [JSON.stringify(order)], {
      // As a user has it: the built packages. From source each worker thread would hold 16 MiB for the stripping of types.
      execArgv: ['--expose-gc', ...flags],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    let report: MemoryReport | undefined;
    const end = (): void => {
      child.kill('SIGKILL');
    };
    process.once('exit', end);
    child.on('message', (message) => {
      report = message as MemoryReport;
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      process.off('exit', end);
      if (report === undefined)
        reject(new Error(`the process that measures memory ended with ${String(code)}`));
      else resolve(report);
    });
  });
}
