import type { DuckDBConnection } from '@duckdb/node-api';

/** A connection that is asked something else than what it was asked. */
export function lying(
  connection: DuckDBConnection,
  lie: (sql: string) => string,
): DuckDBConnection {
  for (const way of ['runAndReadAll', 'prepare'] as const) {
    const honest = connection[way].bind(connection) as (...args: unknown[]) => unknown;
    Object.defineProperty(connection, way, {
      value: (sql: string, ...rest: unknown[]) => honest(lie(sql), ...rest),
    });
  }
  return connection;
}
