import { types } from 'node:util';
import type { Row } from '@changeover/core';
import equal from 'fast-deep-equal/es6/index.js';
import { isPlain } from './canonical.ts';
import type { ColumnRules } from './column-rules.ts';
import { RowHasher } from './row-hasher.ts';

/** Which row of one result is which of the other, by position. */
export interface RowPairing {
  /** Rows that are the same row with other values: by their values in other columns, by their key, else alike in half of their
   * columns or more, else in the same place of results with the same number of rows. */
  readonly changed: readonly (readonly [legacy: number, pooled: number])[];
  /** Rows without a counterpart. */
  readonly missing: readonly number[];
  readonly extra: readonly number[];
  /** The first place at which the two have different rows; undefined where there is none. */
  readonly firstMoved: number | undefined;
}

/** Columns that are tried as a key. */
const maxKeyColumns = 16;
/** Rows up to which a key must be unique in the whole result; above, among the rows that differ. */
const maxKeyRows = 50_000;
/** Rows of each side that are compared each with each for likeness. */
const maxAlike = 100;

/** Pairs off the rows that both have first, so that only what differs is looked at closely. */
export function pairRows(
  a: readonly Row[],
  b: readonly Row[],
  columns: readonly string[],
  rules: ColumnRules,
): RowPairing {
  const hasher = new RowHasher();
  const strict = columns.filter((column) => !rules.loosens(column));
  const counts = (column: string): boolean => !rules.ignores(column) && !rules.loosens(column);
  const partly = [...a.slice(0, 1), ...b.slice(0, 1)].some(
    (row) => !Object.keys(row).every(counts),
  );
  const hash = (row: Row): number => hasher.row(partly ? onlyColumns(row, counts) : row, strict);
  const { start, end } = sharedEnds(a, b);
  const left = a.slice(start, a.length - end).map(hash);
  const right = b.slice(start, b.length - end).map(hash);
  const loose = columns.filter((column) => rules.loosens(column));
  const alike = (x: number, y: number): boolean =>
    loose.every((column) => rules.same(column, a[start + x]?.[column], b[start + y]?.[column]));
  const { legacy, pooled } = pairEqual(left, right, alike);
  // By what the rules let pass too: of two rows that only such columns tell apart, each has its place.
  const firstMoved = left.findIndex((key, at) => key !== right[at] || !alike(at, at));
  const unpaired = {
    legacy: legacy.map((at) => start + at),
    pooled: pooled.map((at) => start + at),
  };
  const rest = new Rest(a, b, columns, unpaired, rules);
  rest.pairByText();
  rest.pairByValues(hasher);
  rest.pairByKey(hasher);
  rest.pairByLikeness();
  rest.pairByPlace();
  return { ...rest.finish(), firstMoved: firstMoved < 0 ? undefined : start + firstMoved };
}

/** How many rows both begin and end with. Mostly a single row differs, and deep equality finds it at half the cost of
 * hashing both sides; rows that it takes for different though they are one value are told by their hashes later. */
function sharedEnds(
  a: readonly Row[],
  b: readonly Row[],
): { readonly start: number; readonly end: number } {
  const shared = Math.min(a.length, b.length);
  let start = 0;
  while (start < shared && sameRow(a[start], b[start])) start += 1;
  let end = 0;
  while (end < shared - start && sameRow(a[a.length - 1 - end], b[b.length - 1 - end])) end += 1;
  return { start, end };
}

function sameRow(a: Row | undefined, b: Row | undefined): boolean {
  try {
    return equal(a, b) && sameSigns(a, b);
  } catch {
    // It throws for a row without a prototype, and for a column named `valueOf` or `toString`.
    return false;
  }
}

/** Of two deeply equal values, whether their zeros have the same signs, which deep equality doesn't tell. */
function sameSigns(a: unknown, b: unknown): boolean {
  if (typeof a === 'number') return a !== 0 || Object.is(a, b);
  if (typeof a !== 'object' || a === null) return true;
  // Anything but lists, structs and bytes is left to the hashes.
  if (types.isUint8Array(a)) return true;
  if (!Array.isArray(a) && !isPlain(a)) return false;
  const [x, y] = [a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>];
  for (const name in x) if (!sameSigns(x[name], y[name])) return false;
  return true;
}

