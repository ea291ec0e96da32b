import { join } from 'node:path';
import type { Engine } from './engine.ts';

/** Where the datasets are. Both legs take the same object, so that they can't compute different places for one dataset
 * (in the system that this was written for they did, and silently compared different files). */
export interface StoreLocation {
  /** Absolute path of the folder that holds one folder a dataset, for SQLite and DuckDB. */
  readonly basePath: string;
  /** `postgres://` URL of the server and database that hold one schema a dataset; absent where PostgreSQL isn't used. */
  readonly databaseUrl?: string | undefined;
}

/** The folder of a dataset. `dataset` must come from {@link parseDatasetName}. */
export function datasetFolder(location: StoreLocation, dataset: string): string {
  return join(location.basePath, dataset);
}

/** The database file of a dataset. `dataset` must come from {@link parseDatasetName}. */
export function datasetFile(
  location: StoreLocation,
  engine: Exclude<Engine, 'postgresql'>,
  dataset: string,
): string {
  return join(location.basePath, dataset, `dataset.${engine}`);
}

/** What precedes a dataset's name in its PostgreSQL schema. */
export const schemaPrefix = 'mdm_';

/** The PostgreSQL schema of a dataset. */
export function datasetSchema(dataset: string): string {
  return schemaPrefix + dataset;
}
