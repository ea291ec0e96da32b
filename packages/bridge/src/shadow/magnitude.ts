/** Integers that differ by no more are told by how much: 1 is another fault than a share. */
const mostCounted = 9;

/**
 * How far two values are apart, in words that tell neither of them: "off by 1", "relative 3e-4", "2 characters shorter", as the pooled
 * leg's is to the legacy leg's. Undefined where there is no such thing.
 */
export function magnitudeOf(legacy: unknown, pooled: unknown): string | undefined {
  if (legacy === null) return 'a value for NULL';
  if (pooled === null) return 'NULL for a value';
  if (isNumber(legacy) && isNumber(pooled)) return numberDistance(legacy, pooled);
  if (typeof legacy === 'string' && typeof pooled === 'string') return textDistance(legacy, pooled);
  if (legacy instanceof Date && pooled instanceof Date)
    return timeDistance(pooled.getTime() - legacy.getTime());
  return undefined;
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
  const longer = pooled.length - legacy.length;
  if (longer === 0) return 'as long';
  const size = Math.abs(longer);
  return `${String(size)} ${size === 1 ? 'character' : 'characters'} ${longer > 0 ? 'longer' : 'shorter'}`;
}

function timeDistance(ms: number): string | undefined {
  if (!Number.isFinite(ms) || ms === 0) return undefined;
  const seconds = Math.abs(ms) / 1_000;
  return `${seconds < 1 ? `${String(Math.abs(ms))} ms` : `${String(Math.round(seconds))} s`} ${ms > 0 ? 'later' : 'earlier'}`;
}
