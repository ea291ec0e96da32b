import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** What is at a place that should be a file, where it is something else. */
export class NoFileError extends Error {}

/**
 * The text of a file that is read on the main thread, in the time that its bytes take: what is at the place may be a pipe that
 * nobody writes to, a device, or far too large, and whatever it is was put there while the program runs.
 *
 * @param maxBytes more are not read.
 * @throws {NoFileError} where it is no file or has more bytes; the message ends a sentence that begins with its name.
 * @throws {Error} the system's, with its `code`.
 */
export function readSmallFile(path: string, maxBytes: number): string {
  // Opening a pipe for reading waits for a writer unless it is told not to. Windows has no such pipes, nor the constant.
  const unwaiting = process.platform === 'win32' ? 0 : constants.O_NONBLOCK;
  const file = openSync(path, constants.O_RDONLY | unwaiting);
  try {
    const found = fstatSync(file);
    if (found.isDirectory()) throw new NoFileError('is a folder; name the file in it');
    if (!found.isFile())
      throw new NoFileError('is no ordinary file but a pipe, a socket or a device; write a file');
    if (found.size > maxBytes) {
      throw new NoFileError(`has ${String(found.size)} bytes; write at most ${String(maxBytes)}`);
    }
    return textOf(file, maxBytes);
  } finally {
    closeSync(file);
  }
}

/** It may have grown since it was looked at. */
function textOf(file: number, maxBytes: number): string {
  const bytes = Buffer.allocUnsafe(maxBytes + 1);
  let length = 0;
  for (;;) {
    const read = readSync(file, bytes, length, bytes.length - length, null);
    length += read;
    if (length > maxBytes)
      throw new NoFileError(`has more bytes than the ${String(maxBytes)} that are read`);
    if (read === 0) return bytes.toString('utf8', 0, length);
  }
}
