import { exactNumber, parseJsonExactly } from '@changeover/compare';
import type { Engine } from '@changeover/engines';
import type { Value } from '@changeover/core';

/** What a column holds, whatever the engine calls it. */
export type CommonKind =
  | 'any'
  | 'boolean'
  | 'integer'
  | 'decimal'
  | 'single'
  | 'double'
  | 'text'
  | 'padded'
  | 'bytes'
  | 'date'
  | 'time'
  | 'timestamp'
  | 'zoned'
  | 'interval'
  | 'uuid'
  | 'json'
  | 'nested';

/** Brings a value to the form that all engines' copies of it have. */
export type Common = (value: Value) => Value;

/** A column as an engine declares it. */
export interface DeclaredColumn {
  readonly engine: Engine;
  readonly type: string;
}

const patterns: readonly (readonly [RegExp, CommonKind])[] = [
  [/\[|^(?:list|array|struct|map|union)\b/i, 'nested'],
  [/^bool/i, 'boolean'],
  [/^(?:json|jsonb|variant)$/i, 'json'],
  [/^interval/i, 'interval'],
  [
    /^(?:u?(?:tiny|small|medium|big|huge)int|u?int(?:eger|\d*)?|long|oid|serial|bigserial)\b/i,
    'integer',
  ],
  [/^(?:numeric|decimal)/i, 'decimal'],
  [/^(?:real|float4?)$/i, 'single'],
  [/^(?:double|float8)/i, 'double'],
  [/^(?:timestamp with time zone|timestamptz)/i, 'zoned'],
  [/^(?:timestamp|datetime)/i, 'timestamp'],
  [/^date/i, 'date'],
  [/^time/i, 'time'],
  [/^uuid/i, 'uuid'],
  [/^(?:blob|bytea|binary|varbinary)/i, 'bytes'],
  [/^(?:character\(|char\(|bpchar)/i, 'padded'],
  [/^(?:text|varchar|character varying|char|string|clob|name|citext|enum)/i, 'text'],
];

/** What a declared type stands for. SQLite's are a wish: any column may hold anything, and its REAL is a double. */
function kindOf({ engine, type }: DeclaredColumn): CommonKind {
  const kind = patterns.find(([pattern]) => pattern.test(type))?.[1] ?? 'any';
  if (engine !== 'sqlite') return kind;
  if (kind === 'single') return 'double';
  return kind === 'padded' ? 'text' : kind;
}

/** Lower comes first: that of the two kinds which says more about what is meant. */
const weight: readonly CommonKind[] = [
  'nested',
  'json',
  'uuid',
  'zoned',
  'timestamp',
  'date',
  'time',
  'interval',
  'boolean',
  'padded',
  'decimal',
  'single',
  'double',
  'integer',
  'bytes',
  'text',
  'any',
];

/** The kind that both columns' values are brought to. */
export function commonKind(left: DeclaredColumn, right: DeclaredColumn): CommonKind {
  const [a, b] = [kindOf(left), kindOf(right)];
  if (a === b) return a === 'nested' ? 'json' : a;
  const chosen = weight.find((kind) => kind === a || kind === b) ?? 'any';
  return chosen === 'nested' ? 'json' : chosen;
}

/** How both columns' values are brought to one form; undefined where they have it. */
export function commonForm(left: DeclaredColumn, right: DeclaredColumn): Common | undefined {
  const [a, b] = [elementOf(left), elementOf(right)];
  if (a === undefined || b === undefined) return commonForms[commonKind(left, right)];
  const form = commonForms[commonKind(a, b)];
  return form === undefined ? undefined : (value) => eachElement(value, form);
}

/** What the lists in a column hold, however deep they are nested; undefined where it holds no lists, or lists of structs. */
function elementOf({ engine, type }: DeclaredColumn): DeclaredColumn | undefined {
  const element = /^([^[]*[^[\s])\s*(?:\[\d*\])+$/.exec(type)?.[1];
  return element === undefined || kindOf({ engine, type: element }) === 'nested'
    ? undefined
    : { engine, type: element };
}

function eachElement(value: Value, form: Common): Value {
  if (value === null) return null;
  return Array.isArray(value) ? value.map((item: Value) => eachElement(item, form)) : form(value);
}

/** How values of a kind are brought to one form. What isn't of the kind is left as it is, and then differs. */
export const commonForms: Readonly<Record<CommonKind, Common | undefined>> = {
  any: undefined,
  text: undefined,
  bytes: undefined,
  nested: undefined,
  boolean: (value) =>
    value === 1 || value === 'true' ? true : value === 0 || value === 'false' ? false : value,
  integer: (value) =>
    typeof value === 'string' && /^-?\d{1,60}$/.test(value) ? wholeNumber(value) : value,
  decimal: commonDecimal,
  single: (value) => (typeof value === 'number' && isSingle(value) ? Math.fround(value) : value),
  double: (value) =>
    typeof value === 'string' && specialDoubles.has(value) ? Number(value) : value,
  padded: (value) => (typeof value === 'string' ? value.replace(/ +$/, '') : value),
  date: (value) =>
    typeof value === 'string' ? commonTime(value).replace(/ 00:00:00$/, '') : value,
  time: (value) => (typeof value === 'string' ? commonTime(value) : value),
  timestamp: (value) => (typeof value === 'string' ? commonTime(value) : value),
  zoned: (value) =>
    typeof value === 'string' ? commonTime(value).replace(/Z$|\+00:?00$/, '+00') : value,
  interval: (value) => (typeof value === 'string' ? commonInterval(value) : value),
  uuid: (value) => (typeof value === 'string' ? value.toLowerCase() : value),
  json: commonJson,
};

const specialDoubles: ReadonlySet<string> = new Set(['NaN', 'Infinity', '-Infinity']);

function wholeNumber(text: string): number | bigint {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}

function fraction(digits: string): string {
  return digits === '' ? '' : `.${digits}`;
}

/** 1.50, 1.5 and the number 1.5 are one; so are 100 and 1e2. */
function commonDecimal(value: Value): Value {
  if (
    typeof value === 'boolean' ||
    (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'bigint')
  )
    return value;
  const parts = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,4}))?$/i.exec(String(value));
  if (parts === null) return String(value);
  const [, sign = '', whole = '', after = '', exponent = '0'] = parts;
  const digits = whole + after;
  const point = whole.length + Number(exponent);
  const padded =
    point > digits.length
      ? digits.padEnd(point, '0')
      : digits.padStart(digits.length - Math.min(0, point), '0');
  const at = Math.max(0, point);
  const left = padded.slice(0, at).replace(/^0+/, '');
  const right = padded.slice(at).replace(/0+$/, '');
  if (left === '' && right === '') return digits === '' ? String(value) : '0';
  return `${sign === '-' ? '-' : ''}${left === '' ? '0' : left}${fraction(right)}`;
}

/** Whether 32 bits hold a number, or it is what such a one is written as: 0.1 is, and 16777217 would have lost its last digit. */
function isSingle(value: number): boolean {
  const single = Math.fround(value);
  return (
    single === value ||
    [1, 2, 3, 4, 5, 6, 7, 8, 9].some((digits) => Number(single.toPrecision(digits)) === value)
  );
}

/** ISO's `T`, zeros at the end of the seconds and the ways of writing years before 1. */
function commonTime(text: string): string {
  const before = / \(?BC\)?/.test(text);
  const plain = (before ? text.replace(/ \(?BC\)?/, '') : text)
    .replace(/^(\d{4,}-\d\d-\d\d)T/, '$1 ')
    .replace(/\.(\d*?)0*(?=$|Z|[+-]\d|\s)/, (_all, digits: string) => fraction(digits));
  return before ? `${plain} BC` : plain;
}

const intervalPattern =
  /^(?:([+-]?\d+) years?)? ?(?:([+-]?\d+) mon(?:th)?s?)? ?(?:([+-]?\d+) days?)? ?(?:([+-]?)(\d+:\d\d:\d\d(?:\.\d+)?))?$/;

/** Months and years are one, days and hours are not: a day may have 23. */
function commonInterval(text: string): string {
  const parts = intervalPattern.exec(text);
  if (parts === null || text === '') return text;
  const [, years = '0', months = '0', days = '0', sign = '', time = '00:00:00'] = parts;
  const rest = time.replace(/\.(\d*?)0+$/, (_all, digits: string) => fraction(digits));
  return `${String(Number(years) * 12 + Number(months))} months ${String(Number(days))} days ${sign === '-' ? '-' : ''}${rest}`;
}

/** Wrapped, so that the text abc and the JSON "abc" stay two values. */
function commonJson(value: Value): Value {
  if (
    typeof value !== 'string' &&
    (typeof value !== 'object' || value === null || ArrayBuffer.isView(value))
  )
    return value;
  try {
    return { json: (typeof value === 'string' ? parseJsonExactly(value) : asJson(value)) as Value };
  } catch {
    return value;
  }
}

/** What the value would be read as, were it written as JSON; but what JSON has no words for, as NaN, is not NULL. */
function asJson(value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'bigint') return exactNumber(String(value));
  if (Array.isArray(value)) return value.map(asJson);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]: [string, unknown]) => [
      name.startsWith('#') ? `#${name}` : name,
      asJson(item),
    ]),
  );
}
