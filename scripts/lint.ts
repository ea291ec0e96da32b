import { runTool } from './run-node.ts';

// Layout is the formatter's business, everything else the linter's. `npm run lint -- --fix` mends what can be mended.
const fix = process.argv.includes('--fix');
const layout = await runTool('prettier/bin/prettier.cjs', [
  fix ? '--write' : '--check',
  '--log-level=warn',
  '.',
]);
const rules = await runTool('eslint/bin/eslint.js', [
  '.',
  '--max-warnings=0',
  ...process.argv.slice(2),
]);
process.exitCode = layout === 0 ? rules : layout;
