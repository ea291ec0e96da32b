import { LatencyHistogram } from '@changeover/compare';
import { routes } from '../call/route.ts';
import type { Steps } from '../steps.ts';
import { type CellKey, cellKeyText } from './cell.ts';
import { addCounts, type Counts, noCounts } from './counts.ts';
import { hourMs } from './hour-book.ts';
import { minuteMs, type MinuteRow } from './minute-rows.ts';
import { latencyOf, recentLatency } from './recent-latency.ts';
import type { RecentCell, RecentFigures, RecentMinutes, ResumedAt } from './report-data.ts';
import { sparseCount, sparseFrom, SparseSum } from './sparse-latency.ts';

/** An hour that began less long ago says too little by itself: the one before is added. */
const leastOfHourMs = 10 * 60_000;
/** Calls on each leg that was measured below which it says too little as well. */
const leastOfHourCalls = 100;

/** How many of the last minutes are looked at: as few as have enough calls, but no fewer than the first number, so that one bad minute
 * is not taken for a slow leg. */
const [fewestMinutes, mostMinutes] = [5, 20];
const leastOfMinutesCalls = 60;

/** The first minute, since 1970, that still counts as lately. */
export function firstRecentMinute(nowMs: number): number {
  return Math.floor(nowMs / minuteMs) - mostMinutes;
}

interface HourSum {
  readonly key: CellKey;
  readonly hour: number;
  readonly counts: Counts;
  readonly legacy: LatencyHistogram;
  readonly pooled: LatencyHistogram;
}

/** What is asked of a shape of call. */
interface SeenShape extends Pick<CellKey, 'backend' | 'dataset' | 'stage'> {
  readonly firstAt: number;
}

interface MinuteSum {
  minute: number;
  readonly legacy: SparseSum;
  readonly pooled: SparseSum;
  pooledCalls: number;
}

/**
 * What was counted lately where the pooled leg answers, so that gates see a change that all that came before would hide: by operation in
 * this hour and the one before, and by key in the last minutes.
 */
export class RecentBook {
  /** The first minute that is looked at, since 1970. */
  readonly firstMinute: number;
  readonly #nowMs: number;
  readonly #resumedAt: ResumedAt;
  readonly #hours = new Map<string, HourSum>();
  readonly #minutes = new Map<string, MinuteRow[]>();
  readonly #answeredFrom = new Map<string, number>();

  /** @param nowMs milliseconds since 1970. */
  constructor(nowMs: number, resumedAt: ResumedAt = () => undefined) {
    this.#nowMs = nowMs;
    this.#resumedAt = resumedAt;
    this.firstMinute = firstRecentMinute(nowMs);
  }