function onlyColumns(row: Row, counts: (column: string) => boolean): Row {
  return Object.fromEntries(Object.entries(row).filter(([column]) => counts(column)));
}

interface Unpaired {
  readonly legacy: readonly number[];
  readonly pooled: readonly number[];
}

/** Takes away what both have: in place first, for that is most; then wherever it stands. */
function pairEqual(
  left: readonly number[],
  right: readonly number[],
  alike: (x: number, y: number) => boolean,
): Unpaired {
  const waiting = new Map<number, number[]>();
  const legacy: number[] = [];
  const pooled: number[] = [];
  for (const [at, key] of left.entries()) {
    if (key === right[at] && alike(at, at)) continue;
    const positions = waiting.get(key);
    if (positions === undefined) waiting.set(key, [at]);
    else positions.push(at);
  }
  for (const positions of waiting.values()) positions.reverse();
  for (const [at, key] of right.entries()) {
    if (key === left[at] && alike(at, at)) continue;
    const positions = waiting.get(key) ?? [];
    // The last few only: rows alike in all strict columns are few, and none can make the work grow with the square.
    const from = Math.max(0, positions.length - maxAlike);
    let found = positions.length - 1;
    while (found >= from && !alike(positions[found] ?? 0, at)) found -= 1;
    if (found >= from) positions.splice(found, 1);
    else pooled.push(at);
  }
  for (const positions of waiting.values()) legacy.push(...positions);
  return { legacy: legacy.sort((x, y) => x - y), pooled };
}

/** The rows that only one side has as they are, and the ways of finding out which is which. */
class Rest {
  readonly #a: readonly Row[];
  readonly #b: readonly Row[];
  readonly #columns: readonly string[];
  readonly #rules: ColumnRules;
  readonly #changed: (readonly [number, number])[] = [];
  #legacy: readonly number[];
  #pooled: readonly number[];
  #hasKey = false;

  constructor(
    a: readonly Row[],
    b: readonly Row[],
    columns: readonly string[],
    unpaired: Unpaired,
    rules: ColumnRules,
  ) {
    this.#a = a;
    this.#b = b;
    this.#columns = columns;
    this.#rules = rules;
    this.#legacy = unpaired.legacy;
    this.#pooled = unpaired.pooled;
  }

  finish(): Pick<RowPairing, 'changed' | 'missing' | 'extra'> {
    return {
      changed: this.#changed.sort(([x], [y]) => x - y),
      missing: this.#legacy,
      extra: this.#pooled,
    };
  }

