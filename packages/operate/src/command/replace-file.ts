import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { CommandError } from './command-error.ts';

/**
 * Writes a file in one step: no reader sees half of it, and it keeps its mode.
 *
 * @throws {CommandError} where it can't be; the file is as it was then.
 */
export function replaceFile(path: string, text: string): void {
  const temporaryPath = `${path}.${randomUUID().slice(0, 8)}.new`;
  try {
    writeFileSync(temporaryPath, text);
    if (existsSync(path)) chmodSync(temporaryPath, statSync(path).mode & 0o777);
    renameSync(temporaryPath, path);
  } catch (error) {
    rmSync(temporaryPath, { force: true });
    throw new CommandError(`${path} can't be written: ${(error as Error).message}`);
  }
}
