import { readFileSync } from 'node:fs';
import { enableCompileCache } from 'node:module';

// At three in the morning on a machine under load, the command's own start is most of what a person waits for.
enableCompileCache();
// A reader that has seen enough (`| head -1`) must not end a change half-way: it goes on, and what is said is lost.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}
const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
const { version } = JSON.parse(manifest) as { readonly version: string };
const [{ runCommand }, { moreSubcommands }] = await Promise.all([
  import('@changeover/operate/command'),
  import('./subcommands.ts'),
]);
process.exitCode = await runCommand(process.argv.slice(2), process, {
  version,
  more: moreSubcommands,
});
