import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';

/** The repository's top folder. */
export const root: string = dirname(import.meta.dirname);

/**
 * Runs a tool's JavaScript with this Node and hands its exit code over.
 *
 * @param tool path below `node_modules`.
 */
export function runTool(
  tool: string,
  args: readonly string[],
  nodeArgs: readonly string[] = [],
): Promise<number> {
  const child = spawn(process.execPath, [...nodeArgs, join(root, 'node_modules', tool), ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => {
      resolve(code ?? 1);
    });
  });
}
