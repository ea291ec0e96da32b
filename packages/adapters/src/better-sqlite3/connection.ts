import type Database from 'better-sqlite3';
import type { LegName } from '@changeover/core';

/** One connection to the file: the handle, the writer or the reader. */
export class Connection {
  readonly leg: LegName;
  readonly database: Database.Database;
  /** Iterators that were begun on it and have not ended. */
  iterators = 0;

  constructor(leg: LegName, database: Database.Database) {
    this.leg = leg;
    this.database = database;
  }
}
