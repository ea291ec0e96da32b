import { describe } from '@changeover/core';
import { InvalidArgumentError, TableNotFoundError } from '../api/storage-errors.ts';
import { type InputValue } from '../api/input-values.ts';
import { type OrderBy, type ReadTableOptions } from '../api/storage-backend.ts';
import { isDate } from '../date-text.ts';
import type { Program, StepResult } from '../program.ts';
import { checkName, type OperationContext } from './context.ts';
import { pointReadOf } from './point-read-texts.ts';
import { readInParts } from './read-in-parts.ts';
import { findTable, listColumns, requireTable, tableNotFound } from './tables.ts';

/** Engines bind some tens of thousands of values at most (SQLite 32,766). */
const maxListValues = 30_000;

export function* readData(context: OperationContext): Program<StepResult> {
  const primary = (yield* findTable(context, 'data')) ?? (yield* findTable(context, 'train'));
  if (primary === undefined) throw tableNotFound(context, 'data');
  return yield* readTable(context, primary.name);
}

export function* readTable(
  context: OperationContext,
  table: string,
  options: ReadTableOptions = {},
): Program<StepResult> {
  const { dialect, dataset, form, pointReads } = context;
  const point = pointReads === undefined ? undefined : pointReadOf(options);
  const known = point && pointReads?.get(table, point);
  if (point !== undefined && known !== undefined)
    return yield { kind: 'all', sql: known, params: [point.value], form };
  checkName(context, 'table', table);
  const limit = checkLimit(options.limit);
  const condition = whereSql(context, options.where);
  const wanted = orderSql(context, options.orderBy);
  const onPart = wanted === undefined && condition.sql === '' ? context.onPart : undefined;
  const rowNumber =
    wanted === undefined && (limit !== undefined || onPart !== undefined)
      ? yield* insertionOrder(context, table, condition.sql !== '')
      : undefined;
  const columns = columnsSql(context, options.columns);
  const from = dialect.tableName(dataset, table);
  const sql =
    `SELECT ${columns} FROM ${from}` +
    condition.sql +
    (wanted ?? '') +
    (limit === undefined ? '' : `${orderBy(rowNumber)} LIMIT ${limit}`);
  if (point !== undefined) pointReads?.set(table, point, sql);
  if (onPart !== undefined && rowNumber !== undefined)
    return yield* readInParts(context, { sql, columns, from, rowNumber, limit, onPart });
  return yield { kind: 'all', sql, params: condition.params, form };
}

function orderBy(name: string | undefined): string {
  return name === undefined ? '' : ` ORDER BY ${name}`;
}

function* insertionOrder(
  context: OperationContext,
  table: string,
  filtered: boolean,
): Program<string | undefined> {
  const { dialect } = context;
  if (dialect.engine === 'duckdb' || (dialect.engine === 'postgresql' && !filtered))
    return undefined;
  const find = (): Program<string | undefined> => findInsertionOrder(context, table, filtered);
  try {
    return yield* context.insertionOrders?.of(table, find) ?? find();
  } catch (error) {
    // The read itself fails then, as it does where nobody asks for its order.
    if (error instanceof TableNotFoundError) return undefined;
    throw error;
  }
}

function* findInsertionOrder(
  context: OperationContext,
  table: string,
  filtered: boolean,
): Program<string | undefined> {
  const { dialect } = context;
  const found = yield* requireTable(context, table);
  const columns = dialect.engine === 'sqlite' ? yield* listColumns(context, found.name) : [];
  return dialect.insertionOrder(found, columns, filtered);
}

function checkLimit(limit: number | undefined): number | undefined {
  if (limit === undefined) return undefined;
  if (!Number.isSafeInteger(limit) || limit < 0) {
    throw new InvalidArgumentError(
      `limit must be a whole number of rows, 0 or more; found ${showNumber(limit)}.`,
    );
  }
  return limit;
}

function showNumber(value: unknown): string {
  return typeof value === 'number' ? String(value) : describe(value);
}

