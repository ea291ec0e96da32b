import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type BenchCase, type BenchContext, type CaseResult, figureOf } from './figure.ts';
import { quantile } from './quantile.ts';
import { atMost } from './verdict.ts';

const root = dirname(dirname(import.meta.dirname));

export const storageTests: BenchCase = {
  name: 'storage-tests',
  title: "the conformance suite's own time, against the legacy leg, which must run serially",
  run: measureTests,
};

async function measureTests({ quick }: BenchContext): Promise<CaseResult> {
  const ratios: number[] = [];
  const limits: number[] = [];
  let last = { legacy: { ms: 0, tests: 0 }, pooled: { ms: 0, tests: 0 } };
  for (let round = 0; round < (quick ? 1 : 3); round += 1) {
    // The singleton is one a process and its engines share a server: one file after the other, in one process.
    const legacy = await runTests('test/conformance/legacy-', ['--runInBand']);
    const pooled = await runTests('test/conformance/pooled-', ['--maxWorkers=2']);
    if (legacy.tests !== pooled.tests)
      throw new Error(`${legacy.tests} tests against ${pooled.tests}: not the same work`);
    ratios.push(pooled.ms / legacy.ms);
    limits.push(Math.max(pooled.longestMs, pooled.sumMs / availableParallelism()) / legacy.ms);
    last = { legacy, pooled };
  }
  const suite =
    "the pooled leg's suite, its files side by side / the legacy leg's, one after the other";
  return {
    figures: [
      figureOf({
        key: 'goal',
        name: suite,
        unit: '×',
        rounds: ratios,
        target: atMost(0.6),
        beside:
          `${last.legacy.tests} tests each: ${(last.pooled.ms / 1_000).toFixed(1)} s against ${(last.legacy.ms / 1_000).toFixed(1)} s ` +
          `from the first test file's begin to the last one's end; limit: three files on ${availableParallelism()} cores, the longest ` +
          `of them alone, ${quantile(limits, 0.5).toFixed(2)} ×`,
      }),
      figureOf({
        key: 'adr',
        name: 'the same against what the ADR promises',
        unit: '×',
        rounds: ratios,
        target: atMost(0.5),
      }),
    ],
  };
}

interface TestRun {
  readonly ms: number;
  readonly tests: number;
  /** Of the test files. */
  readonly longestMs: number;
  readonly sumMs: number;
}

interface JestResults {
  readonly success: boolean;
  readonly numPassedTests: number;
  readonly testResults: readonly { readonly startTime: number; readonly endTime: number }[];
}

/** Jest's own times, without its start and the database's. */
async function runTests(pattern: string, args: readonly string[]): Promise<TestRun> {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-tests-'));
  const outputFile = join(folder, 'results.json');
  try {
    await new Promise<void>((resolve, reject) => {
      const child = spawn(
        process.execPath,
        [
          '--experimental-vm-modules',
          '--disable-warning=ExperimentalWarning',
          join(root, 'node_modules/jest/bin/jest.js'),
          '--config',
          'test/jest.config.mjs',
          '--json',
          `--outputFile=${outputFile}`,
          '--silent',
          ...args,
          pattern,
        ],
        { cwd: root, stdio: 'ignore' },
      );
      child.on('error', reject);
      child.on('exit', () => {
        resolve();
      });
    });
    const { success, numPassedTests, testResults } = JSON.parse(
      readFileSync(outputFile, 'utf8'),
    ) as JestResults;
    if (!success) throw new Error(`tests of ${pattern} failed: their time tells nothing`);
    const begun = Math.min(...testResults.map(({ startTime }) => startTime));
    const ended = Math.max(...testResults.map(({ endTime }) => endTime));
    const took = testResults.map(({ startTime, endTime }) => endTime - startTime);
    return {
      ms: ended - begun,
      tests: numPassedTests,
      longestMs: Math.max(...took),
      sumMs: took.reduce((sum, ms) => sum + ms, 0),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
