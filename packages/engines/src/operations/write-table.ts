import {
  ColumnNotFoundError,
  InvalidArgumentError,
  TableExistsError,
} from '../api/storage-errors.ts';
import { type InputRows } from '../api/input-values.ts';
import { type WriteTableOptions } from '../api/storage-backend.ts';
import { describe } from '@changeover/core';
import { columnKinds } from '../column-kind.ts';
import type { FoundColumn, FoundTable } from '../dialect/dialect.ts';
import { inputKeys } from '../input-cells.ts';
import type { InsertColumn, Program, StepResult } from '../program.ts';
import { atomically, checkName, type OperationContext } from './context.ts';
import { findTable, listColumns, metadataTable } from './tables.ts';

/** The name of the temporary table of {@link scratchWrite}. */
const scratchTable = '_changeover_scratch';

export function* writeTable(
  context: OperationContext,
  table: string,
  rows: InputRows,
  options: WriteTableOptions = {},
): Program<void> {
  const { ifExists, keys } = checkWrite(context, table, rows, options);
  yield* atomically(context, function* () {
    const found = yield* targetTable(context, table, ifExists);
    const columns =
      found !== undefined && ifExists === 'append'
        ? yield* appendColumns(context, found, keys)
        : yield* createTable(context, found, table, rows, keys);
    yield {
      kind: 'insert',
      table: ifExists === 'append' && found !== undefined ? found.name : table,
      columns,
      rows,
    };
  });
}

/**
 * Does what `writeTable` would do to a temporary table of the same columns, and reads it back: for comparison. Takes no
 * lock that another's work on the dataset would wait for, and leaves nothing.
 */
export function* scratchWrite(
  context: OperationContext,
  table: string,
  rows: InputRows,
  options: WriteTableOptions = {},
): Program<StepResult> {
  const { ifExists, keys } = checkWrite(context, table, rows, options);
  const { dialect } = context;
  yield { kind: 'begin', temporaryOnly: true };
  try {
    const found = yield* findTable(context, table);
    if (found !== undefined && ifExists === 'fail') throw tableExists(context, table);
    const appended = found !== undefined && ifExists === 'append';
    const all = appended
      ? yield* listColumns(context, found.name)
      : newColumns(context, rows, keys);
    const columns = appended
      ? matchColumns(context, table, all, keys)
      : all.map(({ name, type }) => ({ name, key: name, type }));
    const definitions = all.map(({ name, type }) => `${dialect.quote(name)} ${type}`).join(', ');
    yield {
      kind: 'run',
      sql: `CREATE TEMPORARY TABLE ${dialect.quote(scratchTable)} (${definitions})`,
    };
    yield { kind: 'insert', table: scratchTable, temporary: true, columns, rows };
    return yield {
      kind: 'all',
      sql: `SELECT * FROM ${dialect.temporaryName(scratchTable)}`,
      form: context.form,
    };
  } finally {
    yield { kind: 'rollback' };
  }
}

interface CheckedWrite {
  readonly ifExists: 'fail' | 'replace' | 'append';
  /** The columns that the rows have. */
  readonly keys: readonly string[];
}

function checkWrite(
  context: OperationContext,
  table: string,
  rows: InputRows,
  options: WriteTableOptions,
): CheckedWrite {
  checkName(context, 'table', table);
  if (table.toLowerCase() === metadataTable) {
    throw new InvalidArgumentError(
      `The table ${metadataTable} keeps the metadata: use updateMetadata.`,
    );
  }
  const ifExists: unknown = options.ifExists ?? 'fail';
  if (ifExists !== 'fail' && ifExists !== 'replace' && ifExists !== 'append') {
    throw new InvalidArgumentError(
      `ifExists must be "fail", "replace" or "append", found ${describe(ifExists)}.`,
    );
  }
  const keys = inputKeys(rows);
  for (const key of keys) checkName(context, 'column', key);
  return { ifExists, keys };
}

function* targetTable(
  context: OperationContext,
  table: string,
  ifExists: string,
): Program<FoundTable | undefined> {
  const first = yield* findTable(context, table);
  if (first !== undefined && ifExists === 'append') return first;
  // About to create: whoever else is, in this process or another, waits here, and then sees what was created.
  const lock = context.dialect.lockName(context.dataset, table);
  if (lock !== undefined) yield lock;
  const found = lock === undefined ? first : yield* findTable(context, table);
  if (found !== undefined && ifExists === 'fail') throw tableExists(context, table);
  return found;
}

function tableExists(context: OperationContext, table: string): TableExistsError {
  return new TableExistsError(context.dataset, table, { engine: context.dialect.engine });
}

function newColumns(
  context: OperationContext,
  rows: InputRows,
  keys: readonly string[],
): { name: string; type: string }[] {
  const { dialect } = context;
  if (dialect.ignoresCase) refuseSameNames(keys);
  const kinds = columnKinds(rows, keys);
  return keys.map((name, index) => ({ name, type: dialect.types[kinds[index] ?? 'text'] }));
}

function refuseSameNames(keys: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const key of keys) {
    const other = seen.get(key.toLowerCase());
    if (other !== undefined) {
      throw new InvalidArgumentError(
        `Columns ${describe(other)} and ${describe(key)} are one name in this engine.`,
      );
    }
    seen.set(key.toLowerCase(), key);
  }
}

function* createTable(
  context: OperationContext,
  found: FoundTable | undefined,
  table: string,
  rows: InputRows,
  keys: readonly string[],
): Program<InsertColumn[]> {
  const { dialect, dataset } = context;
  const columns = newColumns(context, rows, keys);
  if (found !== undefined) {
    yield {
      kind: 'run',
      sql: `DROP ${found.kind === 'view' ? 'VIEW' : 'TABLE'} ${dialect.tableName(dataset, found.name)}`,
    };
  }
  const definitions = columns.map(({ name, type }) => `${dialect.quote(name)} ${type}`).join(', ');
  yield { kind: 'run', sql: `CREATE TABLE ${dialect.tableName(dataset, table)} (${definitions})` };
  return columns.map(({ name, type }) => ({ name, key: name, type }));
}

function* appendColumns(
  context: OperationContext,
  found: FoundTable,
  keys: readonly string[],
): Program<InsertColumn[]> {
  return matchColumns(context, found.name, yield* listColumns(context, found.name), keys);
}

/** The table's columns that are written to: those named, and those that would else get a default instead of NULL. */
function matchColumns(
  context: OperationContext,
  table: string,
  columns: readonly (Pick<FoundColumn, 'name' | 'type'> & Partial<FoundColumn>)[],
  keys: readonly string[],
): InsertColumn[] {
  const keyOf = new Map<string, string>();
  for (const key of keys) {
    const match =
      columns.find(({ name }) => name === key) ??
      (context.dialect.ignoresCase
        ? columns.find(({ name }) => name.toLowerCase() === key.toLowerCase())
        : undefined);
    if (match === undefined) {
      throw new ColumnNotFoundError(context.dataset, table, key, {
        engine: context.dialect.engine,
      });
    }
    const other = keyOf.get(match.name);
    if (other !== undefined) {
      throw new InvalidArgumentError(
        `Columns ${describe(other)} and ${describe(key)} are both ${describe(match.name)}.`,
      );
    }
    keyOf.set(match.name, key);
  }
  const written: InsertColumn[] = [];
  for (const { name, type, generated, nullable, default: standard } of columns) {
    const key = keyOf.get(name);
    if (key !== undefined) written.push({ name, key, type });
    else if (generated !== true && nullable === true && typeof standard === 'string')
      written.push({ name, key: undefined, type });
  }
  return written;
}
