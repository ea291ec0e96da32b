import { constants, rmSync } from 'node:fs';
import { copyFile, link, mkdir, readdir, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ConnectionError, DatasetExistsError, StorageError } from './api/storage-errors.ts';
import {
  datasetFile,
  datasetFolder,
  datasetSchema,
  schemaPrefix,
  type StoreLocation,
} from './api/store-location.ts';
import { type Engine, engineTitles } from './api/engine.ts';
import { parseDatasetName } from './api/dataset-name.ts';
import { sqliteDriver } from './drivers.ts';
import { quoteIdentifier } from './dialect/dialect.ts';
import { createDuckdbFile, duckdbPathInUse } from './duckdb-instances.ts';
import { toStorageError } from './errors.ts';
import type { Program } from './program.ts';
import { textIn } from './rows.ts';

/** The datasets of one engine as things that come and go. Names must come from `parseDatasetName`. Errors are of the
 * family. */
export interface DatasetStore {
  exists(dataset: string): Promise<boolean>;
  /** @throws {DatasetExistsError} where it is there; it is left as it is. */
  create(dataset: string): Promise<void>;
  /** Removes it with everything in it; one that isn't there is no error. What this process holds open of it must have been
   * closed before. */
  drop(dataset: string): Promise<void>;
  /** Sorted by name. */
  list(): Promise<string[]>;
}

type FileEngine = Exclude<Engine, 'postgresql'>;

/** What an engine may leave beside its database file. */
const sideFiles: Readonly<Record<FileEngine, readonly string[]>> = {
  sqlite: ['-wal', '-shm', '-journal'],
  duckdb: ['.wal', '.wal.checkpoint', '.wal.recovery', '.tmp'],
};

/** The datasets that are files: a folder each, which the engines share. */
export function fileStore(engine: FileEngine, location: StoreLocation): DatasetStore {
  const guarded = <T>(dataset: string | undefined, work: () => Promise<T>): Promise<T> =>
    work().catch((error: unknown) => {
      throw fileError(engine, location, dataset, error);
    });
  return {
    exists: (dataset) => guarded(dataset, () => isFile(datasetFile(location, engine, dataset))),
    create: (dataset) => guarded(dataset, () => createFile(engine, location, dataset)),
    drop: (dataset) => guarded(dataset, () => dropFile(engine, location, dataset)),
    list: () => guarded(undefined, () => listFiles(engine, location)),
  };
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

/** The database is made aside and linked into place, so that two who create it at once don't share a half-made one, and
 * nobody opens it before it is whole. */
async function createFile(
  engine: FileEngine,
  location: StoreLocation,
  dataset: string,
): Promise<void> {
  const file = datasetFile(location, engine, dataset);
  if (await isFile(file)) throw new DatasetExistsError(dataset, { engine });
  const folder = datasetFolder(location, dataset);
  await makeFolder(folder);
  const draft = join(folder, `.draft-${process.pid}-${crypto.randomUUID()}.${engine}`);
  try {
    if (engine === 'sqlite') createSqliteFile(draft);
    else await createDuckdbFile(draft);
    // Left by someone who was killed while dropping: it would be replayed into the new file.
    await removeSideFiles(engine, file);
    await place(draft, file);
  } catch (error) {
    if (isCode(error, 'EEXIST')) throw new DatasetExistsError(dataset, { engine, cause: error });
    throw error;
  } finally {
    await rm(draft, { force: true });
    await removeSideFiles(engine, draft);
    await removeEmptyFolder(folder);
  }
}

/** Like `mkdir -p`. Node's own recursive form never returns where the system answers ENOENT below a folder that exists, as
 * Linux does in /proc. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (isCode(error, 'EEXIST')) return;
    const parent = dirname(path);
    if (!isCode(error, 'ENOENT') || parent === path || (await isFolder(parent))) throw error;
    await makeFolder(parent);
    await makeFolder(path);
  }
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

function createSqliteFile(path: string): void {
  const Database = sqliteDriver();
  const database = new Database(path);
  try {
    database.pragma('journal_mode = WAL');
  } finally {
    database.close();
  }
}

async function place(draft: string, file: string): Promise<void> {
  try {
    await link(draft, file);
  } catch (error) {
    // Some file systems have no hard links.
    if (!isCode(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK')) throw error;
    await copyFile(draft, file, constants.COPYFILE_EXCL);
  }
}

async function dropFile(
  engine: FileEngine,
  location: StoreLocation,
  dataset: string,
): Promise<void> {
  const file = datasetFile(location, engine, dataset);
  if (engine === 'duckdb' && duckdbPathInUse(file)) {
    throw new StorageError(
      'DATASET_IN_USE',
      'The dataset is open in this process, and a DuckDB file that is removed while ' +
        'it is open loses what is written to it. Close its connections first.',
      { engine, dataset },
    );
  }
  // In the same tick as the check above: who opens a DuckDB file that isn't there creates it.
  rmSync(file, { force: true });
  await removeSideFiles(engine, file);
  await removeEmptyFolder(datasetFolder(location, dataset));
}

async function removeSideFiles(engine: FileEngine, file: string): Promise<void> {
  for (const suffix of sideFiles[engine]) await rm(file + suffix, { force: true, recursive: true });
}

/** The folder may hold another engine's file of the same dataset. */
async function removeEmptyFolder(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    if (!isCode(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) throw error;
  }
}

async function listFiles(engine: FileEngine, location: StoreLocation): Promise<string[]> {
  const names: string[] = [];
  for (const name of await folderEntries(location.basePath)) {
    if (!isDatasetName(name)) continue;
    if (await isFile(datasetFile(location, engine, name))) names.push(name);
  }
  return names.sort();
}

async function folderEntries(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return [];
    throw error;
  }
}

