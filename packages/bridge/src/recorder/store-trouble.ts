import { type Clock, describe } from '@changeover/core';
import type { Logger } from '../log.ts';
import { storeErrorCode } from './store-file.ts';

/** A full disk has room for a moment each time that somebody tidies up: the same failure isn't told each time. */
const tellAgainMs = 600_000;
/** A lock that lasts longer than any write or backup of a file of this size. */
const tellLockedAfterMs = 30_000;

/** What to do about the system's errors and SQLite's, as the end of a sentence. */
const remedies: Readonly<Record<string, string>> = {
  SQLITE_FULL: 'make room on its disk',
  ENOSPC: 'make room on its disk',
  EDQUOT: 'make room on its disk: the quota is used up',
  EMFILE:
    'the process has no file descriptor left: raise its limit (ulimit -n), or close what it leaks',
  ENFILE: 'the machine has no file descriptor left: close what leaks them',
  ENOENT: 'make its folder, or give it another file',
  EROFS:
    'it is on a file system that is mounted read-only: mount it for writing, or give it another file',
  EACCES: 'let this process write it and its folder, or give it another file',
  EPERM: 'let this process write it and its folder, or give it another file',
  SQLITE_READONLY:
    'it is read-only for this process: let it write the file and its folder, mount that for writing, or give it another file',
  SQLITE_CANTOPEN:
    'let this process write its folder too, which must not be mounted read-only; or it has no file descriptor left (ulimit -n)',
  SQLITE_IOERR:
    'its disk fails, is full, or lets no file grow further (ulimit -f): see what the system says of it, or give it another file',
  SQLITE_NOTADB: 'it is no database: move it away, or give it another file',
  SQLITE_CORRUPT: 'it is damaged: stop the programs and move it away, or give it another file',
};

/** What a person does about an error with that code; undefined where nothing is known of it. */
export function remedyOf(code: string): string | undefined {
  return remedies[code];
}

/** What keeps the store from being written: each told once, with what to do, until it is over. */
export class StoreTrouble {
  readonly #place: string;
  readonly #logger: Logger;
  readonly #clock: Clock;
  #failures = 0;
  #code: string | undefined = undefined;
  #busySinceMs: number | undefined = undefined;
  #told: { readonly code: string; readonly atMs: number } | undefined = undefined;

  /** @param place the store, as a log may have it. */
  constructor(place: string, logger: Logger, clock: Clock) {
    this.#place = place;
    this.#logger = logger;
    this.#clock = clock;
  }

  /** Why the store can't be written; undefined where it can, or is only locked for a moment. */
  get code(): string | undefined {
    return this.#code;
  }

  /** Tries that failed for reasons that don't pass by themselves, since the last that didn't. */
  get failures(): number {
    return this.#failures;
  }

  /** A try failed; `busy` where another process holds the file, which passes in most cases. */
  failed(error: unknown): 'busy' | 'failed' {
    const code = storeErrorCode(error);
    const now = this.#clock.monotonicMs();
    if (code === 'SQLITE_BUSY' || code === 'SQLITE_LOCKED') {
      this.#busySinceMs ??= now;
      if (this.#code === undefined && now - this.#busySinceMs >= tellLockedAfterMs)
        this.#tellLocked(code);
      return 'busy';
    }
    this.#busySinceMs = undefined;
    this.#failures += 1;
    this.#code = code;
    if (this.#told?.code !== code || now - this.#told.atMs >= tellAgainMs) {
      this.#told = { code, atMs: now };
      this.#logger.error(
        { store: this.#place, err: error },
        `the comparison store ${describe(this.#place)} can't be written (${code}); counts stay in memory ` +
          `until it can: ${remedyOf(code) ?? 'make room, let this process write there, or give it another file'}`,
      );
    }
    return 'failed';
  }

  /** The file was taken from under the process. Whether it is there again by now says nothing: another process may have been first. */
  gone(): void {
    this.#logger.warn(
      { store: this.#place },
      `the comparison store ${describe(this.#place)} was deleted or replaced by another file while programs use it: this one goes on ` +
        'in the file of that name, with its present counts and what it knows of stages and holds; older counts are gone, unless ' +
        'you stop the programs and put the file back',
    );
  }

  /** A try succeeded. */
  recovered(): void {
    this.#failures = 0;
    this.#busySinceMs = undefined;
    if (this.#code === undefined) return;
    this.#code = undefined;
    this.#logger.debug({ store: this.#place }, 'the comparison store can be written again');
  }

  #tellLocked(code: string): void {
    this.#code = code;
    this.#logger.warn(
      { store: this.#place },
      `the comparison store ${describe(this.#place)} has been locked by another process for ` +
        `${String(tellLockedAfterMs / 1_000)} s: counts stay in memory, and steps of the ledger wait, until it lets go. Find who has ` +
        'the file open (lsof): a database browser or a backup, perhaps',
    );
  }
}
