import { LatencyHistogram, PairedDifference } from '@changeover/compare';
import type { Stage } from '@changeover/core';
import { Cell, cellKeyText, otherDatasets } from './cell.ts';
import {
  activityOf,
  addCounts,
  countedSince,
  countNames,
  noCounts,
  type Counts,
} from './counts.ts';
import type { MinuteCounts } from './minute-counts.ts';
import type { CellRow } from './store-rows.ts';
import { ResumedPass } from './resumed-pass.ts';
import { shedReasons } from './shed-reason.ts';

/** Between two passes there may be this many times as many cells as are kept in the long run. */
const burstFactor = 4;

/** A cell with what the store has of it. */
interface Entry {
  readonly cell: Cell;
  /** The row that its counts go to at present. */
  part: number;
  hour: number;
  /** What the cell had counted when this row began. */
  base: Counts;
  /** What the cell had counted when it was taken in. */
  readonly since: Counts;
  /** The activity that the store knows of. */
  storedActivity: number;
  /** When it was stored for the last time, in milliseconds since 1970. */
  storedAt: number;
  /** True once this row is in the store. */
  stored: boolean;
  /** The pass in which the cell was last seen to count. */
  lastActivePass: number;
}

/** What was counted since the process began. */
export interface Counted {
  readonly backend: string;
  readonly operation: string;
  readonly stage: Stage;
  readonly counts: Counts;
  /** Calls of the legacy leg that were timed, and their time in all. */
  readonly legacy: Timed;
  readonly pooled: Timed;
}

/** Calls of one leg, and their time in all. */
interface Timed {
  calls: number;
  ms: number;
}

/** A row of a cell, made when it is asked for. */
export interface LateRow {
  readonly part: number;
  /** Hours since 1970. */
  readonly hour: number;
  make(): CellRow & {
    /** When it was last counted in, at the latest. */
    readonly lastAt: number;
  };
}

/** A cell that was let go, as long as somebody still holds it and may count in it. */
interface Released {
  readonly cell: WeakRef<Cell>;
  readonly base: Counts;
  readonly activity: number;
}

/**
 * The cells in use and what of them is stored. Bounded: cells that nobody counted in for longest are let go once
 * they are stored. Where nothing can be stored, their counts are added to those of `(others)`.
 */
export class CellBook {
  readonly #maxCells: number;
  readonly #minutes: MinuteCounts | undefined;
  readonly #byKey = new Map<string, Entry>();
  readonly #entries = new Set<Entry>();
  readonly #unstored = new ResumedPass(() => this.#entries.values());
  /** The cells of each dataset, by backend and dataset. */
  readonly #ofDataset = new Map<string, Set<Entry>>();
  #released: Released[] = [];
  /** Counts of the cells that were let go and times of the rows that are over, by backend, operation and stage. */
  readonly #gone = new Map<string, Counted>();
  #lastPart = 0;
  #pass = 0;
  #folded = 0;

  /** @param minutes told before latencies begin anew. Default: nobody asks for minutes. */
  constructor(maxCells: number, minutes?: MinuteCounts) {
    this.#maxCells = maxCells;
    this.#minutes = minutes;
  }

  /** All cells in use. */
  *cells(): Iterable<Cell> {
    for (const { cell } of this.#entries) yield cell;
  }

  /** The first hour to whose rows something may yet be added; none is Infinity. */
  get firstHour(): number {
    let first = Infinity;
    for (const { hour } of this.#entries) first = Math.min(first, hour);
    return first;
  }

  /** How many times counts went to `(others)` because there was no room for a cell of their own. */
  get folded(): number {
    return this.#folded;
  }

  get(backend: string, dataset: string, operation: string, stage: Stage, hour: number): Cell {
    const key = cellKeyText({ backend, dataset, operation, stage });
    const found = this.#byKey.get(key);
    if (found !== undefined) return found.cell;
    if (this.#entries.size >= this.#maxCells * burstFactor && dataset !== otherDatasets) {
      this.#folded += 1;
      return this.#others(backend, operation, stage, hour);
    }
    const entry = this.#enter(new Cell(backend, dataset, operation, stage), noCounts(), 0, hour);
    this.#byKey.set(key, entry);
    return entry.cell;
  }

  /** Looks for cells that were counted in after they were let go. To be called before each store. */
  readopt(hour: number): void {
    this.#pass += 1;
    this.#released = this.#released.filter((released) => {
      const cell = released.cell.deref();
      if (cell === undefined) return false;
      if (activityOf(cell) === released.activity) return true;
      this.#enter(cell, released.base, released.activity, hour);
      return false;
    });
  }

