import type { LatencyHistogram } from '@changeover/compare';
import { type Cell, otherDatasets } from './cell.ts';
import { minuteMs, type MinuteRow } from './minute-rows.ts';
import {
  addSparse,
  noLatency,
  type SparseLatency,
  sparseOf,
  sparseText,
} from './sparse-latency.ts';

/** Cells that were counted in and are gone through at once: about 2 ms. */
const cellsAtOnce = 200;
const counted = ['calls', 'failed', 'compared', 'mismatch'] as const;
/** Rows that wait for the store; beyond it the oldest are dropped. */
const maxWaiting = 20_000;

interface Mark {
  calls: number;
  failed: number;
  compared: number;
  mismatch: number;
  legacy: LegMark;
  pooled: LegMark;
}

/** What was known of a leg's latencies; a cell's histogram is replaced now and then. */
interface LegMark {
  readonly of: LatencyHistogram;
  readonly count: number;
  readonly latency: SparseLatency;
}

interface Sum extends Omit<Mark, 'legacy' | 'pooled'> {
  readonly backend: string;
  readonly dataset: string;
  legacy: SparseLatency;
  pooled: SparseLatency;
}

/**
 * What this process counts by key and minute. Callers pay nothing for it: once a minute all cells are looked at, some at a time, and what
 * they have more than the minute before is that minute's.
 */
export class MinuteCounts {
  readonly #marks = new WeakMap<Cell, Mark>();
  readonly #sums = new Map<string, Sum>();
  readonly #maxRows: number;
  #waiting: MinuteRow[] = [];
  /** The minute that is being counted. */
  #minute: number;
  #pass: Iterator<Cell> | undefined = undefined;

  /** @param maxRows a minute; what has fewer calls is added up under a name of its own. Default: all keys. */
  constructor(nowMs: number, maxRows: number = Infinity) {
    this.#maxRows = maxRows;
    this.#minute = Math.floor(nowMs / minuteMs);
  }

  /** Takes what a cell has counted since it was last taken. To be called before its histograms are replaced as well. */
  take(cell: Cell): boolean {
    const mark = this.#markOf(cell);
    if (
      cell.calls === mark.calls &&
      cell.failed === mark.failed &&
      cell.compared === mark.compared &&
      cell.mismatch === mark.mismatch &&
      isKnown(mark.legacy, cell.legacyLatency) &&
      isKnown(mark.pooled, cell.pooledLatency)
    )
      return false;
    const sum = this.#sumOf(cell);
    for (const name of counted) {
      sum[name] += Math.max(0, cell[name] - mark[name]);
      mark[name] = cell[name];
    }
    const [legacy, pooled] = [markOf(cell.legacyLatency), markOf(cell.pooledLatency)];
    sum.legacy = addSparse(sum.legacy, growth(mark.legacy, legacy));
    sum.pooled = addSparse(sum.pooled, growth(mark.pooled, pooled));
    mark.legacy = legacy;
    mark.pooled = pooled;
    return true;
  }

  /** What the cell has by now is no minute's: it was counted in others before. */
  skip(cell: Cell): void {
    const { calls, failed, compared, mismatch, legacyLatency, pooledLatency } = cell;
    this.#marks.set(cell, {
      calls,
      failed,
      compared,
      mismatch,
      legacy: markOf(legacyLatency),
      pooled: markOf(pooledLatency),
    });
  }

  /**
   * Goes through some cells where a minute has passed.
   *
   * @param cells all of them. Asked for at the beginning of a minute.
   * @returns true where there are more to go through.
   */
  advance(nowMs: number, cells: () => Iterable<Cell>): boolean {
    const minute = Math.floor(nowMs / minuteMs);
    if (minute === this.#minute) return false;
    this.#pass ??= [...cells()].values();
    for (let taken = 0; taken < cellsAtOnce;) {
      const next = this.#pass.next();
      if (next.done === true) {
        this.#end(minute);
        return false;
      }
      if (this.take(next.value)) taken += 1;
    }
    return true;
  }

  /** All of the present minute, which goes on: for a process that ends. */
  takeAll(nowMs: number, cells: Iterable<Cell>): void {
    for (const cell of cells) this.take(cell);
    const minute = Math.floor(nowMs / minuteMs);
    if (minute === this.#minute) this.#wait();
    else this.#end(minute);
  }

  /** Rows that the store doesn't have yet, at most `limit`. */
  unstored(limit: number): readonly MinuteRow[] {
    return this.#waiting.slice(0, limit);
  }

  /** To be called in the same tick as {@link unstored}, once its rows are stored. */
  markStored(rows: readonly MinuteRow[]): void {
    this.#waiting = this.#waiting.slice(rows.length);
  }

  #end(minute: number): void {
    this.#wait();
    this.#sums.clear();
    this.#pass = undefined;
    this.#minute = minute;
  }

  #wait(): void {
    for (const { legacy, pooled, ...sum } of this.#kept())
      this.#waiting.push({
        ...sum,
        minute: this.#minute,
        legacy: sparseText(legacy),
        pooled: sparseText(pooled),
      });
    if (this.#waiting.length > maxWaiting) this.#waiting = this.#waiting.slice(-maxWaiting);
  }

  #kept(): Iterable<Sum> {
    if (this.#sums.size <= this.#maxRows) return this.#sums.values();
    const isOne = ({ dataset }: Sum): boolean => dataset !== otherDatasets;
    const most = [...this.#sums.values()]
      .filter(isOne)
      .sort((a, b) => b.calls - a.calls)
      .slice(0, this.#maxRows);
    const kept = new Set(most);
    const others = new Map<string, Sum>();
    for (const sum of this.#sums.values()) {
      if (kept.has(sum)) continue;
      const { backend } = sum;
      const all = others.get(backend) ?? noSum(backend, otherDatasets);
      for (const name of counted) all[name] += sum[name];
      all.legacy = addSparse(all.legacy, sum.legacy);
      all.pooled = addSparse(all.pooled, sum.pooled);
      others.set(backend, all);
    }
    return [...most, ...others.values()];
  }

  #markOf(cell: Cell): Mark {
    let mark = this.#marks.get(cell);
    if (mark === undefined) {
      mark = {
        calls: 0,
        failed: 0,
        compared: 0,
        mismatch: 0,
        legacy: noLeg(cell.legacyLatency),
        pooled: noLeg(cell.pooledLatency),
      };
      this.#marks.set(cell, mark);
    }
    return mark;
  }

  #sumOf({ backend, dataset }: Cell): Sum {
    const name = `${backend}\0${dataset}`;
    let sum = this.#sums.get(name);
    if (sum === undefined) {
      sum = noSum(backend, dataset);
      this.#sums.set(name, sum);
    }
    return sum;
  }
}

function noSum(backend: string, dataset: string): Sum {
  const nothing = { calls: 0, failed: 0, compared: 0, mismatch: 0 };
  return { backend, dataset, ...nothing, legacy: noLatency, pooled: noLatency };
}

function noLeg(histogram: LatencyHistogram): LegMark {
  return { of: histogram, count: 0, latency: noLatency };
}

function markOf(histogram: LatencyHistogram): LegMark {
  return { of: histogram, count: histogram.count, latency: sparseOf(histogram) };
}

function isKnown(mark: LegMark, histogram: LatencyHistogram): boolean {
  return histogram.count === (mark.of === histogram ? mark.count : 0);
}

function growth(mark: LegMark, now: LegMark): SparseLatency {
  return mark.of === now.of ? addSparse(now.latency, mark.latency, -1) : now.latency;
}
