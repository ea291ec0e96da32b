import { runAdopt } from './run-adopt.ts';

process.exitCode = runAdopt(process.argv.slice(2), process);
