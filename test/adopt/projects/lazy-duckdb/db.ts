import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';

let opening: Promise<DuckDBConnection> | undefined;

/** One connection for the whole program, made when it is first needed. */
export function getConnection(): Promise<DuckDBConnection> {
  opening ??= open();
  return opening;
}

async function open(): Promise<DuckDBConnection> {
  return (await DuckDBInstance.create(':memory:')).connect();
}
