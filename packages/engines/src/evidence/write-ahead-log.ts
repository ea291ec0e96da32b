import { closeSync, openSync, readSync } from 'node:fs';

/**
 * How far a SQLite file's write-ahead log has come. The log alone is read, and never the file or its index: to close one of those
 * would drop the locks that SQLite holds on it in this process.
 */
export interface LogPosition {
  /** Differs once the log was begun anew, after which it is written over. */
  readonly generation: string;
  /** Frames up to the end of the last transaction but one, as far as it was gone through. */
  readonly frames: number;
  /** Frames up to the end of the last transaction, and those that were gone through. */
  readonly last: number;
  readonly seen: number;
}

const headerBytes = 32;
const frameHeaderBytes = 24;
/** Frames that are gone through at once, in a millisecond or two: the rest is, the next time. */
const maxFramesAtOnce = 250;
/** Frames in which pages are looked for: SQLite begins anew at a thousand, unless somebody reads an old state. */
const maxFrames = 20_000;

interface OpenLog {
  readonly fd: number;
  readonly generation: Buffer;
  readonly pageBytes: number;
}

/**
 * The position of a file's log. What stands before it every read sees that begins from now on; of the last transaction that is not
 * known, since it is seen a moment after its end was written.
 *
 * @param from an earlier position of the same log, from which it is gone on. Default: from its beginning.
 * @returns undefined where there is no log.
 */
export function logPosition(file: string, from?: LogPosition): LogPosition | undefined {
  return withLog(file, (log) => {
    const generation = log.generation.toString('hex');
    let { frames, last, seen } =
      from?.generation === generation ? from : { frames: 0, last: 0, seen: 0 };
    for (const limit = seen + maxFramesAtOnce; seen < limit; seen += 1) {
      const frame = frameAt(log, seen);
      if (frame === undefined) break;
      if (!frame.endsTransaction) continue;
      frames = last;
      last = seen + 1;
    }
    return { generation, frames, last, seen };
  });
}

/** The pages that were written behind a position, by transactions that did not end, too. Undefined where it can't be told any more. */
export function pagesWrittenSince(
  file: string,
  { generation, frames }: Pick<LogPosition, 'generation' | 'frames'>,
): ReadonlySet<number> | undefined {
  const pages = withLog(file, (log) => {
    if (log.generation.toString('hex') !== generation) return undefined;
    const written = new Set<number>();
    for (let at = frames; at < frames + maxFrames; at += 1) {
      const frame = frameAt(log, at);
      if (frame === undefined) return written;
      written.add(frame.page);
    }
    return undefined;
  });
  // Begun anew while it was read, it may have been written over.
  const now = withLog(file, (log) => log.generation.toString('hex'));
  return now === generation ? pages : undefined;
}

function withLog<T>(file: string, read: (log: OpenLog) => T | undefined): T | undefined {
  let fd: number;
  try {
    fd = openSync(`${file}-wal`, 'r');
  } catch {
    return undefined;
  }
  try {
    const header = Buffer.alloc(headerBytes);
    if (readSync(fd, header, 0, headerBytes, 0) < headerBytes) return undefined;
    const pageBytes = header.readUInt32BE(8);
    return read({ fd, generation: header.subarray(16, 24), pageBytes });
  } finally {
    closeSync(fd);
  }
}

/** Undefined behind the last frame of this generation. */
function frameAt(
  { fd, generation, pageBytes }: OpenLog,
  at: number,
): { readonly page: number; readonly endsTransaction: boolean } | undefined {
  const header = Buffer.alloc(frameHeaderBytes);
  const place = headerBytes + at * (frameHeaderBytes + pageBytes);
  if (readSync(fd, header, 0, frameHeaderBytes, place) < frameHeaderBytes) return undefined;
  if (!header.subarray(8, 16).equals(generation)) return undefined;
  return { page: header.readUInt32BE(0), endsTransaction: header.readUInt32BE(4) !== 0 };
}
