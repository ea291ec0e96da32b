import { runTool } from './run-node.ts';

process.exitCode = await runTool('eslint/bin/eslint.js', process.argv.length > 2 ? process.argv.slice(2) : ['.', '--max-warnings=0']);