  /** By the first column whose values are all different on each side and that both sides have most of. */
  pairByKey(hasher: RowHasher): void {
    if (this.#legacy.length === 0 || this.#pooled.length === 0 || this.#columns.length < 2) return;
    // In a single row (an aggregate, mostly) every column would be a key.
    if (this.#a.length < 2 && this.#b.length < 2) return;
    let best: readonly (readonly [number, number])[] = [];
    for (const column of this.#columns.slice(0, maxKeyColumns)) {
      const pairs = this.#rules.loosens(column) ? undefined : this.#pairsBy(column, hasher);
      this.#hasKey ||= pairs !== undefined;
      if (pairs !== undefined && pairs.length > best.length) best = pairs;
    }
    this.#take(best);
  }

  /** The pairs by one column; undefined where it is no key. */
  #pairsBy(column: string, hasher: RowHasher): readonly (readonly [number, number])[] | undefined {
    const whole = Math.max(this.#a.length, this.#b.length) <= maxKeyRows;
    const key = (row: Row | undefined): number => hasher.cells(row ?? {}, [column]);
    const unique = (rows: readonly Row[], some: readonly number[]): boolean => {
      const seen = new Set<number>();
      const all = whole ? rows : some.map((at) => rows[at]);
      return all.every((row) => seen.size < seen.add(key(row)).size);
    };
    if (!unique(this.#a, this.#legacy) || !unique(this.#b, this.#pooled)) return undefined;
    const byKey = new Map(this.#legacy.map((at) => [key(this.#a[at]), at] as const));
    return this.#pooled.flatMap((at) => {
      const found = byKey.get(key(this.#b[at]));
      return found === undefined ? [] : [[found, at] as const];
    });
  }

  /** Rows of which at least half of the cells are the same, the most alike first. */
  pairByLikeness(): void {
    const candidates: { likeness: number; pair: readonly [number, number] }[] = [];
    for (const x of this.#legacy.slice(0, maxAlike)) {
      for (const y of this.#pooled.slice(0, maxAlike)) {
        const [row, other] = [this.#a[x] ?? {}, this.#b[y] ?? {}];
        const likeness = this.#columns.filter((column) =>
          this.#rules.same(column, row[column], other[column]),
        ).length;
        if (likeness * 2 >= this.#columns.length && likeness > 0)
          candidates.push({ likeness, pair: [x, y] });
      }
    }
    const apart = ([x, y]: readonly [number, number]): number => Math.abs(x - y);
    candidates.sort((p, q) => q.likeness - p.likeness || apart(p.pair) - apart(q.pair));
    const taken: (readonly [number, number])[] = [];
    const [lefts, rights] = [new Set<number>(), new Set<number>()];
    for (const { pair } of candidates) {
      if (lefts.has(pair[0]) || rights.has(pair[1])) continue;
      lefts.add(pair[0]);
      rights.add(pair[1]);
      taken.push(pair);
    }
    this.#take(taken);
  }

  /** Rows that read the same are the same row with other types, a key among them or not. */
  pairByText(): void {
    const text = (row: Row | undefined): string =>
      JSON.stringify(
        this.#columns.map((column) => (isScalar(row?.[column]) ? String(row[column]) : '')),
      );
    const byText = new Map(this.#legacy.map((at) => [text(this.#a[at]), at] as const));
    const pairs: (readonly [number, number])[] = [];
    for (const at of this.#pooled) {
      const key = text(this.#b[at]);
      const found = byText.get(key);
      if (found === undefined) continue;
      byText.delete(key);
      pairs.push([found, at]);
    }
    this.#take(pairs);
  }

  /** Rows that hold the same values in other columns are the same rows with columns mixed up, a key among them or not; but only
   * where that explains all that differs. */
  pairByValues(hasher: RowHasher): void {
    if (this.#legacy.length !== this.#pooled.length || this.#columns.length < 2) return;
    const key = (row: Row | undefined): string =>
      this.#columns
        .map((column) => hasher.cells(row ?? {}, [column]))
        .sort((x, y) => x - y)
        .join();
    const waiting = new Map<string, number[]>();
    for (const at of this.#legacy) {
      const values = key(this.#a[at]);
      const positions = waiting.get(values);
      if (positions === undefined) waiting.set(values, [at]);
      else positions.push(at);
    }
    for (const positions of waiting.values()) positions.reverse();
    const pairs: (readonly [number, number])[] = [];
    for (const at of this.#pooled) {
      const found = waiting.get(key(this.#b[at]))?.pop();
      if (found === undefined) return;
      pairs.push([found, at]);
    }
    this.#take(pairs);
  }

  /** Where nothing else tells: the row in the same place. Two rows with different keys are two rows. */
  pairByPlace(): void {
    if (this.#hasKey || this.#a.length !== this.#b.length) return;
    const there = new Set(this.#pooled);
    this.#take(this.#legacy.filter((at) => there.has(at)).map((at) => [at, at] as const));
    if (this.#legacy.length === this.#pooled.length) {
      this.#take(this.#legacy.map((at, place) => [at, this.#pooled[place] ?? at] as const));
    }
  }

  #take(pairs: readonly (readonly [number, number])[]): void {
    const [lefts, rights] = [new Set(pairs.map(([x]) => x)), new Set(pairs.map(([, y]) => y))];
    this.#changed.push(...pairs);
    this.#legacy = this.#legacy.filter((at) => !lefts.has(at));
    this.#pooled = this.#pooled.filter((at) => !rights.has(at));
  }
}

function isScalar(value: unknown): value is string | number | bigint | boolean {
  return (
    typeof value === 'string' ||
    typeof value === 'number' ||
    typeof value === 'bigint' ||
    typeof value === 'boolean'
  );
}
