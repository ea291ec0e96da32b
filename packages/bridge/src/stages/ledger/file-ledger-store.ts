import type { StatementSync } from 'node:sqlite';
import {
  firstValue,
  inTransaction,
  openStoreFile,
  openStoreFileToRead,
  type StoreDatabase,
  waitForLocks,
} from '../../recorder/store-file.ts';
import { StoreIdentity } from '../../recorder/store-identity.ts';
import { changeOfRow, type LedgerRow } from './ledger-row.ts';
import type { AppendedLines, LedgerChange, LedgerStore, NewLedgerChange } from './ledger-store.ts';

/** Programs that start together make a new store one behind another, which takes each some ms: who did not wait would begin with all
 * keys at `legacy`, while the others go on where their flags point. */
const firstWaitMs = 2_000;

/** The unique key makes the first of two writers win. */
const schema = `
  create table if not exists ledger (
    sequence integer primary key autoincrement, at integer not null, backend text not null, dataset text not null,
    from_stage text not null, to_stage text not null, held integer not null, who text not null, reason text not null,
    revision text not null, previous integer not null, unique (backend, dataset, previous)
  )`;

interface OpenLedger {
  readonly database: StoreDatabase;
  readonly read: StatementSync;
  readonly append: StatementSync;
  readonly identity: StoreIdentity;
}

/**
 * All lines of the ledger in an SQLite file, oldest first; none where nothing was written to it yet. Changes nothing, and
 * waits up to a second for a lock: it is for commands, not for callers.
 *
 * @throws {Error} SQLite's, where the file is missing or can't be read.
 */
export function readLedgerFile(path: string): readonly LedgerChange[] {
  const database = openStoreFileToRead(path);
  try {
    const there = firstValue(database, "select count(*) from sqlite_schema where name = 'ledger'");
    if (there === 0) return [];
    return rowsOf(database.prepare('select * from ledger order by sequence')).map(changeOfRow);
  } finally {
    database.close();
  }
}

/**
 * The ledger in an SQLite file, usually that of the comparison store. Answers at once and, once it was tried to open it, never
 * waits for a lock: it throws SQLite's own error instead (see `isBusy`), and the same can be tried again.
 */
export class SqliteLedgerStore implements LedgerStore {
  /** A read that finds nothing takes some 10 µs. */
  readonly readIntervalMs = 150;
  readonly #path: string;
  #open: OpenLedger | undefined = undefined;
  #generation = 0;
  #wasTried = false;

  constructor(path: string) {
    this.#path = path;
  }

  get generation(): number {
    return this.#generation;
  }

  read(sequence: number): readonly LedgerChange[] {
    return rowsOf(this.#opened().read, sequence).map(changeOfRow);
  }

  append(changes: readonly NewLedgerChange[]): AppendedLines {
    const { database, append } = this.#opened();
    return inTransaction(database, 'immediate', () =>
      changes.map((change) => {
        const { at, backend, dataset, from, to, held, who, reason, revision, previous } = change;
        const { changes: written, lastInsertRowid } = append.run(
          at,
          backend,
          dataset,
          from,
          to,
          held ? 1 : 0,
          who,
          reason,
          revision,
          previous,
        );
        return written === 0 ? undefined : Number(lastInsertRowid);
      }),
    );
  }

  allowWaiting(maxWaitMs: number): void {
    waitForLocks(this.#opened().database, maxWaitMs);
  }

  close(): void {
    this.#open?.database.close();
    this.#open = undefined;
  }

  /** What was written to a file that is gone is in no ledger that anybody reads. */
  #isGone(open: OpenLedger): boolean {
    try {
      open.identity.check();
      return false;
    } catch {
      this.#generation += 1;
      this.close();
      return true;
    }
  }

  /** Opened at the first use, and again at the next one where that failed. */
  #opened(): OpenLedger {
    if (this.#open !== undefined && !this.#isGone(this.#open)) return this.#open;
    const maxWaitMs = this.#wasTried ? 0 : firstWaitMs;
    this.#wasTried = true;
    const database = openStoreFile(this.#path, maxWaitMs);
    try {
      // Who was moved where must survive the machine's end too; lines are few.
      database.exec('pragma synchronous = full');
      database.exec(schema);
      this.#open = {
        database,
        read: database.prepare('select * from ledger where sequence > ? order by sequence'),
        append: database.prepare(
          'insert into ledger (at, backend, dataset, from_stage, to_stage, held, who, reason, revision, previous) ' +
            'values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (backend, dataset, previous) do nothing',
        ),
        identity: new StoreIdentity(this.#path),
      };
      waitForLocks(database, 0);
      return this.#open;
    } catch (error) {
      database.close();
      throw error;
    }
  }
}

function rowsOf(statement: StatementSync, ...values: readonly number[]): readonly LedgerRow[] {
  return statement.all(...values) as unknown as readonly LedgerRow[];
}
