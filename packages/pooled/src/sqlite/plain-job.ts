import { types } from 'node:util';
import { jsonText } from '@changeover/engines/sqlite';
import type { Job } from '../job.ts';

// Arguments cross to a thread or a process as copies, and a copy has neither what a proxy or a class answers nor a `toJSON`. What SQLite
// would store of such a value is made here, where its caller's object is.

/** Whether a copy of a job would not be what its caller means. Never throws. */
export function needsPlain(job: Job): boolean {
  if (!('args' in job)) return false;
  try {
    return job.args.some((argument, at) => {
      switch (roleOf(job, at)) {
        case 'name':
          return false;
        case 'options':
          return isOwnKind(argument);
        case 'metadata':
          return true;
        case 'params':
          return isList(argument) && argument.some(isNested);
        case 'rows':
          return isList(argument) ? argument.some(hasNested) : hasNestedList(argument);
      }
    });
  } catch {
    return true;
  }
}

/**
 * A job with plain objects in place of its arguments, and with JSON in place of nested values.
 *
 * @throws whatever reading the arguments throws.
 */
export function plainJob(job: Job): Job {
  if (!('args' in job)) return job;
  const args = job.args.map((argument, at) => {
    switch (roleOf(job, at)) {
      case 'name':
        // What is no name is refused as such; nothing of it is needed for that.
        return typeof argument === 'object' && argument !== null ? {} : argument;
      case 'options':
        return plainOptions(argument);
      case 'metadata':
        return isObject(argument) ? mapped(argument, metadataValue) : argument;
      case 'params':
        return isList(argument) ? argument.map(plainValue) : argument;
      case 'rows':
        return plainRows(argument);
    }
  });
  return { ...job, args };
}

type Role = 'name' | 'options' | 'metadata' | 'params' | 'rows';

function roleOf(job: Job, at: number): Role {
  if (job.kind === 'rehearse') return at === 1 ? 'params' : 'name';
  const operation = job.kind === 'operation' ? job.operation : 'writeTable';
  switch (operation) {
    case 'query':
    case 'execute':
      return at === 1 ? 'params' : 'name';
    case 'writeTable':
      return at === 1 ? 'rows' : at === 2 ? 'options' : 'name';
    case 'readTable':
      return at === 1 ? 'options' : 'name';
    case 'updateMetadata':
      return 'metadata';
    default:
      return 'name';
  }
}

type Fields = Readonly<Record<string, unknown>>;

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What is stored as JSON. */
function isNested(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    !ArrayBuffer.isView(value) &&
    !types.isDate(value)
  );
}

function hasNested(row: unknown): boolean {
  if (!isObject(row)) return false;
  for (const name in row) if (isNested(row[name])) return true;
  return false;
}

function hasNestedList(columns: unknown): boolean {
  return (
    isObject(columns) &&
    Object.values(columns).some((column) => isList(column) && column.some(isNested))
  );
}

/** Its fields may be its class's. */
function isOwnKind(options: unknown): boolean {
  if (!isObject(options)) return false;
  const prototype: unknown = Object.getPrototypeOf(options);
  return (prototype !== null && prototype !== Object.prototype) || isNested(options['where']);
}

function plainOptions(options: unknown): unknown {
  if (!isObject(options)) return options;
  const { columns, where, limit, orderBy, ifExists } = options;
  return {
    columns: isList(columns) ? [...columns] : columns,
    where: isObject(where) ? mapped(where, conditionValue) : where,
    limit,
    orderBy: isList(orderBy) ? orderBy.map(plainOrder) : orderBy,
    ifExists,
  };
}

function conditionValue(value: unknown): unknown {
  return isList(value) ? value.map(plainValue) : plainValue(value);
}

function plainOrder(term: unknown): unknown {
  if (!isObject(term)) return term;
  const { column, direction } = term;
  return { column, direction };
}

function plainRows(rows: unknown): unknown {
  // `map` leaves holes where they are.
  if (isList(rows)) return rows.map((row) => (isObject(row) ? mapped(row, plainValue) : row));
  if (!isObject(rows)) return rows;
  return mapped(rows, (column) => (isList(column) ? column.map(plainValue) : column));
}

function mapped(fields: Fields, change: (value: unknown) => unknown): Fields {
  return Object.fromEntries(Object.keys(fields).map((name) => [name, change(fields[name])]));
}

function plainValue(value: unknown): unknown {
  return isNested(value) ? jsonText(value) : value;
}

function metadataValue(value: unknown): unknown {
  if (!isNested(value)) return value;
  let text: unknown;
  try {
    text = JSON.stringify(value);
  } catch {
    // Whoever stores it finds the same, and says so.
    return Symbol('no JSON');
  }
  return typeof text === 'string' ? (JSON.parse(text) as unknown) : value;
}
