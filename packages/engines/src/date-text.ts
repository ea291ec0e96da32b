import { InvalidArgumentError } from './api/storage-errors.ts';

/**
 * A `Date` as all three engines read a timestamp: `2024-02-29 12:34:56.789`, in UTC, never shifted by the machine's zone.
 *
 * @throws {InvalidArgumentError} for an invalid date.
 */
export function timestampText(date: Date): string {
  const milliseconds = date.getTime();
  if (Number.isNaN(milliseconds))
    throw new InvalidArgumentError("An invalid Date can't be stored: pass null instead.");
  const year = date.getUTCFullYear();
  const text = date.toISOString();
  const rest = text.slice(text.indexOf('T') - 6, -1).replace('T', ' ');
  // Beyond four digits ISO has a sign and six digits; engines have neither, and count years before 1 as BC.
  if (year >= 0 && year <= 9999) return text.slice(0, 4) + rest;
  return year > 9999 ? `${year}${rest}` : `${String(1 - year).padStart(4, '0')}${rest} BC`;
}

/** Whether a value is a `Date`, of whichever realm. */
export function isDate(value: unknown): value is Date {
  return Object.prototype.toString.call(value) === '[object Date]';
}
