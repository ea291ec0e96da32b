import type { ConsoleOptions, OpenConsole } from './open-console.ts';

export type { ConsoleOptions, OpenConsole };

/** Serves the local page of a migration. Loaded when it is called: the other commands have no use for a server. Rejects where the port
 * is taken. */
export async function openConsole(options: ConsoleOptions): Promise<OpenConsole> {
  const server = await import('./open-console.ts');
  return await server.openConsole(options);
}