function isDatasetName(name: string): boolean {
  try {
    return parseDatasetName(name) === name;
  } catch {
    return false;
  }
}

function isCode(error: unknown, ...codes: string[]): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    codes.includes(String(Reflect.get(error, 'code')))
  );
}

function fileError(
  engine: Engine,
  location: StoreLocation,
  dataset: string | undefined,
  error: unknown,
): StorageError {
  if (error instanceof StorageError) return error;
  const reason = isCode(error, 'EACCES', 'EPERM', 'EROFS')
    ? 'the folder may not be read or written by this user; change its permissions or configure another'
    : isCode(error, 'ENOTDIR')
      ? 'a part of the path is a file; configure another base folder'
      : isCode(error, 'ENOENT')
        ? 'no folder can be made there; configure another base folder'
        : toStorageError(engine, error).message;
  return new ConnectionError(
    `The ${engineTitles[engine]} datasets in ${JSON.stringify(location.basePath)} can't be reached: ${reason}.`,
    { engine, dataset, cause: error },
  );
}

/**
 * The datasets that are schemas of one PostgreSQL database.
 *
 * @param run runs a program on a connection to that database; which dataset's it is makes no difference.
 */
export function schemaStore(run: <T>(program: Program<T>) => Promise<T>): DatasetStore {
  const engine = 'postgresql';
  return {
    exists: (dataset) => run(schemaExists(dataset)),
    create: (dataset) => run(createSchema(dataset)),
    drop: (dataset) => run(dropSchema(dataset)),
    list: () => run(listSchemas()),
  };

  function* schemaExists(dataset: string): Program<boolean> {
    const { rows } = yield {
      kind: 'all',
      sql: 'SELECT 1 AS one FROM pg_catalog.pg_namespace WHERE nspname = $1',
      params: [datasetSchema(dataset)],
    };
    return rows.length > 0;
  }

  function* createSchema(dataset: string): Program<void> {
    if (yield* schemaExists(dataset)) throw new DatasetExistsError(dataset, { engine });
    try {
      yield { kind: 'run', sql: `CREATE SCHEMA ${quoteIdentifier(datasetSchema(dataset))}` };
    } catch (error) {
      // Another created it meanwhile.
      const cause: unknown = error instanceof StorageError ? error.cause : error;
      if (isCode(cause, '42P06', '23505')) throw new DatasetExistsError(dataset, { engine, cause });
      throw toStorageError(engine, error, { dataset, operation: 'createDataset' });
    }
  }

  function* dropSchema(dataset: string): Program<void> {
    yield {
      kind: 'run',
      sql: `DROP SCHEMA IF EXISTS ${quoteIdentifier(datasetSchema(dataset))} CASCADE`,
    };
  }

  function* listSchemas(): Program<string[]> {
    const { rows } = yield {
      kind: 'all',
      sql: 'SELECT nspname::text AS name FROM pg_catalog.pg_namespace WHERE starts_with(nspname, $1)',
      params: [schemaPrefix],
    };
    return rows
      .map((row) => textIn(row, 'name').slice(schemaPrefix.length))
      .filter(isDatasetName)
      .sort();
  }
}
