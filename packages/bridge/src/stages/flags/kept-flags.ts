import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isObject } from './stage-variant.ts';
import { makeFolder } from '../../make-folder.ts';

/** What a server's flags were last, on disk. */
export interface KeptFlags {
  /** Milliseconds since 1970. */
  readonly savedAt: number;
  readonly document: unknown;
}

/** Writes the whole file or nothing of it, readable by its owner alone, in a folder of the same kind where there is
 * none.
 *
 * @throws the file system's error. */
export function keepFlags(path: string, url: string, kept: KeptFlags): void {
  makeFolder(dirname(path), 0o700);
  const draft = `${path}.${String(process.pid)}.new`;
  // A draft that a crash left behind may have another mode.
  rmSync(draft, { force: true });
  writeFileSync(draft, JSON.stringify({ url, ...kept }), { mode: 0o600, flag: 'wx' });
  renameSync(draft, path);
}

/** Reads what was kept of this server; undefined where there is none or it is another server's.
 *
 * @throws the file system's or the parser's error. */
export function readKeptFlags(path: string, url: string): KeptFlags | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
    throw error;
  }
  const found: unknown = JSON.parse(text);
  if (!isObject(found) || found['url'] !== url || typeof found['savedAt'] !== 'number')
    return undefined;
  return { savedAt: found['savedAt'], document: found['document'] };
}
