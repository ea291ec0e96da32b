/** A value as every engine returns it. Integers past 2^53 are `bigint`, all others `number`; bytes are `Uint8Array`,
 * always of the class `Buffer`. Whatever JavaScript has no exact type for (decimals, dates, times, intervals, UUIDs, JSON)
 * is the engine's own text, in UTC where a time zone matters, so that no digit is lost and nothing is shifted. Arrays
 * are lists, plain objects are structs. */
export type Value =
  null | boolean | number | bigint | string | Uint8Array | readonly Value[] | StructValue;

/** A struct by field name. */
export interface StructValue {
  readonly [field: string]: Value;
}

/** One row by column name. The caller owns it and may change it. */
export type Row = Record<string, Value>;
