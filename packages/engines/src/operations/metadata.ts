import { describe } from '@changeover/core';
import { InvalidArgumentError } from '../api/storage-errors.ts';
import { type JsonValue, type Metadata } from '../api/input-values.ts';
import type { Program } from '../program.ts';
import { textIn } from '../rows.ts';
import { atomically, type OperationContext } from './context.ts';
import { findTable, metadataTable } from './tables.ts';

export function* getMetadata(context: OperationContext): Program<Metadata> {
  const { dialect, dataset } = context;
  const metadata: Metadata = {};
  if ((yield* findTable(context, metadataTable)) === undefined) return metadata;
  const name = dialect.tableName(dataset, metadataTable);
  const { rows } = yield { kind: 'all', sql: `SELECT key, value FROM ${name} ORDER BY key` };
  for (const row of rows) {
    Object.defineProperty(metadata, textIn(row, 'key'), {
      value: JSON.parse(textIn(row, 'value')) as JsonValue,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  return metadata;
}

export function* updateMetadata(context: OperationContext, metadata: Metadata): Program<void> {
  const { dialect, dataset } = context;
  const entries = metadataEntries(metadata);
  const name = dialect.tableName(dataset, metadataTable);
  yield* atomically(context, function* () {
    const lock = dialect.lockName(dataset, metadataTable);
    if (lock !== undefined) yield lock;
    if ((yield* findTable(context, metadataTable)) === undefined) {
      yield {
        kind: 'run',
        sql: `CREATE TABLE ${name} (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)`,
      };
    }
    const sql =
      `INSERT INTO ${name} (key, value) VALUES (${dialect.placeholder(1)}, ${dialect.placeholder(2)}) ` +
      'ON CONFLICT (key) DO UPDATE SET value = excluded.value';
    for (const params of entries) yield { kind: 'run', sql, params };
  });
}

function metadataEntries(metadata: Metadata): [string, string][] {
  if (typeof metadata !== 'object' || (metadata as unknown) === null || Array.isArray(metadata)) {
    throw new InvalidArgumentError(
      `Metadata must be an object of values by key, found ${describe(metadata)}.`,
    );
  }
  return Object.entries(metadata).map(([key, value]) => [key, metadataText(key, value)]);
}

function metadataText(key: string, value: unknown): string {
  try {
    // `undefined` for what has no JSON form, whatever its type says.
    const text: unknown = JSON.stringify(value);
    if (typeof text === 'string') return text;
  } catch (error) {
    throw new InvalidArgumentError(`The metadata of key ${describe(key)} has no JSON form.`, {
      cause: error,
    });
  }
  throw new InvalidArgumentError(`The metadata of key ${describe(key)} has no JSON form.`);
}
