import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { bridgeConnection } from 'changeover/duckdb';

const instance = await DuckDBInstance.create(process.env['SALES_FILE'] ?? 'sales.duckdb');

/** What the program imports. It was `await instance.connect()`. */
export const db: DuckDBConnection = bridgeConnection(await instance.connect(), {
  name: 'sales',
  pooled: () => instance.connect(),
});
