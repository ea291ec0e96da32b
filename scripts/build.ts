import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root, runTool } from './run-node.ts';

// Each package's dist/ with its type declarations, in the order of their references.
const packages = readdirSync(join(root, 'packages')).map((name) => join('packages', name));
process.exitCode = await runTool('typescript/bin/tsc', [
  '--build',
  ...packages,
  ...process.argv.slice(2),
]);
