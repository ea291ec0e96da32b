import { runTool } from './run-node.ts';

// The packages' sources, tests and scripts together, without a build.
process.exitCode = await runTool('typescript/bin/tsc', [
  '--project',
  'tsconfig.json',
  ...process.argv.slice(2),
]);
