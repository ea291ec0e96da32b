/** What can't be seen, turns the direction of writing, or could steer a terminal. A line feed is one of them. */
const unseen =
  /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff]/gu;

/** Text from data as one visible line: whatever can't be seen is written as its code point, lone surrogates as U+FFFD. */
export function visibleText(text: string, maxLength = 2_000): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return cut.toWellFormed().replaceAll(unseen, (found) => {
    const code = (found.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    return `⟨U+${code}⟩`;
  });
}

export function countText(count: number): string {
  return count.toLocaleString('en-US');
}

/** A count with its noun: 1 mismatch, 2 mismatches. */
export function counted(count: number, one: string, many: string): string {
  return `${countText(count)} ${count === 1 ? one : many}`;
}

/** What a report says of those that it leaves out. */
export function leftOutText(count: number, one: string, many: string): string {
  return `${countText(count)} more ${count === 1 ? `${one} is` : `${many} are`} in the JSON report.`;
}

/** How many tables hold. */
export function tablesHeldText(held: number, all: number): string {
  return `${countText(held)} of ${counted(all, 'table is', 'tables are')} as expected`;
}

/** Four characters or so, for where there is little room. */
export function shortCountText(count: number): string {
  return count < 10_000
    ? countText(count)
    : count.toLocaleString('en-US', { notation: 'compact', maximumFractionDigits: 1 });
}

/** A latency to three digits, in the unit that suits it; a dash where nothing was measured. */
export function latencyText(ms: number | null | undefined): string {
  if (ms === undefined || ms === null || !Number.isFinite(ms)) return '–';
  const [value, unit] = ms < 1 ? [ms * 1_000, 'µs'] : ms < 1_000 ? [ms, 'ms'] : [ms / 1_000, 's'];
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${unit}`;
}

/** A difference of latencies with its sign. */
export function differenceText(ms: number): string {
  return ms === 0 ? latencyText(0) : `${ms < 0 ? '−' : '+'}${latencyText(Math.abs(ms))}`;
}

/** A share as a percentage. What is not nothing is not written as nothing, and what is not all not as all. */
export function shareText(share: number): string {
  if (!Number.isFinite(share)) return '–';
  if (share === 0) return '0 %';
  const percent = Math.abs(share) * 100;
  const sign = share < 0 ? '−' : '';
  if (percent < 0.001) return `${sign}<0.001 %`;
  if (percent > 99.9 && percent < 100) return `${sign}>99.9 %`;
  return `${sign}${percent < 0.1 ? percent.toFixed(3) : percent < 10 ? percent.toFixed(2) : percent.toFixed(1)} %`;
}

/** A moment in UTC, to the second; what is no moment is said to be unknown. */
export function timeText(at: number): string {
  const iso = isoTime(at);
  return iso === undefined ? 'unknown time' : `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
}

export function isoTime(at: number): string | undefined {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

/** How long something took, in the two largest units. */
export function durationText(ms: number): string {
  if (!(ms >= 1_000)) return `${Math.max(0, Math.round(ms) || 0)} ms`;
  const seconds = Math.round(ms / 1_000);
  const units = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
    [1, 's'],
  ] as const;
  const first = units.findIndex(([size]) => seconds >= size);
  let left = seconds;
  const parts: string[] = [];
  for (const [size, unit] of units.slice(first, first + 2)) {
    if (left >= size) parts.push(`${Math.floor(left / size)} ${unit}`);
    left %= size;
  }
  return parts.join(' ');
}

/** A value of a sample as one line: redacted values by type, length and digest, anything else as JSON. */
export function valueText(value: unknown, maxLength = 300): string {
  if (value === undefined) return '–';
  if (isRedacted(value)) {
    const length = value.length === undefined ? '' : ` of ${countText(value.length)}`;
    return visibleText(
      `${value.type}${length}${value.digest === '' ? '' : ` #${value.digest}`}`,
      maxLength,
    );
  }
  try {
    return visibleText(JSON.stringify(value), maxLength);
  } catch {
    return 'not JSON-able';
  }
}

function isRedacted(
  value: unknown,
): value is { readonly type: string; readonly length?: number; readonly digest: string } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { type, length, digest, ...others } = value as Record<string, unknown>;
  return (
    typeof type === 'string' &&
    typeof digest === 'string' &&
    Object.keys(others).length === 0 &&
    (length === undefined || typeof length === 'number')
  );
}

/** One key of a backend. */
export interface KeyName {
  readonly backend: string;
  readonly key: string;
}

/** What a person types after a command to name a key. */
export function typedKey({ backend, key }: KeyName): string {
  return `${typedWord(backend)} ${typedWord(key)}`;
}

/** A name as a person types it into a shell: in quotes where it has more than letters, digits and what means nothing there. */
export function typedWord(text: string): string {
  return /^[\p{L}\p{N}_.,:@%+=/-]+$/u.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

const shownShape = 160;

/** How a shape of call is named for people: `query: SELECT … WHERE id = ?`. */
export function shapeText({
  operation,
  shape,
}: {
  readonly operation: string;
  readonly shape: string;
}): string {
  return visibleText(shape === '' ? operation : `${operation}: ${shape}`, shownShape);
}
