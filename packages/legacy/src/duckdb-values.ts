import { InvalidArgumentError, type InputValue } from '@changeover/engines/api';
import { type Row, type Value } from '@changeover/core';
import { duckdbDriver, isDate, jsonText } from '@changeover/engines';
import type {
  DuckDBMapType,
  DuckDBPreparedStatement,
  DuckDBStructType,
  DuckDBTimestampValue as TimestampValue,
  DuckDBType,
  DuckDBValue,
} from '@duckdb/node-api';
import { narrowInteger, objectOf } from './rows.ts';

const { DuckDBTimestampValue, DuckDBTypeId } = duckdbDriver();

/** What the driver's objects hold; which of these one has is told by its type. */
interface Parts {
  readonly bytes: Uint8Array;
  readonly days: number;
  readonly seconds: bigint;
  readonly millis: bigint;
  readonly micros: bigint;
  readonly nanos: bigint;
  readonly items: readonly DuckDBValue[];
  readonly tag: string;
  readonly value: DuckDBValue;
  toString(): string;
}

/** A value as callers get it, by its type. */
export function fromDuckdb(value: DuckDBValue, type: DuckDBType): Value {
  if (value === null) return null;
  const parts = value as unknown as Parts;
  switch (type.typeId) {
    case DuckDBTypeId.BIGINT:
    case DuckDBTypeId.UBIGINT:
    case DuckDBTypeId.HUGEINT:
    case DuckDBTypeId.UHUGEINT:
    case DuckDBTypeId.BIGNUM:
      return narrowInteger(value as bigint);
    case DuckDBTypeId.BLOB:
    case DuckDBTypeId.GEOMETRY:
      return Buffer.from(parts.bytes);
    case DuckDBTypeId.DATE:
      return dateText(parts.days, parts.toString());
    case DuckDBTypeId.TIMESTAMP:
      return timestampText(parts.micros, parts.toString());
    case DuckDBTypeId.TIMESTAMP_S:
      return timestampText(parts.seconds, parts.toString());
    case DuckDBTypeId.TIMESTAMP_MS:
      return timestampText(parts.millis, parts.toString());
    case DuckDBTypeId.TIMESTAMP_NS:
      return timestampText(parts.nanos, parts.toString());
    case DuckDBTypeId.TIMESTAMP_TZ:
      return utcText(parts.micros);
    case DuckDBTypeId.LIST:
    case DuckDBTypeId.ARRAY:
      return parts.items.map((item) => fromDuckdb(item, type.valueType));
    case DuckDBTypeId.STRUCT:
      return structOf(value as unknown as Entries, type);
    case DuckDBTypeId.MAP:
      return mapOf(value as unknown as MapEntries, type);
    case DuckDBTypeId.UNION:
      return fromDuckdb(parts.value, type.memberTypeForTag(parts.tag));
    default:
      // Decimals, times, intervals, UUIDs, bits: the driver's objects write the engine's own text.
      return typeof value === 'object' ? parts.toString() : value;
  }
}

interface Entries {
  readonly entries: Readonly<Record<string, DuckDBValue>>;
}

interface MapEntries {
  readonly entries: readonly { readonly key: DuckDBValue; readonly value: DuckDBValue }[];
}

function structOf({ entries }: Entries, { entryNames, entryTypes }: DuckDBStructType): Row {
  return objectOf(
    entryNames,
    entryTypes.map((type, at) => fromDuckdb(entries[entryNames[at] ?? ''] ?? null, type)),
  );
}

function mapOf({ entries }: MapEntries, { keyType, valueType }: DuckDBMapType): Value {
  return entries.map(({ key, value }) => ({
    key: fromDuckdb(key, keyType),
    value: fromDuckdb(value, valueType),
  }));
}

/** The driver writes the infinities as dates of the year 5877642. */
function dateText(days: number, text: string): string {
  if (days === 2_147_483_647) return 'infinity';
  if (days === -2_147_483_647) return '-infinity';
  return withoutYearZero(text);
}

const infinity = 2n ** 63n - 1n;

/** The driver knows the infinities in microseconds alone. */
function timestampText(count: bigint, text: string): string {
  if (count === infinity) return 'infinity';
  if (count === -infinity) return '-infinity';
  return withoutYearZero(text);
}

/** The driver writes it in the zone of the machine. */
function utcText(micros: bigint): string {
  const text = timestampText(micros, new DuckDBTimestampValue(micros).toString());
  return text.endsWith('infinity') ? text : `${text}+00`;
}

/** The driver calls the year before 1 the year 0, where the engine calls it 1 BC as it does with all before. */
function withoutYearZero(text: string): string {
  return text.replace(/^0000(-\d\d-\d\d)/, '0001$1 (BC)');
}

const biggest64 = 2n ** 63n - 1n;
const biggest128 = 2n ** 127n - 1n;

/** Binds a parameter, the first being 1. */
export function bindParameter(
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
      if (!Number.isSafeInteger(value) || Object.is(value, -0))
        statement.bindDouble(position, value);
      else if (Math.abs(value) < 2 ** 31) statement.bindInteger(position, value);
      else statement.bindBigInt(position, BigInt(value));
      break;
    case 'bigint':
      if (value <= biggest64 && value >= -biggest64 - 1n) statement.bindBigInt(position, value);
      else statement.bindHugeInt(position, hugeint(value));
      break;
    default:
      if (value === null || value === undefined) statement.bindNull(position);
      else if (ArrayBuffer.isView(value)) statement.bindBlob(position, value);
      else if (isDate(value)) statement.bindTimestamp(position, timestampOf(value));
      else statement.bindVarchar(position, jsonText(value));
  }
}

/** @throws {InvalidArgumentError} past 128 bits. */
export function hugeint(value: bigint): bigint {
  if (value <= biggest128 && value >= -biggest128) return value;
  throw new InvalidArgumentError(
    'DuckDB holds integers of 128 bits; found a larger one. Pass it as text.',
  );
}

/** @throws {InvalidArgumentError} for an invalid date. */
export function timestampOf(date: Date): TimestampValue {
  const milliseconds = date.getTime();
  if (Number.isNaN(milliseconds))
    throw new InvalidArgumentError("An invalid Date can't be stored: pass null instead.");
  return new DuckDBTimestampValue(BigInt(milliseconds) * 1000n);
}
