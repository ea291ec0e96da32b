import {
  noShapeTotals,
  shapeActivityOf,
  ShapeCounts,
  shapeCountNames,
  shapeKeyText,
  type ShapeKey,
  type ShapeTotals,
} from './cell.ts';
import { ResumedPass } from './resumed-pass.ts';

/** The shape under which calls are counted that there was no room for one by one, or whose shape can't be used. */
export const otherShapes = '(others)';
/** Shapes of one key; what comes after them is counted together. */
const maxShapesOfKey = 1_000;
/** The longest shape, in characters: it is kept with its counts. */
export const maxShapeLength = 1_000;
/** One that nobody counted in for so long may be let go: whoever counts asks for it again by then. */
const releasedAfterMs = 60_000;

/** What one process stores of a shape: written again and again under one `part`. */
export interface ShapeRow extends ShapeKey {
  readonly part: number;
  readonly totals: ShapeTotals;
  readonly notComparable: string | undefined;
  readonly firstAt: number;
  readonly lastAt: number;
}

interface Entry {
  readonly counts: ShapeCounts;
  part: number;
  /** What had been counted when this row began. */
  base: ShapeTotals;
  firstAt: number;
  /** When it was last seen to have counted. */
  lastAt: number;
  activity: number;
  storedActivity: number;
}

/**
 * The shapes in use and what of them is stored. Bounded: so many of a key, and so many in all, of which those that nobody counted
 * in for longest are let go once they are stored.
 */
export class ShapeBook {
  readonly #maxShapes: number;
  readonly #byKey = new Map<string, Entry>();
  /** The shapes of each key, by backend and key. */
  readonly #ofKey = new Map<string, Set<Entry>>();
  readonly #unstored = new ResumedPass(() => this.#byKey.values());
  #lastPart = 0;
  #full = false;

  /** @param maxShapes kept in memory, about half a KiB each. */
  constructor(maxShapes = 20_000) {
    this.#maxShapes = maxShapes;
  }

  /** True once something had to be counted together with others because there were too many keys. */
  get full(): boolean {
    return this.#full;
  }

  get(key: ShapeKey, nowMs: number): ShapeCounts {
    const text = shapeKeyText(key);
    const found = this.#byKey.get(text);
    if (found !== undefined) return found.counts;
    const own = `${key.backend}\0${key.dataset}`;
    const ofKey = this.#ofKey.get(own) ?? new Set();
    const count = ofKey.size;
    if (
      key.shape !== otherShapes &&
      (count >= maxShapesOfKey || this.#byKey.size >= this.#maxShapes)
    ) {
      this.#full ||= count < maxShapesOfKey;
      return this.get({ ...key, shape: otherShapes }, nowMs);
    }
    const counts = new ShapeCounts(key);
    this.#lastPart += 1;
    const entry: Entry = {
      counts,
      part: this.#lastPart,
      base: noShapeTotals(),
      firstAt: nowMs,
      lastAt: nowMs,
      activity: 0,
      storedActivity: 0,
    };
    this.#ofKey.set(own, ofKey.add(entry));
    this.#byKey.set(text, entry);
    return counts;
  }

  /** Rows that the store doesn't have yet, at most `limit`, and what to tell {@link markStored} once it has. */
  unstored(limit: number, nowMs: number): readonly ShapeRow[] {
    const found = this.#unstored.find(limit, (entry) => {
      touch(entry, nowMs);
      return entry.activity !== entry.storedActivity;
    });
    return found.map(rowOf);
  }

  /** To be called in the same tick as {@link unstored}, once its rows are stored. */
  markStored(rows: readonly ShapeRow[]): void {
    this.#unstored.goOn();
    for (const row of rows) {
      const text = shapeKeyText(row);
      const entry = this.#byKey.get(text);
      if (entry === undefined) continue;
      entry.storedActivity = entry.activity;
      // The order is that of the last activity, and none starves where a pass doesn't reach all.
      this.#byKey.delete(text);
      this.#byKey.set(text, entry);
    }
  }

  /** Begins a new row for each shape of the key of which all is stored, so that what comes is kept apart from what was. */
  part(backend: string, dataset: string, nowMs: number): void {
    for (const entry of this.#ofKey.get(`${backend}\0${dataset}`) ?? []) {
      const { counts, activity, storedActivity } = entry;
      if (activity !== storedActivity || shapeActivityOf(counts) !== activity || activity === 0)
        continue;
      this.#lastPart += 1;
      entry.part = this.#lastPart;
      entry.base = since(counts, noShapeTotals());
      entry.firstAt = nowMs;
    }
  }

  /** Goes on in rows of another process: what `had` says of a row is no longer this one's. */
  beginAnew(had: ReadonlyMap<number, ShapeTotals>): void {
    for (const entry of this.#byKey.values()) {
      entry.storedActivity = Number.NaN;
      const totals = had.get(entry.part);
      if (totals === undefined) continue;
      const base = noShapeTotals();
      for (const name of shapeCountNames) base[name] = entry.base[name] + totals[name];
      entry.base = base;
    }
  }

  /** Lets go what is stored and was not counted in for long, where there is too much. To be called when everything is stored. */
  tidy(nowMs: number): void {
    if (this.#byKey.size < this.#maxShapes * 0.75) return;
    for (const [text, entry] of this.#byKey) {
      const { counts, lastAt } = entry;
      if (this.#byKey.size < this.#maxShapes * 0.5 || nowMs - lastAt < releasedAfterMs) return;
      this.#byKey.delete(text);
      const own = `${counts.key.backend}\0${counts.key.dataset}`;
      const ofKey = this.#ofKey.get(own);
      ofKey?.delete(entry);
      if (ofKey?.size === 0) this.#ofKey.delete(own);
    }
  }

  /** The rows of all shapes in use, each to be made when it is asked for: with what is counted in it by then. */
  rows(nowMs: number): readonly LateShapeRow[] {
    return Array.from(this.#byKey.values(), (entry) => {
      touch(entry, nowMs);
      const row = { ...entry };
      return { part: row.part, make: () => rowOf(row) };
    });
  }
}

/** A row of a shape, made when it is asked for. */
export interface LateShapeRow {
  readonly part: number;
  make(): ShapeRow;
}

function touch(entry: Entry, nowMs: number): void {
  const activity = shapeActivityOf(entry.counts);
  if (activity === entry.activity) return;
  entry.activity = activity;
  entry.lastAt = nowMs;
}

function rowOf({ counts, part, base, firstAt, lastAt }: Entry): ShapeRow {
  const { key, notComparable } = counts;
  return { ...key, part, totals: since(counts, base), notComparable, firstAt, lastAt };
}

function since(counts: ShapeTotals, base: ShapeTotals): ShapeTotals {
  return Object.fromEntries(
    shapeCountNames.map((name) => [name, counts[name] - base[name]]),
  ) as ShapeTotals;
}
