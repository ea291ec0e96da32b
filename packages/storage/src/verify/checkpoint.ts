import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Engine } from '@changeover/engines';
import type { StoredSideScan } from './side-scan.ts';
import type { TableResult } from './verify-types.ts';

/** How far both sides of a table were read. */
export interface StoredScans {
  readonly left: StoredSideScan;
  readonly right: StoredSideScan;
}

interface State {
  readonly format: 1;
  readonly job: string;
  readonly done: readonly TableResult[];
  readonly current?:
    | {
        readonly engine: Engine;
        readonly dataset: string;
        readonly table: string;
        readonly scans: StoredScans;
      }
    | undefined;
}

/** How often a table's progress is written at most. */
const everyMs = 1_000;

/** What names a table in a job. */
export interface TablePlace {
  readonly engine: Engine;
  readonly dataset: string;
  readonly table: string | undefined;
}

/**
 * What a verification has done, kept in a file that is replaced as a whole, so that a process that is killed leaves either
 * the state before or the one after. It holds digests, counts, rows' places and the results; no values but those that were
 * asked to be shown.
 */
export class Checkpoint {
  readonly #file: string | undefined;
  readonly #job: string;
  readonly #nowMs: () => number;
  #state: State;
  #writtenMs = -Infinity;

  /**
   * @param file where it is kept; undefined keeps it nowhere.
   * @param job what is verified and how: a file of another job counts for nothing.
   */
  constructor(file: string | undefined, job: unknown, nowMs: () => number) {
    this.#file = file;
    this.#job = jobDigest(job);
    this.#nowMs = nowMs;
    this.#state = { format: 1, job: this.#job, done: [] };
  }

  /** Takes up what an earlier process left. @returns whether there was something. */
  resume(): boolean {
    if (this.#file === undefined) return false;
    let found: Partial<State> | null;
    try {
      found = JSON.parse(readFileSync(this.#file, 'utf8')) as Partial<State> | null;
    } catch {
      // None is there, or nothing that can be used: all is read from the beginning.
      return false;
    }
    if (found?.format !== 1 || found.job !== this.#job || !Array.isArray(found.done)) return false;
    this.#state = { format: 1, job: this.#job, done: found.done, current: found.current };
    return true;
  }

  /** What was found of a table by an earlier process. */
  done({ engine, dataset, table }: TablePlace): TableResult | undefined {
    return this.#state.done.find(
      (result) => result.engine === engine && result.dataset === dataset && result.table === table,
    );
  }

  /** How far an earlier process came with a table. */
  scans({ engine, dataset, table }: TablePlace): StoredScans | undefined {
    const { current } = this.#state;
    return current?.engine === engine && current.dataset === dataset && current.table === table
      ? current.scans
      : undefined;
  }

  /** Keeps how far a table is. @param now false leaves it where it was kept a moment ago. */
  keep(place: TablePlace, scans: () => StoredScans | undefined, now: boolean): void {
    if (this.#file === undefined || place.table === undefined) return;
    if (!now && this.#nowMs() - this.#writtenMs < everyMs) return;
    const stored = scans();
    if (stored === undefined) return;
    this.#state = {
      ...this.#state,
      current: { engine: place.engine, dataset: place.dataset, table: place.table, scans: stored },
    };
    this.#write();
  }

  add(result: TableResult): void {
    this.#state = { ...this.#state, done: [...this.#state.done, result], current: undefined };
    this.#write();
  }

  /** All is done: nothing is left to go on with. */
  remove(): void {
    if (this.#file !== undefined) rmSync(this.#file, { force: true });
  }

  #write(): void {
    if (this.#file === undefined) return;
    makeFolder(dirname(this.#file));
    const draft = `${this.#file}.${process.pid}.${randomUUID().slice(0, 8)}`;
    try {
      writeFileSync(draft, JSON.stringify(this.#state), { mode: 0o600, flush: true });
      renameSync(draft, this.#file);
    } catch (error) {
      rmSync(draft, { force: true });
      throw error;
    }
    this.#writtenMs = this.#nowMs();
  }
}

/** Only the last folder of the path: a mistyped one must not come to be. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'EEXIST') throw error;
  }
}

/** Names a job: the same for the same, and no secret can be read from it. */
export function jobDigest(job: unknown): string {
  return createHash('sha256').update(JSON.stringify(job)).digest('hex').slice(0, 16);
}
