import type { SQLInputValue, StatementSync } from 'node:sqlite';
import { countNames } from './counts.ts';
import { deleteOldMinutes, keptMinutes, minuteColumns, minuteValues } from './minute-rows.ts';
import { readDatabase } from './read-sqlite-store.ts';
import type { RelianceEvidence } from './reliance-book.ts';
import { readReliance, relianceColumns, relianceValues } from './reliance-rows.ts';
import type { ReportBuilder } from './report-builder.ts';
import { shapeColumns, shapeValues } from './shape-rows.ts';
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
import type { Batch, CellRow, OwnRows } from './store-rows.ts';
import type { RecordingStore } from './recording-store.ts';

const cellColumns = [
  'writer',
  'part',
  'hour',
  'backend',
  'dataset',
  'operation',
  'stage',
  ...countNames,
  'shed',
  'legacy_latency',
  'pooled_latency',
  'last_at',
  'paired',
];

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
  readonly #writeBatch: (batch: Batch, cells: readonly SQLInputValue[][]) => void;

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
      this.#writeBatch = this.#makeWriteBatch();
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
      this.#writeBatch(batch, cells);
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

  #makeWriteBatch(): (batch: Batch, cells: readonly SQLInputValue[][]) => void {
    const database = this.#database;
    const upsert = (table: string, columns: readonly string[]): StatementSync =>
      database.prepare(
        `insert or replace into ${table} (${columns.map((name) => `"${name}"`).join(', ')}) ` +
          `values (${columns.map(() => '?').join(', ')})`,
      );
    const writer = upsert('writer', [
      'writer',
      'run',
      'host',
      'pid',
      'node',
      'started_at',
      'last_at',
      'samples_over_limit',
    ]);
    const cell = upsert('cell', cellColumns);
    const group = upsert('sample_group', [
      'writer',
      'fingerprint',
      'backend',
      'operation',
      'verdict',
      'class',
      'count',
      'first_at',
      'last_at',
      'dataset',
      'shape',
    ]);
    const sample = upsert('sample', [
      'writer',
      'fingerprint',
      'sequence',
      'at',
      'dataset',
      'stage',
      'summary',
      'legacy',
      'pooled',
      'reason',
      'call',
    ]);
    const event = upsert('event', ['writer', 'sequence', 'at', 'kind', 'fields']);
    const shape = upsert('shape', shapeColumns);
    const reliance = upsert('reliance', relianceColumns);
    const minute = upsert('minute', minuteColumns);
    const oldMinutes = database.prepare(deleteOldMinutes);
    const rule = upsert('rule_use', ['writer', 'backend', 'rule', 'uses', 'failures']);
    return (batch, cells) => {
      const {
        writer: id,
        run,
        host,
        pid,
        node,
        startedAt,
        lastAt,
        samplesOverLimit,
      } = batch.writer;
      writer.run(id, run, host, pid, node, startedAt, lastAt, samplesOverLimit);
      for (const values of cells) cell.run(id, ...values);
      for (const row of batch.groups) {
        group.run(
          id,
          row.fingerprint,
          row.backend,
          row.operation,
          row.verdict,
          row.class ?? null,
          row.count,
          row.firstAt,
          row.lastAt,
          row.key ?? null,
          row.shape ?? null,
        );
      }
      for (const row of batch.samples) {
        sample.run(
          id,
          row.fingerprint,
          row.sequence,
          row.at,
          row.dataset,
          row.stage,
          row.summary,
          row.legacy ?? null,
          row.pooled ?? null,
          row.reason ?? null,
          row.call ?? null,
        );
      }
      for (const row of batch.events) event.run(id, row.sequence, row.at, row.kind, row.fields);
      for (const row of batch.shapes) shape.run(id, ...shapeValues(row));
      for (const row of batch.reliance) reliance.run(id, ...relianceValues(row));
      const minutes = batch.minutes ?? [];
      for (const row of minutes) minute.run(id, ...minuteValues(row));
      // With each part of a minute's rows goes as much of the old ones, and some more.
      if (minutes.length > 0)
        oldMinutes.run(
          Math.max(...minutes.map(({ minute: one }) => one)) - keptMinutes,
          2 * minutes.length,
        );
      for (const row of batch.rules) rule.run(id, row.backend, row.rule, row.uses, row.failures);
    };
  }
}

/** In the order of the columns, after the writer. */
function cellValues(row: CellRow, nowMs: number): SQLInputValue[] {
  return [
    row.part,
    row.hour,
    row.backend,
    row.dataset,
    row.operation,
    row.stage,
    ...countNames.map((name) => row.counts[name]),
    JSON.stringify(row.counts.shed),
    JSON.stringify(row.legacy),
    JSON.stringify(row.pooled),
    nowMs,
    JSON.stringify(row.paired),
  ];
}
