import { InvalidArgumentError, type InputValue } from '@changeover/engines/api';
import { type Value } from '@changeover/core';
import { isDate, jsonText, postgresDriver, timestampText } from '@changeover/engines';
import { narrowInteger } from './rows.ts';

type Parser = (text: string) => Value;

const int8 = 20;
/** Types that JavaScript has a value for, read by the driver's own parsers: boolean, bytea, int2, int4, oid, float4, float8. */
const parsedTypes: ReadonlySet<number> = new Set([16, 17, 21, 23, 26, 700, 701]);

/** The element's type of each list of one of these. */
const listsOfParsed: ReadonlyMap<number, number> = new Map([
  [1000, 16],
  [1001, 17],
  [1005, 21],
  [1007, 23],
  [1016, int8],
  [1021, 700],
  [1022, 701],
  [1028, 26],
]);

/** The server's own types of lists of all others, by its catalog. Types that are made in a database are its text. */
const listsOfText: ReadonlySet<number> = new Set([
  143, 199, 271, 629, 651, 719, 775, 791, 1002, 1003, 1006, 1008, 1009, 1010, 1011, 1012, 1013,
  1014, 1015, 1017, 1018, 1019, 1027, 1034, 1040, 1041, 1115, 1182, 1183, 1185, 1187, 1231, 1270,
  1561, 1563, 2201, 2207, 2208, 2209, 2210, 2211, 2949, 2951, 3221, 3643, 3644, 3645, 3735, 3770,
  3807, 3905, 3907, 3909, 3911, 3913, 3927, 4073, 4090, 4097, 4192, 5039, 6150, 6151, 6152, 6153,
  6155, 6157,
]);

/** The parser of a type by its number in the server's catalog: what JavaScript has no exact value for is the server's text. */
export function postgresTypeParser(typeId: number): Parser {
  if (typeId === int8) return (text) => narrowInteger(BigInt(text));
  if (parsedTypes.has(typeId)) return getTypeParser(typeId);
  const element = listsOfParsed.get(typeId);
  if (element !== undefined) return listParser(postgresTypeParser(element));
  return listsOfText.has(typeId) ? listParser(String) : String;
}

/** The driver's own reading of `{1,NULL,"a b"}`. */
function listParser(element: Parser): Parser {
  return (text) =>
    arrayParser.create(text, (item) => (item === null ? null : element(item))).parse();
}

const { arrayParser, getTypeParser } = postgresDriver().types as unknown as {
  getTypeParser(typeId: number): Parser;
  readonly arrayParser: {
    create(text: string, element: (item: string | null) => Value): { parse(): Value[] };
  };
};

/** A parameter as the driver takes it. It would write a date in the zone of the machine and loses the sign of -0. */
export function boundValue(value: InputValue): unknown {
  switch (typeof value) {
    case 'undefined':
    case 'string':
    case 'boolean':
    case 'bigint':
      return value;
    case 'number':
      return Object.is(value, -0) ? '-0' : value;
    case 'object':
      if (value === null || ArrayBuffer.isView(value)) return value;
      if (isList(value))
        return value.map((item) => boundValue(isBytes(item) ? hexText(item) : item));
      return isDate(value) ? timestampText(value) : jsonText(value);
    default:
      throw new InvalidArgumentError(`A value of type ${typeof value} can't be stored.`);
  }
}

/** A value to insert, as text, which the server reads as it does the column's type. */
export function insertedValue(value: InputValue, columnType: string): unknown {
  if (isBytes(value)) return hexText(value);
  // A list is JSON, except for a column of lists.
  return isList(value) && !columnType.endsWith('[]') ? jsonText(value) : boundValue(value);
}

function isList(value: InputValue): value is readonly InputValue[] {
  return Array.isArray(value);
}

function isBytes(value: InputValue): value is Uint8Array {
  return ArrayBuffer.isView(value);
}

/** Bytes as the server reads and writes them in text. */
function hexText({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return `\\x${Buffer.from(buffer, byteOffset, byteLength).toString('hex')}`;
}