function columnsSql(context: OperationContext, columns: readonly string[] | undefined): string {
  if (columns === undefined) return '*';
  if (!Array.isArray(columns) || columns.length === 0) {
    throw new InvalidArgumentError(
      'columns must be a list of at least one name. Leave it out for all columns.',
    );
  }
  return columns
    .map((column) => context.dialect.quote(checkName(context, 'column', column)))
    .join(', ');
}

interface Condition {
  readonly sql: string;
  readonly params: InputValue[];
}

function whereSql(context: OperationContext, where: ReadTableOptions['where']): Condition {
  if (where === undefined) return { sql: '', params: [] };
  // On lines of its own, so that a comment at the end of the condition ends there.
  if (typeof where === 'string') {
    return where.trim() === ''
      ? { sql: '', params: [] }
      : { sql: ` WHERE (${where}\n)`, params: [] };
  }
  if (typeof where !== 'object' || (where as unknown) === null || Array.isArray(where)) {
    throw new InvalidArgumentError(
      `where must be a condition or values by column, found ${describe(where)}.`,
    );
  }
  const params: InputValue[] = [];
  const terms = Object.entries(where).map(([column, wanted]) => {
    const name = context.dialect.quote(checkName(context, 'column', column));
    return isList(wanted)
      ? listTerm(context, name, wanted, params)
      : valueTerm(context, name, wanted, params);
  });
  return { sql: terms.length === 0 ? '' : ` WHERE ${terms.join(' AND ')}`, params };
}

function isList(wanted: InputValue | readonly InputValue[]): wanted is readonly InputValue[] {
  return Array.isArray(wanted);
}

function valueTerm(
  context: OperationContext,
  name: string,
  value: InputValue,
  params: InputValue[],
): string {
  if (value === null || value === undefined) return `${name} IS NULL`;
  if (typeof value === 'object' && !ArrayBuffer.isView(value) && !isDate(value)) {
    throw new InvalidArgumentError('where takes values and lists of values; found an object.');
  }
  params.push(value);
  return `${name} = ${context.dialect.placeholder(params.length)}`;
}

function listTerm(
  context: OperationContext,
  name: string,
  values: readonly InputValue[],
  params: InputValue[],
): string {
  const present = values.filter((value) => value !== null && value !== undefined);
  if (present.length > maxListValues) {
    throw new InvalidArgumentError(
      `where takes lists of at most ${maxListValues} values; found ${present.length}.`,
    );
  }
  const marks = present.map((value) => {
    params.push(value);
    return context.dialect.placeholder(params.length);
  });
  const inList = marks.length === 0 ? '1 = 0' : `${name} IN (${marks.join(', ')})`;
  return present.length === values.length ? inList : `(${inList} OR ${name} IS NULL)`;
}

function orderSql(
  context: OperationContext,
  orderBy: ReadTableOptions['orderBy'],
): string | undefined {
  if (orderBy === undefined) return undefined;
  const list = typeof orderBy === 'string' ? [orderBy] : orderBy;
  if (!Array.isArray(list)) {
    throw new InvalidArgumentError('orderBy must be a column, "column desc", or a list of these.');
  }
  if (list.length === 0) return undefined;
  return ` ORDER BY ${(list as readonly (string | OrderBy)[]).map((term) => orderTerm(context, term)).join(', ')}`;
}

function orderTerm(context: OperationContext, term: string | OrderBy): string {
  const parsed = typeof term === 'string' ? parseOrder(term) : term;
  if (typeof parsed !== 'object' || (parsed as unknown) === null) {
    throw new InvalidArgumentError('orderBy must be a column, "column desc", or a list of these.');
  }
  const direction: unknown = parsed.direction ?? 'asc';
  if (direction !== 'asc' && direction !== 'desc') {
    throw new InvalidArgumentError(
      `The direction in orderBy must be "asc" or "desc", found ${describe(direction)}.`,
    );
  }
  return `${context.dialect.quote(checkName(context, 'column', parsed.column))} ${direction.toUpperCase()}`;
}

function parseOrder(term: string): OrderBy {
  const match = /^([\s\S]*\S)\s+(asc|desc)\s*$/i.exec(term);
  if (match?.[1] === undefined) return { column: term };
  return { column: match[1], direction: match[2]?.toLowerCase() === 'desc' ? 'desc' : 'asc' };
}
