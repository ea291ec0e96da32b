import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { DuckDBInstance } from '@duckdb/node-api';
import pg from 'pg';
import { datasetFile, datasetSchema } from '@changeover/engines/api';
import { type Engine, type StoreLocation } from 'changeover';
import type { ColumnKind } from './datasets.ts';

/** How many rows a table holds and a digest of them in any order. */
export interface TableReference {
  readonly rows: number;
  readonly digest: string;
}

/**
 * Digests rows without any code of the two legs or of the comparison between them: each value as text by what its column
 * holds, a SHA-256 a row, the rows' digests sorted, a SHA-256 over these.
 */
export function referenceOf(
  columns: Readonly<Record<string, ColumnKind>>,
  rows: Iterable<Readonly<Record<string, unknown>>>,
): TableReference {
  const kinds = Object.entries(columns);
  const digests: string[] = [];
  for (const row of rows) {
    const text = JSON.stringify(kinds.map(([name, kind]) => plain(kind, row[name])));
    digests.push(createHash('sha256').update(text).digest('base64'));
  }
  const whole = createHash('sha256');
  for (const digest of digests.sort()) whole.update(digest);
  return { rows: digests.length, digest: whole.digest('hex').slice(0, 16) };
}

function plain(kind: ColumnKind, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  switch (kind) {
    case 'integer':
    case 'number':
      return Number(value);
    case 'boolean':
      return value === true || value === 1 || value === 1n;
    case 'timestamp':
      return value instanceof Date ? value.toISOString() : instant(value as string);
    case 'text':
      return value;
    case 'json':
      return sorted(typeof value === 'string' ? JSON.parse(value) : value);
  }
}

/** The engines' own words for an instant in UTC. */
function instant(text: string): string {
  return new Date(`${text.replace(' ', 'T').replace(/(Z|\+00)$/, '')}Z`).toISOString();
}

/** JSON by value: an object's fields count whatever their order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, item]) => [name, sorted(item)]),
  );
}

/** Reads a table by the engine's bare driver, on a connection of its own. The bridge must be closed for DuckDB. */
export async function readStored(
  engine: Engine,
  location: StoreLocation,
  dataset: string,
  table: string,
): Promise<Record<string, unknown>[]> {
  const sql = `SELECT * FROM "${table}"`;
  switch (engine) {
    case 'sqlite': {
      const database = new Database(datasetFile(location, 'sqlite', dataset), { readonly: true });
      try {
        return database.prepare(sql).all() as Record<string, unknown>[];
      } finally {
        database.close();
      }
    }
    case 'duckdb': {
      const file = datasetFile(location, 'duckdb', dataset);
      statSync(file);
      const instance = await DuckDBInstance.create(file, { access_mode: 'READ_ONLY' });
      const connection = await instance.connect();
      try {
        const reader = await connection.runAndReadAll(sql);
        return reader.getRowObjectsJson();
      } finally {
        connection.closeSync();
        instance.closeSync();
      }
    }
    case 'postgresql': {
      const client = new pg.Client({
        connectionString: location.databaseUrl,
        types: { getTypeParser: () => String },
      });
      await client.connect();
      try {
        await client.query('SET TimeZone TO UTC');
        const { rows } = await client.query<Record<string, unknown>>(
          `SELECT * FROM "${datasetSchema(dataset)}"."${table}"`,
        );
        return rows.map((row) =>
          Object.fromEntries(
            Object.entries(row).map(([name, value]) => [
              name,
              value === 't' ? true : value === 'f' ? false : value,
            ]),
          ),
        );
      } finally {
        await client.end();
      }
    }
  }
}
