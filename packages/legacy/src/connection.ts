import { ConnectionError, datasetFile, DatasetNotFoundError, type Engine, type StoreLocation } from '@changeover/engines';
import { connectPostgres, type DatasetStore, fileStore, openDuckdbSession, openSqliteSession, type Program, schemaStore, type TransactionState } from '@changeover/engines';

/** The one connection of a legacy object, to the dataset that was named last. */
export interface Connection {
  readonly usable: boolean;
  readonly transactionState: TransactionState;
  run<T>(program: Program<T>): Promise<T>;
  cancel(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a dataset.
 *
 * Rejects with a {@link DatasetNotFoundError} where it doesn't exist (nothing is created), and with a
 * {@link ConnectionError} where it can't be opened.
 */
export async function openDataset(
  engine: Engine,
  location: StoreLocation,
  dataset: string,
): Promise<Connection> {
  if (engine === 'postgresql') return connectPostgres({ url: databaseUrl(location), dataset });
  const store = fileStore(engine, location);
  if (!(await store.exists(dataset))) throw new DatasetNotFoundError(dataset, { engine });
  const file = datasetFile(location, engine, dataset);
  return engine === 'duckdb' ? openDuckdbSession({ file }) : openSqlite(file);
}

/** SQLite answers in the same tick, on the thread of the caller, as legacy code has it. */
function openSqlite(file: string): Connection {
  const session = openSqliteSession({ file });
  return {
    get usable() {
      return session.usable;
    },
    get transactionState() {
      return session.transactionState;
    },
    run: <T>(program: Program<T>) =>
      new Promise<T>((resolve) => {
        resolve(session.run(program));
      }),
    cancel: () => Promise.resolve(),
    close: () =>
      new Promise((resolve) => {
        session.close();
        resolve();
      }),
  };
}

/** Where datasets come and go. For PostgreSQL each call has a connection of its own, for none to a dataset serves. */
export function openStore(engine: Engine, location: StoreLocation): DatasetStore {
  if (engine !== 'postgresql') return fileStore(engine, location);
  return schemaStore(async (program) => {
    const session = await connectPostgres({ url: databaseUrl(location) });
    try {
      return await session.run(program);
    } finally {
      await session.close();
    }
  });
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
