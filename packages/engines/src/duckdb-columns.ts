import type { Row, Value } from '@changeover/core';
import type { DuckDBDataChunk, DuckDBVector } from '@duckdb/node-api';
import { duckdbDriver } from './drivers.ts';
import { DuckdbTexts } from './duckdb-texts.ts';
import { duckdbValue } from './duckdb-values.ts';
import { setOwn, uniqueColumns } from './rows.ts';

const { DuckDBTypeId } = duckdbDriver();

/** What the driver's vectors hold inside: reading it straight takes half the time of a call an item. */
interface VectorParts {
  readonly items?: ArrayBufferView | undefined;
  readonly dataView?: DataView | undefined;
  readonly validity?: { readonly data: BigUint64Array | null; readonly offset: number } | undefined;
  /** A struct's fields. */
  readonly entryVectors?: readonly DuckDBVector[] | undefined;
}

const msPerDay = 86_400_000;
/** What `Date` writes with four digits of year and no sign. */
const firstPlainDay = -719_528;
const lastPlainDay = 2_932_896;
const twoTo32 = 4_294_967_296;

/** The values of one column of a chunk. */
export function duckdbColumn(chunk: DuckDBDataChunk, column: number): Value[] {
  const vector = chunk.getColumnVector(column);
  const count = chunk.rowCount;
  const parts = vector as unknown as VectorParts;
  const valid = validBits(parts);
  const read = reader(vector, parts, valid ?? null);
  const values = new Array<Value>(count);
  if (read === undefined || valid === undefined) {
    for (let row = 0; row < count; row += 1) values[row] = duckdbValue(vector.getItem(row));
    return values;
  }
  if (valid === null) {
    for (let row = 0; row < count; row += 1) values[row] = read(row);
    return values;
  }
  for (let row = 0; row < count; row += 1) {
    values[row] = ((valid[row >> 3] ?? 0) & (1 << (row & 7))) === 0 ? null : read(row);
  }
  return values;
}

/** Which rows are not NULL, a bit each; null where all are; undefined where it can't be told so. */
function validBits({ validity }: VectorParts): Uint8Array | null | undefined {
  if (validity?.offset !== 0) return undefined;
  const { data } = validity;
  return data === null ? null : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** How a row of a vector of this type is read, or undefined where the driver's own way is as good. */
function reader(
  vector: DuckDBVector,
  { items, dataView, entryVectors }: VectorParts,
  valid: Uint8Array | null,
): ((row: number) => Value) | undefined {
  switch (vector.type.typeId) {
    case DuckDBTypeId.TINYINT:
    case DuckDBTypeId.SMALLINT:
    case DuckDBTypeId.INTEGER:
    case DuckDBTypeId.UTINYINT:
    case DuckDBTypeId.USMALLINT:
    case DuckDBTypeId.UINTEGER:
    case DuckDBTypeId.FLOAT:
    case DuckDBTypeId.DOUBLE:
      return items === undefined ? undefined : numberReader(items as Float64Array);
    case DuckDBTypeId.BIGINT:
      return items === undefined ? undefined : bigintReader(items as BigInt64Array);
    case DuckDBTypeId.TIMESTAMP:
      return items === undefined ? undefined : timestampReader(items as BigInt64Array, vector);
    case DuckDBTypeId.DATE:
      return items === undefined ? undefined : dateReader(items as Int32Array, vector);
    case DuckDBTypeId.VARCHAR:
      return dataView === undefined
        ? undefined
        : textReader(new DuckdbTexts(dataView, valid, vector.itemCount));
    case DuckDBTypeId.STRUCT:
      return entryVectors === undefined
        ? undefined
        : structReader(entryVectors, vector.type.entryNames);
    default:
      return undefined;
  }
}

function numberReader(items: Float64Array): (row: number) => Value {
  return (row) => items[row] ?? null;
}

/** Two halves make a number without a bigint for each value on the way. */
function bigintReader(items: BigInt64Array): (row: number) => Value {
  const halves = new Int32Array(items.buffer, items.byteOffset, items.length * 2);
  return (row) => {
    const value = (halves[row * 2 + 1] ?? 0) * twoTo32 + ((halves[row * 2] ?? 0) >>> 0);
    return Number.isSafeInteger(value) ? value : (items[row] ?? null);
  };
}

function dateReader(items: Int32Array, vector: DuckDBVector): (row: number) => Value {
  return (row) => {
    const day = items[row] ?? 0;
    if (day < firstPlainDay || day > lastPlainDay || isBeforeYearOne(day))
      return duckdbValue(vector.getItem(row));
    return new Date(day * msPerDay).toISOString().slice(0, 10);
  };
}

/** Year 0 to JavaScript is 1 BC to the engine. */
function isBeforeYearOne(day: number): boolean {
  return day < -719_162;
}

function timestampReader(items: BigInt64Array, vector: DuckDBVector): (row: number) => Value {
  const readMicros = bigintReader(items);
  return (row) => {
    const micros = readMicros(row);
    if (typeof micros !== 'number') return duckdbValue(vector.getItem(row));
    const milliseconds = Math.floor(micros / 1000);
    const day = Math.floor(milliseconds / msPerDay);
    if (isBeforeYearOne(day) || day > lastPlainDay) return duckdbValue(vector.getItem(row));
    const text = new Date(milliseconds).toISOString();
    const seconds = `${text.slice(0, 10)} ${text.slice(11, 19)}`;
    const fraction = micros - Math.floor(micros / 1_000_000) * 1_000_000;
    return fraction === 0
      ? seconds
      : `${seconds}.${String(fraction).padStart(6, '0').replace(/0+$/, '')}`;
  };
}

function textReader(texts: DuckdbTexts): (row: number) => Value {
  return (row) => texts.read(row);
}

/** Fields without names, as those of `row(1, 2)`, are one to the driver, and one called `__proto__` is none. */
function structReader(
  fields: readonly DuckDBVector[],
  names: readonly string[],
): ((row: number) => Value) | undefined {
  if (new Set(names).size === names.length && !names.includes('__proto__')) return undefined;
  const unique = uniqueColumns(names);
  return (row) => {
    const struct: Row = {};
    for (const [at, name] of unique.entries())
      setOwn(struct, name, duckdbValue(fields[at]?.getItem(row)));
    return struct;
  };
}
