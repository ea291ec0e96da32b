import { latencyText, timeText, type TimeSlice } from '@changeover/bridge';

/** A median is slow where it is this many times what it was before. */
const slowTimes = 2;
/** Medians below this are never slow, in ms: they jump from one slice to the next. */
const slowFloorMs = 1;
/** Calls below which a median says nothing, on either side of the moment. */
const fewCalls = 20;

/** Slices below this say less one by one: a leg isn't slow for one of them. */
const shortSliceMs = 3_600_000;
const leastShortSlices = 2;

interface Measured {
  readonly from: number;
  readonly to: number;
  readonly p50Ms: number;
  readonly count: number;
}

/** Slices of time as one list: the hours, and from where there are minutes on those. */
export function hoursThenMinutes(
  hours: readonly TimeSlice[],
  minutes: readonly TimeSlice[],
): readonly TimeSlice[] {
  const first = minutes[0]?.from ?? Infinity;
  return [...hours.filter(({ to }) => to <= first), ...minutes];
}

/** Since when either leg has been slow up to now, the pooled one before the other, by the same list; undefined where neither is. */
export function slowLegSince(
  hours: readonly TimeSlice[],
  minutes: readonly TimeSlice[],
): string | undefined {
  const slices = hoursThenMinutes(hours, minutes);
  return slowSince(slices, 'pooled') ?? slowSince(slices, 'legacy');
}

/** Since when a leg has been slow up to now, in a sentence; undefined where it isn't, or where there is nothing to hold it against. */
export function slowSince(
  slices: readonly TimeSlice[],
  leg: 'legacy' | 'pooled',
): string | undefined {
  const measured = slices.flatMap(({ from, to, [leg]: { p50Ms, count } }): Measured[] =>
    p50Ms === undefined ? [] : [{ from, to, p50Ms, count }],
  );
  if (!mayBeSlow(measured)) return undefined;
  for (let at = 1; at < measured.length; at += 1) {
    const [before, since] = [measured.slice(0, at), measured.slice(at)];
    const least = Math.min(...since.map(({ p50Ms }) => p50Ms));
    const usual = medianOf(before);
    if (least < slowFloorMs || least < slowTimes * usual) continue;
    if (countOf(before) < fewCalls || countOf(since) < fewCalls) continue;
    if (isShort(since[0]) && since.length < leastShortSlices) continue;
    return `The ${leg} leg is slow since ${timeText(since[0]?.from ?? 0)}: its median is ${latencyText(medianOf(since))}, and was ${latencyText(usual)} before.`;
  }
  return undefined;
}

/** Of thousands of keys most are not, which one look tells. */
function mayBeSlow(measured: readonly Measured[]): boolean {
  const last = measured.at(-1)?.p50Ms ?? 0;
  return last >= slowFloorMs && measured.some(({ p50Ms }) => last >= slowTimes * p50Ms);
}

function isShort(slice: Measured | undefined): boolean {
  return slice !== undefined && slice.to - slice.from < shortSliceMs;
}

function countOf(slices: readonly Measured[]): number {
  return slices.reduce((sum, { count }) => sum + count, 0);
}

/** The lower one of two: a leg that was slow once already has a usual median all the same. */
function medianOf(slices: readonly Measured[]): number {
  const sorted = slices.map(({ p50Ms }) => p50Ms).sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}
