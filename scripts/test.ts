import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, runTool } from './run-node.ts';

/** What builds, packs, installs, begins, ends, measures or moves whole programs, the campaigns of faults, kills and histories, of several
 * processes and of traffic beside its own writes, of hostile arguments and of statements that act unseen, and the whole contract through each
 * pooler. */
const long = [
  'packages/bridge/src/stages/flags/unleash-server',
  'packages/bridge/src/stages/gates/planted-problems',
  'packages/pooled/src/sqlite/runaway',
  'packages/storage/src/verify/verify-process',
  'test/adapters/planted-faults',
  'test/adapters/typeorm',
  'test/adopt',
  'test/bench',
  'test/command/reproduce-adapters',
  'test/command/unleash',
  'test/console/shared-store',
  'test/docs/tutorial',
  'test/examples',
  'test/faults/cut-short',
  'test/faults/faults',
  'test/faults/history/history-run',
  'test/faults/kills',
  'test/first-steps/init',
  'test/fleet/long',
  'test/guarantees/hostile-arguments',
  'test/guarantees/programs',
  'test/integration/found-faults',
  'test/integration/traffic',
  'test/packed',
  'test/poolers/campaign',
  'test/poolers/conformance',
  'test/poolers/workload',
  'test/processes',
  'test/soak',
  'test/statements/hidden-acts',
];

// Every test but the long ones: Jest over packages/ and test/. `npm test -- --long` runs those. Other arguments are Jest's own:
// `npm test -- packages/core`.
const given = process.argv.slice(2);
const selected =
  given.length === 0
    ? ['--testPathIgnorePatterns', ...long]
    : given.flatMap((argument) => (argument === '--long' ? long : [argument]));
const folder = mkdtempSync(join(tmpdir(), 'changeover-test-'));
// Many tests start programs, and what starts one is mostly reading, stripping and compiling the same sources: 0.65 s of CPU, and 0.2 s
// of what another has compiled.
process.env['NODE_COMPILE_CACHE'] ??= join(root, 'node_modules/.cache/changeover-compiled');
const outputFile = join(folder, 'results.json');
const code = await runTool(
  'jest/bin/jest.js',
  [
    '--config',
    'test/jest.config.mjs',
    '--maxWorkers=4',
    '--json',
    `--outputFile=${outputFile}`,
    ...selected,
  ],
  ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'],
);
let failed = 1;
try {
  const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = JSON.parse(
    readFileSync(outputFile, 'utf8'),
  ) as Readonly<Record<'numPassedTests' | 'numFailedTests' | 'numRuntimeErrorTestSuites', number>>;
  // A suite that could not be run has no tests to count, and must not look like success.
  failed = numFailedTests + numRuntimeErrorTestSuites;
  process.stdout.write(`${String(numPassedTests)} passed, ${String(failed)} failed\n`);
} catch {
  process.stderr.write('Jest wrote no results.\n');
} finally {
  rmSync(folder, { recursive: true, force: true });
}
// By the count too: no library that meddles with how a process ends can make a failure pass.
process.exitCode = code === 0 && failed > 0 ? 1 : code;
