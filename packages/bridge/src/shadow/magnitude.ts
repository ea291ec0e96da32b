/** Integers that differ by no more are told by how much: 1 is another fault than a share. */
const mostCounted = 9;

/**
 * How far two values are apart, in words that tell neither of them: "off by 1", "relative 3e-4", "2 characters shorter", "a text for a
 * number", as the pooled leg's is to the legacy leg's. Undefined where there is no such thing.
 */
export function magnitudeOf(legacy: unknown, pooled: unknown): string | undefined {
  const [before, after] = [kindOf(legacy), kindOf(pooled)];
  if (before !== after) return `${after} for ${before}`;
  if (isNumber(legacy) && isNumber(pooled)) return numberDistance(legacy, pooled);
  if (typeof legacy === 'string' && typeof pooled === 'string') return textDistance(legacy, pooled);
  if (ArrayBuffer.isView(legacy) && ArrayBuffer.isView(pooled))
    return lengthDistance(legacy.byteLength, pooled.byteLength, 'byte');
  if (legacy instanceof Date && pooled instanceof Date)
    return timeDistance(pooled.getTime() - legacy.getTime());
  return undefined;
}

/** What a value is, where that is what differs. A number and a bigint may mean the same. */
function kindOf(value: unknown): string {
  if (value === null) return 'NULL';
  switch (typeof value) {
    case 'bigint':
      return 'a number';
    case 'number':
      return kindOfNumber(value);
    case 'string':
      return value === '' ? 'an empty text' : 'a text';
    case 'boolean':
      return 'true or false';
    case 'object':
      return value instanceof Date
        ? 'a date'
        : ArrayBuffer.isView(value)
          ? 'bytes'
          : Array.isArray(value)
            ? 'a list'
            : 'an object';
    default:
      return typeof value;
  }
}

function kindOfNumber(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'infinity' : '-infinity';
  return Object.is(value, -0) ? '-0' : 'a number';
}

function isNumber(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

function numberDistance(legacy: number | bigint, pooled: number | bigint): string | undefined {
  const [before, after] = [Number(legacy), Number(pooled)];
  if (!Number.isFinite(before) || !Number.isFinite(after)) return undefined;
  if (isWhole(legacy) && isWhole(pooled)) {
    const distance = BigInt(pooled) - BigInt(legacy);
    const size = distance < 0n ? -distance : distance;
    if (size !== 0n && size <= BigInt(mostCounted)) return `off by ${String(size)}`;
  }
  if (before === 0 || after === 0) return before === after ? undefined : 'one of them is 0';
  if (before === -after) return 'of the other sign';
  const relative = Math.abs(after - before) / Math.abs(before);
  return relative === 0 ? undefined : `relative ${relative.toExponential(0).replace('e+', 'e')}`;
}

function isWhole(value: number | bigint): boolean {
  return typeof value === 'bigint' || Number.isInteger(value);
}

function textDistance(legacy: string, pooled: string): string | undefined {
  const same = (make: (text: string) => string): boolean => make(legacy) === make(pooled);
  if (same((text) => text.trimEnd())) return 'in white space at the end';
  if (same((text) => text.trim())) return 'in white space around it';
  if (same((text) => text.normalize('NFC'))) return 'in Unicode normalization';
  if (same((text) => text.toLowerCase())) return 'in upper and lower case';
  const [before, after] = [timeOf(legacy), timeOf(pooled)];
  const distance =
    before === undefined || after === undefined ? undefined : timeDistance(after - before);
  return distance ?? lengthDistance(legacy.length, pooled.length, 'character');
}

function lengthDistance(before: number, after: number, unit: string): string {
  if (before === after) return 'of the same length';
  const size = Math.abs(after - before);
  return `${String(size)} ${unit}${size === 1 ? '' : 's'} ${after > before ? 'longer' : 'shorter'}`;
}

/** Engines' own texts of a moment: what was shifted by a time zone is told as such. */
const timePattern =
  /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(?: ?(Z|[+-]\d\d)(?::?(\d\d))?)?)?$/;

function timeOf(text: string): number | undefined {
  const [, day, time = '00:00', hours = 'Z', minutes = '00'] = timePattern.exec(text) ?? [];
  if (day === undefined) return undefined;
  const at = Date.parse(`${day}T${time}${hours === 'Z' ? 'Z' : `${hours}:${minutes}`}`);
  return Number.isNaN(at) ? undefined : at;
}

function timeDistance(ms: number): string | undefined {
  if (!Number.isFinite(ms) || ms === 0) return undefined;
  const seconds = Math.abs(ms) / 1_000;
  return `${seconds < 1 ? `${String(Math.abs(ms))} ms` : `${String(Math.round(seconds))} s`} ${ms > 0 ? 'later' : 'earlier'}`;
}