  /** @param hour in which it was counted, since 1970. */
  addCell(key: CellKey, hour: number, more: Pick<HourSum, 'counts' | 'legacy' | 'pooled'>): void {
    if (hour < this.#hour - 1 || !isAnswered(key)) return;
    const { backend, dataset, operation, stage } = key;
    const name = `${String(hour)}\0${cellKeyText(key)}`;
    let sum = this.#hours.get(name);
    if (sum === undefined) {
      sum = noSum({ backend, dataset, operation, stage }, hour);
      this.#hours.set(name, sum);
    }
    addSum(sum, more);
  }

  /** A shape of call that was seen at a stage, for the first time at `firstAt`: before the pooled leg answered it ran in the background,
   * which says nothing of how fast it answers. */
  addShape({ backend, dataset, stage, firstAt }: SeenShape): void {
    if (!isAnswered({ stage })) return;
    const name = `${backend}\0${dataset}`;
    this.#answeredFrom.set(name, Math.min(firstAt, this.#answeredFrom.get(name) ?? Infinity));
  }

  /** Of minutes that are over, the oldest first. */
  addMinute(row: MinuteRow): void {
    const { minute, backend, dataset } = row;
    if (minute < this.firstMinute || minute * minuteMs > this.#nowMs) return;
    // The minute of a resumption has calls of before as well.
    if (minute * minuteMs < (this.#resumedAt(backend, dataset) ?? -Infinity)) return;
    const name = `${backend}\0${dataset}`;
    const rows = this.#minutes.get(name);
    if (rows === undefined) this.#minutes.set(name, [row]);
    else rows.push(row);
  }

  *figures(): Steps<RecentFigures> {
    const cells: RecentCell[] = [];
    for (const sum of this.#hours.values()) {
      yield 1;
      const name = cellKeyText(sum.key);
      const before = this.#hours.get(`${String(this.#hour - 1)}\0${name}`);
      if (sum.hour === this.#hour) cells.push(cellOf(this.#withEnough(sum, before)));
      else if (!this.#hours.has(`${String(this.#hour)}\0${name}`)) cells.push(cellOf(sum));
    }
    const minutes: RecentMinutes[] = [];
    for (const [name, all] of this.#minutes) {
      yield all.length / minutesAPart;
      const from = this.#answeredFrom.get(name) ?? Infinity;
      const rows = all.filter(({ minute }) => minute * minuteMs >= from);
      if (spanOf(rows) >= fewestMinutes) minutes.push(minutesOf(rows));
    }
    return { cells, minutes };
  }

  get #hour(): number {
    return Math.floor(this.#nowMs / hourMs);
  }

  #withEnough(sum: HourSum, before: HourSum | undefined): HourSum {
    if (before === undefined) return sum;
    const young = this.#nowMs - sum.hour * hourMs < leastOfHourMs;
    const few = (['legacy', 'pooled'] as const).some(
      (leg) => sum[leg].count < leastOfHourCalls && before[leg].count > 0,
    );
    if (!young && !few) return sum;
    const both = noSum(sum.key, before.hour);
    addSum(both, before);
    addSum(both, sum);
    return both;
  }
}

/** Rows of minutes that are added up in the time of one part of a step. */
const minutesAPart = 20;

function isAnswered({ stage }: Pick<CellKey, 'stage'>): boolean {
  return routes[stage].read.answers === 'pooled';
}

function noSum(key: CellKey, hour: number): HourSum {
  return {
    key,
    hour,
    counts: noCounts(),
    legacy: new LatencyHistogram(),
    pooled: new LatencyHistogram(),
  };
}

function addSum(sum: HourSum, more: Pick<HourSum, 'counts' | 'legacy' | 'pooled'>): void {
  addCounts(sum.counts, more.counts);
  sum.legacy.merge(more.legacy);
  sum.pooled.merge(more.pooled);
}

function cellOf({ key, hour, counts, legacy, pooled }: HourSum): RecentCell {
  const { calls, failed, eligible, compared, match, mismatch, inconclusive } = counts;
  return {
    ...key,
    from: hour * hourMs,
    ...{ calls, failed, eligible, compared, match, mismatch, inconclusive },
    legacy: latencyOf(legacy),
    pooled: latencyOf(pooled),
  };
}

/** From the first minute to the last one, both included. */
function spanOf(rows: readonly MinuteRow[]): number {
  const [first, last] = [rows[0], rows.at(-1)];
  return first === undefined || last === undefined ? 0 : last.minute - first.minute + 1;
}

/** As few of the rows, from the last one back, as have enough calls. */
function minutesOf(rows: readonly MinuteRow[]): RecentMinutes {
  const { backend = '', dataset = '', minute: last = 0 } = rows.at(-1) ?? {};
  const sum: MinuteSum = {
    minute: last,
    legacy: new SparseSum(),
    pooled: new SparseSum(),
    pooledCalls: 0,
  };
  for (const row of rows.toReversed()) {
    const enough = sum.pooledCalls >= leastOfMinutesCalls && last - row.minute >= fewestMinutes;
    if (enough && row.minute < sum.minute) break;
    const pooled = sparseFrom(row.pooled);
    sum.minute = row.minute;
    sum.legacy.add(sparseFrom(row.legacy));
    sum.pooled.add(pooled);
    sum.pooledCalls += sparseCount(pooled);
  }
  return {
    backend,
    dataset,
    from: sum.minute * minuteMs,
    legacy: recentLatency(sum.legacy.latency),
    pooled: recentLatency(sum.pooled.latency),
  };
}
