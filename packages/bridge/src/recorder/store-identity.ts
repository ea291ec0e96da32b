import { mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** The path of an open store names no file any more, or another one: what is written to the open one is lost with it. */
export class StoreGoneError extends Error {
  constructor() {
    super("the store's file was deleted or replaced");
  }
}

/** Which file a path names; undefined where it names none. A file's number is not given again while the file is open. */
type FileNumber = string | undefined;

/** The files that SQLite keeps beside the store while it is open. */
const companions = ['-wal', '-shm'] as const;

/** The files of an open store, by which it can be told that they are no longer those that the path names. */
export class StoreIdentity {
  readonly #path: string;
  readonly #main: FileNumber;
  readonly #companions: readonly FileNumber[];

  /** To be made once something was read, so that all files are there. */
  constructor(path: string) {
    this.#path = path;
    this.#main = path === ':memory:' ? undefined : fileNumber(path);
    this.#companions = companions.map((name) => fileNumber(path + name));
  }

  /** Takes some microseconds.
   *
   * @throws {StoreGoneError} where the file is deleted or replaced. Opened anew, there is a folder for it, and nothing of the old one. */
  check(): void {
    if (this.#main === undefined) return;
    if (fileNumber(this.#path) === this.#main) return;
    this.#makeRoom();
    throw new StoreGoneError();
  }

  /** SQLite would take what was meant for the old file into the new one, and cut short what open connections have in memory. */
  #makeRoom(): void {
    try {
      for (const [at, name] of companions.entries()) {
        const known = this.#companions[at];
        if (known !== undefined && fileNumber(this.#path + name) === known)
          rmSync(this.#path + name, { force: true });
      }
      // It was there when the store was opened.
      mkdirSync(dirname(this.#path), { mode: 0o700 });
    } catch {
      // It is there, or opening the store says what is wrong.
    }
  }
}

function fileNumber(path: string): FileNumber {
  try {
    const found = statSync(path, { bigint: true, throwIfNoEntry: false });
    return found === undefined ? undefined : `${String(found.dev)}:${String(found.ino)}`;
  } catch {
    return undefined;
  }
}
