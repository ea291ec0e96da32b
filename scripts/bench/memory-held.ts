import { fork } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, runTool } from '../run-node.ts';
import {
  atMost,
  type BenchCase,
  type BenchContext,
  type CaseResult,
  type Figure,
  type Plot,
} from './figure.ts';
import type { MemoryOrder, MemoryReport } from './memory-process.ts';

const packages = join(root, 'packages');

export const memoryHeld: BenchCase = {
  name: 'memory-held',
  title:
    "memory at the ADR's working set (about 500 MB held) and after 10^6 calls at shadow; an idle dataset's cost",
  run: measureMemory,
};

/** V8 enlarges each thread's young generation in steps up to 16 MiB a half, which would be counted as the datasets' that came then. */
const fullYoungGenerations = ['--min-semi-space-size=16', '--max-semi-space-size=16'];

async function measureMemory({ quick }: BenchContext): Promise<CaseResult> {
  const heldMib = quick ? 50 : 480;
  const calls = quick ? 20_000 : 1_000_000;
  const folder = mkdtempSync(join(tmpdir(), 'changeover-memory-'));
  try {
    const order = (part: Partial<MemoryOrder>): MemoryOrder => ({
      folder,
      heldMib,
      calls: 0,
      datasets: 0,
      stage: 'legacy',
      ...part,
    });
    const build = await runTool('typescript/bin/tsc', [
      '--build',
      ...readdirSync(packages).map((name) => join(packages, name)),
    ]);
    if (build !== 0)
      throw new Error('the packages, whose memory is to be measured, can not be built');
    const datasets = quick ? 100 : 600;
    const [legacy, idle] = await Promise.all([
      runApart(order({ stage: 'legacy', calls })),
      runApart(order({ stage: 'pooled', heldMib: 0, datasets }), fullYoungGenerations),
    ]);
    // One after the other: beside another process pooled takes 15 MiB more.
    const reports = {
      legacy,
      pooled: await runApart(order({ stage: 'pooled', calls })),
      shadow: await runApart(order({ stage: 'shadow', calls })),
    };
    const figures: Figure[] = [];
    for (const stage of ['pooled', 'shadow'] as const) {
      const ratio = reports[stage].rssMib / reports.legacy.rssMib;
      figures.push({
        name: `resident memory at ${stage} / legacy, each after ${calls.toExponential(0)} calls`,
        figure: ratio,
        unit: '×',
        ...atMost(ratio, 1.1),
        beside: `${reports[stage].rssMib.toFixed(0)} MiB against ${reports.legacy.rssMib.toFixed(0)} MiB, of which about ${
          heldMib
        } MiB are rows that the caller holds`,
      });
    }
    const growth = flatness(reports.shadow.over);
    figures.push({
      name: 'growth over the second half of the calls at shadow',
      figure: growth,
      unit: '%',
      ...atMost(growth, 2),
      beside: `${reports.shadow.compared} of them compared, ${reports.shadow.mismatches} mismatches`,
    });
    figures.push({
      name: 'an idle dataset',
      figure: idle.idleKibPerDataset,
      unit: 'KiB',
      ...atMost(idle.idleKibPerDataset, 50),
      beside: `after ${datasets} datasets were used and their connections closed by idleness, beside as many before`,
    });
    return { figures, plots: [memoryPlot(reports.shadow)] };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** By how much the least memory of the last quarter is more than that of the quarter before, in per cent; never below 0. */
function flatness(over: readonly (readonly [number, number])[]): number {
  const quarter = Math.floor(over.length / 4);
  const least = (points: typeof over): number => Math.min(...points.map(([, mib]) => mib));
  const [third, fourth] = [least(over.slice(-2 * quarter, -quarter)), least(over.slice(-quarter))];
  return Math.max(0, (fourth / third - 1) * 100);
}

function memoryPlot({ over }: MemoryReport): Plot {
  return {
    title: 'Resident memory over the calls at shadow',
    xTitle: 'calls',
    yTitle: 'MiB',
    series: [{ name: 'resident', points: over }],
  };
}

function runApart(order: MemoryOrder, flags: readonly string[] = []): Promise<MemoryReport> {
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
