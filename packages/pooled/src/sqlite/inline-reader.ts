import { statSync } from 'node:fs';
import type { Clock } from '@changeover/core';
import {
  classifyError,
  datasetPrograms,
  fileMark,
  type LogPosition,
  logPosition,
  openSqliteSession,
} from '@changeover/engines';
import type { Program, SqliteSession, StepResult } from '@changeover/engines';
import { runDirectly } from '../job.ts';
import type { JobContext, OperationJob } from '../job.ts';

/** How often it is checked that the open file is still the one at its path. */
const recheckMs = 1_000;

/** What an inline reader is made of. */
export interface InlineReaderParts {
  readonly dataset: string;
  readonly file: string;
  readonly cacheSizeKib: number;
  readonly clock: Clock;
  readonly onClosed: () => void;
  /** What was measured on this file says no more what its reads take: it has doubled, or its schema has changed. */
  readonly onChanged: () => void;
}

/** One dataset's connection on the main thread, for reads that cost less than sending them elsewhere. It never waits for
 * a lock: what would have to is left to a worker. */
export class InlineReader {
  readonly #context: JobContext;
  readonly #file: string;
  readonly #cacheSizeKib: number;
  readonly #clock: Clock;
  readonly #onClosed: () => void;
  readonly #onChanged: () => void;
  #schemaVersion: unknown;
  #bytes = 0;
  #session: SqliteSession | undefined;
  #identity = '';
  #checkedAtMs = 0;
  /** When it was last used, on the monotonic clock. */
  usedAtMs = 0;
  #position: LogPosition | undefined;
  /** Tells one opening from another: what a connection says of changes holds for itself only. */
  #openings = 0;

  constructor({ dataset, file, cacheSizeKib, clock, onClosed, onChanged }: InlineReaderParts) {
    // Made once: a point read spent a tenth of its time on making them.
    this.#context = {
      engine: 'sqlite',
      dataset,
      form: 'objects',
      programs: datasetPrograms({ engine: 'sqlite', dataset, lasting: true }),
    };
    this.#file = file;
    this.#cacheSizeKib = cacheSizeKib;
    this.#clock = clock;
    this.#onClosed = onClosed;
    this.#onChanged = onChanged;
  }

  get open(): boolean {
    return this.#session?.usable === true;
  }

  /**
   * Runs a read to its end.
   *
   * @returns undefined where it can't be done here now: the file is locked or can't be opened, which a worker may wait
   * for or explain.
   * @throws what the operation throws.
   */
  tryRun(
    job: OperationJob,
  ):
    | { readonly value: unknown; readonly openingMs: number; readonly durationMs: number }
    | undefined {
    let startedMs = this.#clock.monotonicMs();
    const opens = !this.open;
    const session = this.#usableSession(startedMs);
    if (session === undefined) return undefined;
    let openingMs = 0;
    if (opens) {
      const openedMs = this.#clock.monotonicMs();
      openingMs = openedMs - startedMs;
      startedMs = openedMs;
    }
    this.usedAtMs = startedMs;
    try {
      const value = runDirectly(session, this.#context, job);
      return { value, openingMs, durationMs: this.#clock.monotonicMs() - startedMs };
    } catch (error) {
      const kind = classifyError('sqlite', error);
      if (kind === 'busy' || kind === 'conflict') return undefined;
      if (kind === 'corrupt' || kind === 'connection' || kind === 'resource') this.close();
      throw error;
    }
  }

  /** A token that changes when anyone else has committed; undefined where this connection isn't open. */
  version(): string | undefined {
    const session = this.#session;
    if (session === undefined || !session.usable) return undefined;
    const { rows } = session.run(dataVersion());
    return `${this.#openings}:${Number(rows[0]?.['data_version'])}`;
  }

  /** The same, where this connection isn't open with opening it; undefined where that can't be done now. */
  look(): string | undefined {
    const nowMs = this.#clock.monotonicMs();
    if (this.#usableSession(nowMs) === undefined) return undefined;
    this.usedAtMs = nowMs;
    return this.version();
  }

  /** How far the writes to the file have come, and the schema that it had then. See `ShadowLeg.mark`. */
  mark(): string | undefined {
    if (this.look() === undefined) return undefined;
    const schema = Number(this.#session?.run(schemaVersion()));
    const position = logPosition(this.#file, this.#position);
    this.#position = position;
    return position === undefined ? undefined : fileMark(this.#file, schema, position);
  }

  close(): void {
    const session = this.#session;
    this.#session = undefined;
    if (session === undefined) return;
    session.close();
    this.#onClosed();
  }

  #usableSession(nowMs: number): SqliteSession | undefined {
    if (this.#session?.usable === true && nowMs - this.#checkedAtMs < recheckMs)
      return this.#session;
    try {
      // A dataset that another process dropped and made again is another file at the same path.
      const { dev, ino, size } = statSync(this.#file);
      const identity = `${dev}:${ino}`;
      if (this.#session?.usable !== true || identity !== this.#identity) this.#reopen(identity);
      if (this.#isChanged(size)) {
        this.#checkedAtMs = nowMs;
        this.#onChanged();
        return undefined;
      }
    } catch {
      this.close();
      return undefined;
    }
    this.#checkedAtMs = nowMs;
    return this.#session;
  }

  /** Whether the file is another than it was when its reads were measured. */
  #isChanged(size: number): boolean {
    const wal = statSync(`${this.#file}-wal`, { throwIfNoEntry: false });
    const bytes = size + (wal?.size ?? 0);
    const version = this.#session?.run(schemaVersion());
    const isKnown = this.#schemaVersion !== undefined;
    const isChanged = isKnown && (version !== this.#schemaVersion || bytes > 2 * this.#bytes);
    if (!isKnown || isChanged) this.#bytes = bytes;
    this.#schemaVersion = version;
    return isChanged;
  }

  #reopen(identity: string): void {
    this.close();
    this.#session = openSqliteSession({
      file: this.#file,
      readonly: true,
      busyTimeoutMs: 0,
      cacheSizeKib: this.#cacheSizeKib,
    });
    this.#identity = identity;
    this.#openings += 1;
  }
}

function* schemaVersion(): Program<unknown> {
  const { rows } = yield { kind: 'all', sql: 'PRAGMA schema_version' };
  return rows[0]?.['schema_version'];
}

function* dataVersion(): Program<StepResult> {
  return yield { kind: 'all', sql: 'PRAGMA data_version' };
}
