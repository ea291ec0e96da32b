import { enableCompileCache } from 'node:module';

// At three in the morning on a machine under load, the command's own start is most of what a person waits for.
enableCompileCache();
const { runCommand } = await import('./run-command.ts');
process.exitCode = await runCommand(process.argv.slice(2), process);
