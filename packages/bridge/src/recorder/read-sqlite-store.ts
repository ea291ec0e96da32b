import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe } from '@changeover/core';
import type { Steps } from '../steps.ts';
import { addStoredNames } from './stored-names.ts';
import { addStoredInSteps } from './stored-tables.ts';
import type { ReportBuilder } from './report-builder.ts';
import { isVersion, schemaVersion } from './sqlite-schema.ts';
import {
  openStoreFileToRead,
  pragmaValue,
  type StoreDatabase,
  storeApplicationId,
} from './store-file.ts';
import type { StoredMinute } from './minute-rows.ts';
import type { OwnRows } from './store-rows.ts';

/** Reads a store that others may be writing to, of the state at the first step.
 *
 * @throws {Error} SQLite's, or one that says that the file is no comparison store of a version that is known. */
export function* readStoreInSteps(path: string, builder: ReportBuilder): Steps<void> {
  const database = openThere(path);
  try {
    const version = versionOf(path, database);
    if (version === undefined) return;
    // The state is that of the first look, not of `begin`. Closing ends it.
    database.exec('begin; select 1 from sqlite_schema limit 1');
    yield* readDatabase(database, builder, undefined, version);
  } finally {
    database.close();
  }
}

/** Undefined where there is a ledger alone, which may have come first. */
function versionOf(path: string, database: StoreDatabase): number | undefined {
  const version = pragmaValue(database, 'user_version');
  if (version === 0 && pragmaValue(database, 'application_id') === storeApplicationId)
    return undefined;
  if (version === 0 || !isVersion(version)) {
    throw new Error(
      `${path} is no comparison store of version ${String(schemaVersion)}: it has ${String(version)}`,
    );
  }
  return version;
}

/** Adds who was called, with no count of it.
 *
 * @throws as {@link readStoreInSteps}. */
export function readStoreNames(path: string, builder: ReportBuilder): void {
  const database = openThere(path);
  try {
    if (versionOf(path, database) === undefined) return;
    const rows = <Row>(query: string): Iterable<Row> =>
      database.prepare(query).iterate() as Iterable<Row>;
    addStoredNames(builder, {
      writers: rows('select * from writer'),
      keys: rows('select distinct backend, dataset from cell'),
      events: rows('select * from event'),
    });
  } finally {
    database.close();
  }
}

/** @throws {Error} that says what was expected where there is no file, or a folder. */
function openThere(path: string): StoreDatabase {
  const found = typeof path === 'string' ? statSync(path, { throwIfNoEntry: false }) : undefined;
  if (found?.isFile() === true) return openStoreFileToRead(path);
  const what =
    typeof path !== 'string'
      ? `It was given something ${describe(path)}`
      : found === undefined
        ? `There is no file ${resolve(path)}`
        : `${resolve(path)} is no file`;
  throw new Error(
    `A comparison store was expected, as its path. ${what}. Name the file that your program's bridge writes to: its option storePath or ` +
      'CHANGEOVER_STORE, else .changeover/comparisons.sqlite in its base folder. It is made at the first start of that program.',
  );
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
