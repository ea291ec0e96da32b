import { inOneGo, type Steps } from '../steps.ts';
import { addStoredInSteps } from './stored-tables.ts';
import type { ReportBuilder } from './report-builder.ts';
import { isVersion, schemaVersion } from './sqlite-schema.ts';
import {
  inTransaction,
  openStoreFileToRead,
  pragmaValue,
  type StoreDatabase,
  storeApplicationId,
} from './store-file.ts';
import type { StoredMinute } from './minute-rows.ts';
import type { OwnRows } from './store-rows.ts';

/** Reads a store that others may be writing to.
 *
 * @throws {Error} SQLite's, or one that says that the file is no comparison store of a version that is known. */
export function readStore(path: string, builder: ReportBuilder): void {
  const database = openStoreFileToRead(path);
  try {
    const version = pragmaValue(database, 'user_version');
    // The ledger may have come first.
    if (version === 0 && pragmaValue(database, 'application_id') === storeApplicationId) return;
    if (version === 0 || !isVersion(version)) {
      throw new Error(
        `${path} is no comparison store of version ${String(schemaVersion)}: it has ${String(version)}`,
      );
    }
    inTransaction(database, 'deferred', () => {
      inOneGo(readDatabase(database, builder, undefined, version));
    });
  } finally {
    database.close();
  }
}

/** Adds all that is stored, but `own`, in steps. To be gone through within one transaction. */
export function* readDatabase(
  database: StoreDatabase,
  builder: ReportBuilder,
  own: OwnRows | undefined,
  version: number = schemaVersion,
): Steps<void> {
  const rows = <Row>(table: string, since = 1): Iterable<Row> =>
    version < since ? [] : (database.prepare(`select * from ${table}`).iterate() as Iterable<Row>);
  yield* addStoredInSteps(
    builder,
    {
      writers: rows('writer'),
      cells: rows('cell'),
      groups: rows('sample_group'),
      samples: rows('sample'),
      events: rows('event'),
      rules: rows('rule_use', 2),
      shapes: rows('shape', 5),
      reliance: rows('reliance', 6),
      minutes: (first) =>
        version < 8
          ? []
          : (database
              .prepare('select * from minute where minute >= ? order by minute')
              .iterate(first) as Iterable<unknown> as Iterable<StoredMinute>),
    },
    own,
  );
}