  /** Rows that the store doesn't have yet, at most `limit`. */
  unstored(limit: number): {
    readonly rows: readonly CellRow[];
    readonly entries: readonly Entry[];
  } {
    const entries = this.#unstored.find(limit, (entry) => {
      if (activityOf(entry.cell) === entry.storedActivity) return false;
      entry.lastActivePass = this.#pass;
      return true;
    });
    return { rows: entries.map((entry) => rowOf(entry)), entries };
  }

  /** To be called in the same tick as {@link unstored}, once its rows are stored. */
  markStored(entries: readonly Entry[], nowMs: number): void {
    this.#unstored.goOn();
    for (const entry of entries) {
      entry.storedActivity = activityOf(entry.cell);
      entry.stored = true;
      entry.storedAt = nowMs;
      // The order of the set is that of the last activity, and nobody starves where a pass doesn't reach all.
      this.#entries.delete(entry);
      this.#entries.add(entry);
    }
  }

  /** Begins a new row for each cell of the dataset of which all is stored, so that what comes is kept apart from what was. */
  part(backend: string, dataset: string): void {
    for (const entry of this.#ofDataset.get(`${backend}\0${dataset}`) ?? []) {
      const { cell, stored, storedActivity, hour } = entry;
      if (stored && activityOf(cell) === storedActivity) this.#beginRow(entry, hour);
    }
  }

  /** Begins a new row for each stored cell whose row is of another hour, and lets cells go that there is no room
   * for. To be called when everything is stored. */
  tidy(hour: number): void {
    for (const entry of this.#entries) if (entry.hour !== hour) this.#beginRow(entry, hour);
    for (const entry of this.#entries) {
      if (this.#entries.size <= this.#maxCells) return;
      this.#release(entry);
    }
  }

  /** Keeps the number of cells bounded where nothing can be stored.
   *
   * @param passing true where it is only locked at the moment, so that there is room for a little more. */
  foldSurplus(hour: number, passing: boolean): void {
    const maxCells = passing ? this.#maxCells * 2 : this.#maxCells;
    if (this.#entries.size <= maxCells) return;
    const oldestFirst = [...this.#entries].sort((a, b) => a.lastActivePass - b.lastActivePass);
    for (const entry of oldestFirst) {
      if (this.#entries.size <= maxCells) return;
      const { cell, stored, storedActivity } = entry;
      const clean = activityOf(cell) === storedActivity;
      // The store has a part of these counts already, and can't tell which: they wait for it.
      if (cell.dataset === otherDatasets || (stored && !clean)) continue;
      if (!clean) {
        const others = this.#others(cell.backend, cell.operation, cell.stage, hour);
        this.#minutes?.take(others);
        addToCell(others, entry);
        // What was added is counted in its own key's minutes.
        this.#minutes?.skip(others);
        this.#folded += 1;
        // It is counted there from now on.
        const gone = sumOf(this.#gone, cell);
        addCounts(gone.counts, countedSince(cell, entry.base), -1);
        addTimes(gone, cell, -1);
      }
      this.#release(entry);
    }
  }

  /** Goes on in rows of another process: what `had` says of a row is no longer this one's. Its latencies can't be told apart, so
   * they begin anew. */
  beginAnew(had: ReadonlyMap<number, Counts>): void {
    for (const entry of this.#entries) {
      const counts = had.get(entry.part);
      entry.stored = false;
      entry.storedActivity = Number.NaN;
      if (counts === undefined) continue;
      const base = noCounts();
      addCounts(base, entry.base);
      addCounts(base, counts);
      entry.base = base;
      this.#beginLatencies(entry.cell);
    }
  }

  /** The rows of all cells in use, each to be made when it is asked for: with what is counted in it by then. */
  rows(): readonly LateRow[] {
    return Array.from(this.#entries, ({ cell, part, hour, base, ...stored }) => {
      const row = { cell, part, hour, base };
      const latencies = latenciesOf(cell);
      const isStored = stored.stored && activityOf(cell) === stored.storedActivity;
      const lastAt = isStored ? stored.storedAt : Infinity;
      return { part, hour, make: () => ({ ...rowOf(row, latencies), lastAt }) };
    });
  }

  /** Everything counted since the process began, by backend, operation and stage. */
  counted(): readonly Counted[] {
    const sums = new Map<string, Counted>();
    for (const gone of this.#gone.values()) {
      const { counts, legacy, pooled } = gone;
      const sum = sumOf(sums, gone);
      addCounts(sum.counts, counts);
      for (const [total, more] of [
        [sum.legacy, legacy],
        [sum.pooled, pooled],
      ] as const)
        addTime(total, more.calls, more.ms);
    }
    for (const { cell, since } of this.#entries) {
      const sum = sumOf(sums, cell);
      addCounts(sum.counts, countedSince(cell, since));
      addTimes(sum, cell);
    }
    return [...sums.values()];
  }

  #others(backend: string, operation: string, stage: Stage, hour: number): Cell {
    return this.get(backend, otherDatasets, operation, stage, hour);
  }

  #enter(cell: Cell, base: Counts, storedActivity: number, hour: number): Entry {
    this.#lastPart += 1;
    const entry: Entry = {
      cell,
      part: this.#lastPart,
      hour,
      base,
      since: base,
      storedActivity,
      stored: false,
      storedAt: Infinity,
      lastActivePass: this.#pass,
    };
    this.#entries.add(entry);
    const own = `${cell.backend}\0${cell.dataset}`;
    this.#ofDataset.set(own, (this.#ofDataset.get(own) ?? new Set()).add(entry));
    return entry;
  }

  #beginRow(entry: Entry, hour: number): void {
    const { cell } = entry;
    this.#lastPart += 1;
    entry.part = this.#lastPart;
    entry.hour = hour;
    entry.base = countedSince(cell, noCounts());
    entry.stored = false;
    this.#beginLatencies(cell);
    entry.storedActivity = activityOf(cell);
  }

  #beginLatencies(cell: Cell): void {
    this.#minutes?.take(cell);
    addTimes(sumOf(this.#gone, cell), cell);
    if (cell.legacyLatency.count > 0) cell.legacyLatency = new LatencyHistogram();
    if (cell.pooledLatency.count > 0) cell.pooledLatency = new LatencyHistogram();
    if (cell.paired.n > 0) cell.paired = new PairedDifference();
  }

  #release(entry: Entry): void {
    const { cell } = entry;
    addCounts(sumOf(this.#gone, cell).counts, countedSince(cell, entry.since));
    this.#beginRow(entry, entry.hour);
    this.#entries.delete(entry);
    const own = `${cell.backend}\0${cell.dataset}`;
    const ofDataset = this.#ofDataset.get(own);
    ofDataset?.delete(entry);
    if (ofDataset?.size === 0) this.#ofDataset.delete(own);
    const key = cellKeyText(cell);
    if (this.#byKey.get(key) === entry) this.#byKey.delete(key);
    this.#released.push({
      cell: new WeakRef(cell),
      base: entry.base,
      activity: entry.storedActivity,
    });
  }
}

function sumOf(
  sums: Map<string, Counted>,
  { backend, operation, stage }: Pick<Counted, 'backend' | 'operation' | 'stage'>,
): Counted {
  const key = cellKeyText({ backend, dataset: '', operation, stage });
  let sum = sums.get(key);
  if (sum === undefined) {
    sum = {
      backend,
      operation,
      stage,
      counts: noCounts(),
      legacy: { calls: 0, ms: 0 },
      pooled: { calls: 0, ms: 0 },
    };
    sums.set(key, sum);
  }
  return sum;
}

function addTimes({ legacy, pooled }: Counted, cell: Cell, sign: 1 | -1 = 1): void {
  addTime(legacy, sign * cell.legacyLatency.count, sign * cell.legacyLatency.sumMs);
  addTime(pooled, sign * cell.pooledLatency.count, sign * cell.pooledLatency.sumMs);
}

function addTime(total: Timed, calls: number, ms: number): void {
  total.calls += calls;
  total.ms += ms;
}

/** A cell's histograms are replaced when a row begins. */
function latenciesOf({
  legacyLatency: legacy,
  pooledLatency: pooled,
  paired,
}: Cell): Pick<CellRow, 'legacy' | 'pooled' | 'paired'> {
  return { legacy, pooled, paired };
}

function rowOf(
  { cell, part, hour, base }: Pick<Entry, 'cell' | 'part' | 'hour' | 'base'>,
  latencies: Pick<CellRow, 'legacy' | 'pooled' | 'paired'> = latenciesOf(cell),
): CellRow {
  const { backend, dataset, operation, stage } = cell;
  const counts = countedSince(cell, base);
  return { part, hour, backend, dataset, operation, stage, counts, ...latencies };
}

function addToCell(cell: Cell, { cell: from, base }: Entry): void {
  const counts = countedSince(from, base);
  for (const name of countNames) cell[name] += counts[name];
  for (const reason of shedReasons) {
    if (counts.shed[reason] > 0) cell.shed[reason] = (cell.shed[reason] ?? 0) + counts.shed[reason];
  }
  cell.legacyLatency.merge(from.legacyLatency);
  cell.pooledLatency.merge(from.pooledLatency);
  cell.paired.merge(from.paired);
}
