import { InvalidArgumentError } from './api/storage-errors.ts';
import { type InputValue } from './api/input-values.ts';
import { type Value } from '@changeover/core';
import { isDate, timestampText } from './date-text.ts';
import { jsonText } from './json-text.ts';

type Parser = (text: string) => Value;

const asText: Parser = (text) => text;

/** An integer of any size: a number where it holds it, else a `bigint`. */
export function integerValue(text: string): number | bigint {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}

/** Parsers by the type's number in the catalog. What isn't listed is the server's text. */
const parsers: ReadonlyMap<number, Parser> = new Map<number, Parser>([
  [16, (text) => text === 't'],
  [17, bytes],
  [20, integerValue],
  [21, Number],
  [23, Number],
  [26, Number],
  [700, Number],
  [701, Number],
]);

/** The element's type of each built-in array type that isn't an array of text. */
const elementTypes: ReadonlyMap<number, number> = new Map([
  [1000, 16],
  [1001, 17],
  [1016, 20],
  [1005, 21],
  [1007, 23],
  [1028, 26],
  [1021, 700],
  [1022, 701],
]);

/** Built-in array types whose elements are the server's text. */
const textArrays: ReadonlySet<number> = new Set([
  143, 199, 271, 629, 651, 719, 775, 791, 1002, 1003, 1006, 1008, 1009, 1010, 1011, 1012, 1013,
  1014, 1015, 1017, 1018, 1019, 1027, 1034, 1040, 1041, 1115, 1182, 1183, 1185, 1187, 1231, 1270,
  1561, 1563, 2201, 2207, 2208, 2209, 2210, 2211, 2949, 2951, 3221, 3643, 3644, 3645, 3735, 3770,
  3807, 3905, 3907, 3909, 3911, 3913, 3927, 4073, 4090, 4097, 4192, 5039, 6150, 6151, 6152, 6153,
  6155, 6157,
]);

/** How the text of a type is read; undefined where the text is the value. */
export function postgresParser(typeId: number): Parser | undefined {
  const parser = parsers.get(typeId);
  if (parser !== undefined) return parser;
  const elementType = elementTypes.get(typeId);
  if (elementType !== undefined) {
    const element = parsers.get(elementType) ?? asText;
    return (text) => parseArray(text, element);
  }
  return textArrays.has(typeId) ? (text) => parseArray(text, asText) : undefined;
}

/** In either form: a caller may have set `bytea_output` to `escape` for its connection. */
function bytes(text: string): Uint8Array {
  if (text.startsWith('\\x')) return Buffer.from(text.slice(2), 'hex');
  const plain = text.replace(/\\(?:\\|([0-7]{3}))/g, (_found, octal: string | undefined) =>
    octal === undefined ? '\\' : String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return Buffer.from(plain, 'latin1');
}

/** A list from the server's text of an array, such as `{1,NULL,"a \"b\""}` or, with bounds, `[0:1]={1,2}`. */
function parseArray(text: string, element: Parser): Value[] {
  let position = text.startsWith('[') ? text.indexOf('=') + 1 : 0;
  return list();

  function list(): Value[] {
    const items: Value[] = [];
    position += 1;
    while (position < text.length && text[position] !== '}') {
      if (text[position] === ',') position += 1;
      else items.push(text[position] === '{' ? list() : text[position] === '"' ? quoted() : bare());
    }
    position += 1;
    return items;
  }

  function quoted(): Value {
    let content = '';
    position += 1;
    while (text[position] !== '"') {
      if (text[position] === '\\') position += 1;
      content += text[position] ?? '';
      position += 1;
    }
    position += 1;
    return element(content);
  }

  function bare(): Value {
    const start = position;
    while (text[position] !== ',' && text[position] !== '}') position += 1;
    const content = text.slice(start, position);
    return content === 'NULL' ? null : element(content);
  }
}

/** A value as it is bound: text, bytes or null. Lists are bound as arrays, plain objects as JSON. */
export function postgresParam(value: InputValue): string | Buffer | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'object' && ArrayBuffer.isView(value)) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
  return Array.isArray(value) ? arrayText(value) : scalarText(value);
}

function scalarText(value: Exclude<InputValue, null | undefined>): string {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value);
    case 'boolean':
    case 'bigint':
      return String(value);
    case 'object':
      if (ArrayBuffer.isView(value))
        return `\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`;
      return isDate(value) ? timestampText(value) : jsonText(value);
    default:
      throw new InvalidArgumentError(`A value of type ${typeof value} can't be stored.`);
  }
}

function arrayText(values: readonly InputValue[]): string {
  // A hole is a NULL: `map` would leave it out.
  const items = Array.from(values, (value) => {
    if (value === null || value === undefined) return 'NULL';
    if (Array.isArray(value)) return arrayText(value);
    return `"${scalarText(value).replace(/[\\"]/g, '\\$&')}"`;
  });
  return `{${items.join(',')}}`;
}

const escapes: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\t': '\\t',
  '\n': '\\n',
  '\r': '\\r',
};

/** A value in COPY's text format. `type` is the column's. */
export function copyText(value: InputValue, type: string): string {
  switch (typeof value) {
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value);
    case 'bigint':
    case 'boolean':
      return String(value);
    default:
  }
  if (value === null || value === undefined) return '\\N';
  const text =
    Array.isArray(value) && type.endsWith('[]')
      ? arrayText(value)
      : scalarText(value as Exclude<InputValue, null | undefined>);
  // One look is cheaper than a replacement that finds nothing.
  return /[\\\t\n\r]/.test(text)
    ? text.replace(/[\\\t\n\r]/g, (character) => escapes[character] ?? character)
    : text;
}
