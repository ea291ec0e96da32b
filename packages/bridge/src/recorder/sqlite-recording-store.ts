import { BatchWriter } from './batch-writer.ts';
import { cellValues } from './cell-rows.ts';
import { readDatabase } from './read-sqlite-store.ts';
import type { RelianceEvidence } from './reliance-book.ts';
import { readReliance } from './reliance-rows.ts';
import type { ReportBuilder } from './report-builder.ts';
import { prepareSchema } from './sqlite-schema.ts';
import { StoreIdentity } from './store-identity.ts';
import { inOneGo, type Steps } from '../steps.ts';
import {
  inTransaction,
  openStoreFile,
  openStoreFileToRead,
  rollBack,
  type StoreDatabase,
  waitForLocks,
} from './store-file.ts';
import { RepeatTable } from './repeat-table.ts';
import type { Batch, OwnRows } from './store-rows.ts';
import type { RecordingStore } from './recording-store.ts';

/**
 * The comparison store: an SQLite file that several processes share, each writing rows of its own. Every function
 * is one short try that throws the driver's error; nothing waits for a lock unless that is allowed.
 */
export class SqliteRecordingStore implements RecordingStore {
  readonly #database: StoreDatabase;
  readonly #path: string;
  /** For reading in steps, during which the other one goes on writing. Opened when it is first asked for. */
  #reader: StoreDatabase | undefined = undefined;
  #reading = false;
  readonly #identity: StoreIdentity;
  readonly repeats: RepeatTable;
  readonly #writer: BatchWriter;

  /**
   * @param path a file, made with mode 0600 where there is none, or `:memory:`.
   * @param maxWaitMs see {@link allowWaiting}. Default: nothing waits.
   * @throws the driver's error where the file can't be opened, is another's, or is locked.
   */
  constructor(path: string, nowMs: number, maxWaitMs?: number) {
    this.#path = path;
    this.#database = openStoreFile(path, maxWaitMs);
    try {
      prepareSchema(this.#database, nowMs);
      this.#writer = new BatchWriter(this.#database);
      this.repeats = new RepeatTable(this.#database);
      this.#identity = new StoreIdentity(path);
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** All of it or nothing. */
  write(batch: Batch): void {
    this.#identity.check();
    // Turning histograms into text takes longer than writing them: not while others wait for the lock.
    const cells = batch.cells.map((row) => cellValues(row, batch.writer.lastAt));
    inTransaction(this.#database, 'immediate', () => {
      this.#writer.write(batch, cells);
    });
  }

  /** Looks whether what was written is still there, where there is nothing to write.
   *
   * @throws {StoreGoneError} where it isn't. */
  check(): void {
    this.#identity.check();
  }

  /** Adds all that is stored but what the caller adds itself. */
  read(builder: ReportBuilder, own: OwnRows): void {
    inTransaction(this.#database, 'deferred', () => {
      inOneGo(readDatabase(this.#database, builder, own));
    });
  }

  /**
   * The same in steps, of the state at the first one. What is in memory alone has no second connection, and a second reader while
   * the first one is under way none of its own: those are read in one step.
   */
  *readInSteps(builder: ReportBuilder, own: OwnRows): Steps<void> {
    if (this.#path === ':memory:' || this.#reading) {
      this.read(builder, own);
      return;
    }
    const reader = (this.#reader ??= openStoreFileToRead(this.#path));
    this.#reading = true;
    try {
      // The state is that of the first look, not of `begin`.
      reader.exec('begin; select 1 from writer limit 1');
      yield* readDatabase(reader, builder, own);
    } finally {
      this.#reading = false;
      if (this.#reader === reader) rollBack(reader);
    }
  }

  readReliance(add: (row: RelianceEvidence) => void, ownWriter: string): void {
    readReliance(this.#database, add, ownWriter);
  }

  /** For the last write before closing, which is on no caller's path. */
  allowWaiting(maxWaitMs: number): void {
    waitForLocks(this.#database, maxWaitMs);
  }

  close(): void {
    this.#reader?.close();
    this.#reader = undefined;
    this.#database.close();
  }
}
