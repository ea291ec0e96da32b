import { lazyModule } from '@changeover/core';
import {
  ConnectionError,
  datasetFile,
  DatasetNotFoundError,
  type Engine,
  type StoreLocation,
} from '@changeover/engines/api';
import { type DatasetStore, fileStore, schemaStore } from '@changeover/engines';
import type { Connection } from './connection.ts';
import type { PostgresConnection } from './postgres-connection.ts';

// Each of these loads its driver.
const loadDuckdb = lazyModule(() => import('./duckdb-connection.ts'));
const loadSqlite = lazyModule(() => import('./sqlite-connection.ts'));
const loadPostgres = lazyModule(() => import('./postgres-connection.ts'));

/**
 * Opens a dataset.
 *
 * @param mayLeave see `LegacyLegOptions`; undefined: by the statement's words.
 *
 * Rejects with a {@link DatasetNotFoundError} where it doesn't exist (nothing is created), and with a
 * {@link ConnectionError} where it can't be opened.
 */
export async function openDataset(
  engine: Engine,
  location: StoreLocation,
  dataset: string,
  mayLeave: (sql: string) => boolean | undefined,
): Promise<Connection> {
  if (engine === 'postgresql') return openPostgres(location, dataset, mayLeave);
  const store = fileStore(engine, location);
  if (!(await store.exists(dataset))) throw new DatasetNotFoundError(dataset, { engine });
  const file = datasetFile(location, engine, dataset);
  if (engine === 'duckdb') {
    const { DuckdbConnection } = await loadDuckdb();
    return DuckdbConnection.open(file);
  }
  const { SqliteConnection } = await loadSqlite();
  return new SqliteConnection(file);
}

/** Where datasets come and go. For PostgreSQL each call has a connection of its own, for none to a dataset serves. */
export function openStore(engine: Engine, location: StoreLocation): DatasetStore {
  if (engine !== 'postgresql') return fileStore(engine, location);
  return schemaStore(async (program) => {
    const connection = await openPostgres(location);
    try {
      return await connection.run(program);
    } finally {
      await connection.close();
    }
  });
}

async function openPostgres(
  location: StoreLocation,
  dataset?: string,
  mayLeave?: (sql: string) => boolean | undefined,
): Promise<PostgresConnection> {
  const url = databaseUrl(location);
  const { PostgresConnection } = await loadPostgres();
  return PostgresConnection.open({ url, dataset, mayLeave });
}

function databaseUrl({ databaseUrl: url }: StoreLocation): string {
  if (url !== undefined) return url;
  throw new ConnectionError(
    'No PostgreSQL server is configured: set DATABASE_URL, or pass databaseUrl to configure.',
    {
      engine: 'postgresql',
    },
  );
}
