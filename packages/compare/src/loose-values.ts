import { types } from 'node:util';
import { sameValue } from './row-hasher.ts';

/** Whether two numbers are as near as that. Only finite ones are near to anything. */
export function withinTolerance(
  a: unknown,
  b: unknown,
  absolute: number,
  relative: number,
): boolean {
  const [x, y] = [toNumber(a), toNumber(b)];
  if (x === undefined || y === undefined) return false;
  return Math.abs(x - y) <= Math.max(absolute, relative * Math.max(Math.abs(x), Math.abs(y)));
}

function toNumber(value: unknown): number | undefined {
  const number = typeof value === 'bigint' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

/** Whether two times are as near as that. A time without a zone is near to no time with one. */
export function withinTime(a: unknown, b: unknown, withinMs: number): boolean {
  const [x, y] = [toTime(a), toTime(b)];
  if (x === undefined || y === undefined || x.zoned !== y.zoned) return false;
  const apart =
    x.nanoseconds > y.nanoseconds ? x.nanoseconds - y.nanoseconds : y.nanoseconds - x.nanoseconds;
  return apart <= BigInt(Math.round(withinMs * 1e6));
}

interface Time {
  readonly nanoseconds: bigint;
  readonly zoned: boolean;
}

const timePattern =
  /^(\d{4,6})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?(Z|[+-]\d\d(?::?\d\d)?)?$/;

function toTime(value: unknown): Time | undefined {
  if (types.isDate(value)) {
    const ms = value.getTime();
    return Number.isNaN(ms) ? undefined : { nanoseconds: BigInt(ms) * 1_000_000n, zoned: true };
  }
  const parts = typeof value === 'string' ? timePattern.exec(value) : null;
  if (parts === null) return undefined;
  const [, year, month, day, hours = '0', minutes = '0', seconds = '0', fraction = '', zone] =
    parts;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  date.setUTCHours(Number(hours), Number(minutes), Number(seconds));
  if (Number.isNaN(date.getTime())) return undefined;
  const utc = BigInt(date.getTime()) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
  return {
    nanoseconds: utc - BigInt(offsetMinutes(zone)) * 60_000_000_000n,
    zoned: zone !== undefined,
  };
}

function offsetMinutes(zone: string | undefined): number {
  if (zone === undefined || zone === 'Z') return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3).replace(':', '') || '0');
  return zone.startsWith('-') ? -minutes : minutes;
}

/** Whether two texts are JSON of one value, to the last digit of each number. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (typeof a !== 'string' || typeof b !== 'string') return false;
  try {
    return sameValue(parseJsonExactly(a), parseJsonExactly(b));
  } catch {
    return false;
  }
}

/** JSON's value with its numbers to the last digit: see {@link exactNumber}. */
export function parseJsonExactly(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) => {
    if (typeof value === 'number') return exactNumber(context?.source ?? String(value));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? withoutMarks(value)
      : value;
  });
}

/** The number that a text of digits stands for: as a `number` where that holds it to the last digit, else as an object that no JSON
 * is read as, with its digits and exponent. */
export function exactNumber(text: string): unknown {
  const value = Number(text);
  if (!Number.isFinite(value)) return { '#number': /^-?\d/.test(text) ? decimal(text) : text };
  // Not -0, which JSON can write and nobody means.
  if (Number.isSafeInteger(value) && /^-?\d+$/.test(text)) return value + 0;
  const digits = decimal(text);
  return decimal(String(value)) === digits ? value + 0 : { '#number': digits };
}

/** Data that has such names itself must not pass for a number. */
function withoutMarks(value: object): object {
  if (!Object.keys(value).some((name) => name.startsWith('#'))) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]: [string, unknown]) => [
      name.startsWith('#') ? `#${name}` : name,
      item,
    ]),
  );
}

function decimal(source: string): string {
  const [mantissa = '', exponent = '0'] = source.toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '0';
  const power =
    BigInt(exponent) - BigInt(fraction.length) + BigInt(digits.length - significant.length);
  return `${mantissa.startsWith('-') ? '-' : ''}${significant}e${String(power)}`;
}
