import { InvalidArgumentError } from './api/storage-errors.ts';
import { type InputValue } from './api/input-values.ts';
import { type Value } from '@changeover/core';
import type {
  DuckDBDateValue as DateValue,
  DuckDBPreparedStatement,
  DuckDBTimestampValue as TimestampValue,
  DuckDBValue,
} from '@duckdb/node-api';
import { isDate } from './date-text.ts';
import { duckdbDriver } from './drivers.ts';
import { jsonText } from './json-text.ts';

const {
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBGeometryValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBUnionValue,
} = duckdbDriver();

const maxSafe = BigInt(Number.MAX_SAFE_INTEGER);
const minSafe = BigInt(Number.MIN_SAFE_INTEGER);

/** A driver's value as the family's. */
export function duckdbValue(value: DuckDBValue | undefined): Value {
  switch (typeof value) {
    case 'undefined':
      return null;
    case 'bigint':
      return value <= maxSafe && value >= minSafe ? Number(value) : value;
    case 'object':
      return value === null ? null : objectValue(value);
    default:
      return value;
  }
}

function objectValue(
  value: Exclude<DuckDBValue, null | string | number | bigint | boolean>,
): Value {
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes);
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue)
    return value.items.map(duckdbValue);
  if (value instanceof DuckDBStructValue) return structValue(Object.entries(value.entries));
  if (value instanceof DuckDBMapValue) {
    return value.entries.map(({ key, value: item }) =>
      structValue([
        ['key', key],
        ['value', item],
      ]),
    );
  }
  if (value instanceof DuckDBUnionValue) return duckdbValue(value.value);
  if (value instanceof DuckDBDateValue) return dateText(value);
  if (value instanceof DuckDBTimestampSecondsValue) return timestampText(value, value.seconds);
  if (value instanceof DuckDBTimestampMillisecondsValue) return timestampText(value, value.millis);
  if (value instanceof DuckDBTimestampNanosecondsValue) return timestampText(value, value.nanos);
  if (value instanceof DuckDBTimestampTZValue) return utcText(value.micros);
  if (value instanceof DuckDBGeometryValue) return Buffer.from(value.bytes);
  return yearText(String(value));
}

/** The driver calls the year before 1 the year 0, where the engine calls it 1 BC as it does with all before. */
function yearText(text: string): string {
  return text.replace(/^0000(-\d\d-\d\d)/, '0001$1 (BC)');
}

/** The driver writes the infinities as dates of the year 5877642. */
function dateText(value: DateValue): string {
  if (value.days === 2_147_483_647) return 'infinity';
  if (value.days === -2_147_483_647) return '-infinity';
  return yearText(value.toString());
}

/** The driver knows the infinities in microseconds alone. */
function timestampText(value: { toString(): string }, count: bigint): string {
  if (count === maxInt64) return 'infinity';
  if (count === -maxInt64) return '-infinity';
  return yearText(String(value));
}

/** The driver writes it in the machine's zone. */
function utcText(micros: bigint): string {
  const text = timestampText(new DuckDBTimestampValue(micros), micros);
  return text.endsWith('infinity') ? text : `${text}+00`;
}

function structValue(entries: [string, DuckDBValue][]): Value {
  const struct: Record<string, Value> = {};
  for (const [field, item] of entries) {
    Object.defineProperty(struct, field, {
      value: duckdbValue(item),
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  return struct;
}

const maxInt64 = 2n ** 63n - 1n;
const minInt64 = -(2n ** 63n);
const maxInt128 = 2n ** 127n - 1n;

/** Binds one parameter, the first being 1. */
export function bindDuckdbParam(
  statement: DuckDBPreparedStatement,
  position: number,
  value: InputValue,
): void {
  switch (typeof value) {
    case 'string':
      statement.bindVarchar(position, value);
      break;
    case 'boolean':
      statement.bindBoolean(position, value);
      break;
    case 'number':
      bindNumber(statement, position, value);
      break;
    case 'bigint':
      if (value <= maxInt64 && value >= minInt64) statement.bindBigInt(position, value);
      else statement.bindHugeInt(position, checkHugeint(value));
      break;
    default:
      bindObject(statement, position, value);
  }
}

function bindNumber(statement: DuckDBPreparedStatement, position: number, value: number): void {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) statement.bindDouble(position, value);
  else if (value <= 2_147_483_647 && value >= -2_147_483_648)
    statement.bindInteger(position, value);
  else statement.bindBigInt(position, BigInt(value));
}

function bindObject(
  statement: DuckDBPreparedStatement,
  position: number,
  value: Exclude<InputValue, string | boolean | number | bigint>,
): void {
  if (value === null || value === undefined) statement.bindNull(position);
  else if (ArrayBuffer.isView(value)) statement.bindBlob(position, value);
  else if (isDate(value)) statement.bindTimestamp(position, timestampValue(value));
  else statement.bindVarchar(position, jsonText(value));
}

/** @throws {InvalidArgumentError} past 128 bits. */
export function checkHugeint(value: bigint): bigint {
  if (value <= maxInt128 && value >= -maxInt128) return value;
  throw new InvalidArgumentError(
    'DuckDB holds integers of 128 bits; found a larger one. Pass it as text.',
  );
}

/** @throws {InvalidArgumentError} for an invalid date. */
export function timestampValue(date: Date): TimestampValue {
  const milliseconds = date.getTime();
  if (Number.isNaN(milliseconds))
    throw new InvalidArgumentError("An invalid Date can't be stored: pass null instead.");
  return new DuckDBTimestampValue(BigInt(milliseconds) * 1000n);
}
