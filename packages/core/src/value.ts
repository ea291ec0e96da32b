/** A value as every engine returns it. Integers past 2^53 are `bigint`, all others `number`; bytes are `Uint8Array`,
 * always of the class `Buffer`. Whatever JavaScript has no exact type for (decimals, dates, times, intervals, UUIDs, JSON)
 * is the engine's own text, in UTC where a time zone matters, so that no digit is lost and nothing is shifted. Arrays
 * are lists, plain objects are structs. */
export type Value =
  null | boolean | number | bigint | string | Uint8Array | readonly Value[] | StructValue;

/** A struct (DuckDB) by field name. */
export interface StructValue {
  readonly [field: string]: Value;
}

/** One row by column name. The caller owns it and may change it. */
export type Row = Record<string, Value>;

/** Rows with their columns in order. Where a statement yields one name twice, the later ones are renamed `name:1`,
 * `name:2`, … so that no value is lost. */
export interface ResultSet {
  columns: string[];
  rows: Row[];
}

/** A value that can be written or bound: `undefined` means NULL; a `Date` is stored as a timestamp in UTC with
 * milliseconds; arrays and plain objects are stored as JSON, except where the column has a list or struct type. */
export type InputValue =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Date
  | readonly InputValue[]
  | { readonly [field: string]: InputValue };

/** Rows to write: a list of rows by column name, or a list of values a column. */
export type InputRows = readonly { readonly [column: string]: InputValue }[] | InputColumns;

/** Columns to write: one list of equal length a column. An empty list a column makes an empty table. */
export interface InputColumns {
  readonly [column: string]: readonly InputValue[];
}

/** What can be kept in a dataset's metadata. */
export type JsonValue =
  null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** A dataset's metadata by key. */
export type Metadata = Record<string, JsonValue>;
