import { bucketOf } from '@changeover/compare';
import type { Value } from '@changeover/core';
import { SideScan, type SideTable } from './side-scan.ts';

/** Digests that may be unmatched at a time while two scans are laid over each other. */
const mostOpen = 100_000;
/** Differing segments that are read again one by one; where there are more, the whole is read again. */
const mostSegments = 64;
/** Differing rows of a side that are kept to be paired and shown, and what they may take. */
const mostKept = 1_000;
const mostKeptCells = 100_000;

/** A row that the other side doesn't have. */
export interface LoneRow {
  readonly digest: number;
  readonly cells: readonly Value[];
  /** Its number in the table, the first being 0. */
  readonly row: number;
}

/** The rows that only one of two sides has. */
export interface LoneRows {
  readonly left: readonly LoneRow[];
  readonly right: readonly LoneRow[];
  /** All of them, by digest, with how many there are of each. */
  readonly digests: {
    readonly left: ReadonlyMap<number, number>;
    readonly right: ReadonlyMap<number, number>;
  };
  /** False where there were too many to look for all. */
  readonly complete: boolean;
}

/** The finished scans of both sides. */
export type ScanPair = readonly [left: SideScan, right: SideScan];
export type SidePair = readonly [left: SideTable, right: SideTable];

/** Called between two parts; rejects where the work is to be given up. */
export type Between = (rowsLeft: number) => Promise<void>;

/**
 * Finds the rows in which two scans differ, in the snapshot that they were made in. First down to segments or buckets, by
 * the digests of the scans; then to the rows' digests, by reading only what differs; then the rows themselves.
 */
export async function locateRows(
  sides: SidePair,
  scans: ScanPair,
  between: Between,
): Promise<LoneRows> {
  const segments = segmentsToRead(scans);
  const buckets = scans[0].digest.differingBuckets(scans[1].digest);
  const overlay = new Overlay(segments === undefined ? buckets : undefined);
  if (segments === undefined) await overlay.readWhole(sides, between);
  else for (const segment of segments) await overlay.readSegment(sides, scans, segment, between);
  const wanted = overlay.unmatched();
  return {
    ...(await fetchRows(sides, scans, wanted, segments, between)),
    digests: wanted,
    complete: !overlay.overflowed,
  };
}

/** The segments to read again; undefined where a scan can't begin in the middle or too many differ. */
function segmentsToRead(scans: ScanPair): readonly number[] | undefined {
  const [left, right] = scans;
  if (left.digest.rows !== right.digest.rows) return undefined;
  if (scans.some(({ marks, digest }) => marks.length !== digest.segments.length)) return undefined;
  const differing = left.digest.differingSegments(right.digest);
  return differing.length <= mostSegments ? differing : undefined;
}

/** The number of the first row, the first being 0, that is another one on the other side, where the sides hold the same rows
 * in two orders. */
export async function firstMovedRow(
  sides: SidePair,
  scans: ScanPair,
  between: Between,
): Promise<number> {
  const [segment = 0] = scans[0].digest.differingSegments(scans[1].digest);
  const marked = scans.every(({ marks, digest }) => marks.length === digest.segments.length);
  const order = async (side: SideTable, scan: SideScan): Promise<readonly number[]> => {
    const digests: number[] = [];
    const rows = marked ? scanFrom(side, scan, segment) : new SideScan(side);
    try {
      for (let at = marked ? segment : 0; at <= segment; at += 1) {
        await rows.segment((digest) => {
          if (at === segment) digests.push(digest);
        });
        await between(rows.read);
      }
      return digests;
    } finally {
      await rows.close();
    }
  };
  const left = await order(sides[0], scans[0]);
  const right = await order(sides[1], scans[1]);
  const moved = left.findIndex((digest, at) => digest !== right[at]);
  return segment * sides[0].segmentRows + Math.max(0, moved);
}

function scanFrom(side: SideTable, scan: SideScan, segment: number): SideScan {
  return new SideScan(side, {
    from: { segment, mark: segment === 0 ? undefined : scan.marks[segment - 1] },
  });
}

type Step = (left: SideScan, right: SideScan) => Promise<boolean>;

/** Reads both sides in step for as long as `step` says so. */
async function inStep(
  [left, right]: readonly [SideScan, SideScan],
  between: Between,
  step: Step,
): Promise<void> {
  try {
    while (await step(left, right)) await between(left.read);
  } finally {
    await both(left.close(), right.close());
  }
}

/** Two scans laid over each other: what one has and the other hasn't. */
class Overlay {
  overflowed = false;
  readonly #buckets: ReadonlySet<number> | undefined;
  /** By digest: how many the left side has more than the right. */
  readonly #open = new Map<number, number>();

  constructor(buckets: ReadonlySet<number> | undefined) {
    this.#buckets = buckets;
  }

  async readWhole(sides: SidePair, between: Between): Promise<void> {
    await inStep([new SideScan(sides[0]), new SideScan(sides[1])], between, async (left, right) => {
      await this.#segment(left, right);
      return !this.overflowed && !(left.ended && right.ended);
    });
  }

  async readSegment(
    sides: SidePair,
    scans: ScanPair,
    segment: number,
    between: Between,
  ): Promise<void> {
    const pair = [
      scanFrom(sides[0], scans[0], segment),
      scanFrom(sides[1], scans[1], segment),
    ] as const;
    await inStep(pair, between, async (left, right) => {
      await this.#segment(left, right);
      return false;
    });
  }

  unmatched(): LoneRows['digests'] {
    const [left, right] = [new Map<number, number>(), new Map<number, number>()];
    for (const [digest, count] of this.#open)
      (count > 0 ? left : right).set(digest, Math.abs(count));
    return { left, right };
  }

  async #segment(left: SideScan, right: SideScan): Promise<void> {
    await both(
      left.segment((digest) => {
        this.#note(digest, 1);
      }),
      right.segment((digest) => {
        this.#note(digest, -1);
      }),
    );
  }

  #note(digest: number, sign: 1 | -1): void {
    if (this.#buckets?.has(bucketOf(digest)) === false) return;
    const count = (this.#open.get(digest) ?? 0) + sign;
    if (count === 0) this.#open.delete(digest);
    else if (this.#open.size < mostOpen) this.#open.set(digest, count);
    else this.overflowed = true;
  }
}

/** Waits for both even where one fails, so that nothing still runs on a connection that is then used for something else. */
export async function both(left: Promise<unknown>, right: Promise<unknown>): Promise<void> {
  for (const settled of await Promise.allSettled([left, right])) {
    if (settled.status === 'rejected') throw settled.reason;
  }
}

/** The first rows with the wanted digests. */
async function fetchRows(
  sides: SidePair,
  scans: ScanPair,
  wanted: LoneRows['digests'],
  segments: readonly number[] | undefined,
  between: Between,
): Promise<{ readonly left: readonly LoneRow[]; readonly right: readonly LoneRow[] }> {
  const nets = [new Net(wanted.left), new Net(wanted.right)] as const;
  for (const [at, side] of [sides[0], sides[1]].entries()) {
    const [net, scan] = at === 0 ? [nets[0], scans[0]] : [nets[1], scans[1]];
    const starts = segments ?? [undefined];
    for (const segment of starts) {
      if (net.isFull()) break;
      const rows = segment === undefined ? new SideScan(side) : scanFrom(side, scan, segment);
      try {
        do {
          await rows.segment((digest, cells, row) => {
            net.see(digest, cells, row);
          });
          await between(rows.read);
        } while (segment === undefined && !rows.ended && !net.isFull());
      } finally {
        await rows.close();
      }
    }
  }
  return { left: nets[0].rows, right: nets[1].rows };
}

/** Keeps rows of given digests. */
class Net {
  readonly rows: LoneRow[] = [];
  readonly #wanted: Map<number, number>;
  #left: number;

  constructor(wanted: ReadonlyMap<number, number>) {
    this.#wanted = new Map(wanted);
    this.#left = [...wanted.values()].reduce((sum, count) => sum + count, 0);
  }

  isFull(): boolean {
    return (
      this.#left === 0 ||
      this.rows.length >= mostKept ||
      this.rows.length * (this.rows[0]?.cells.length ?? 0) >= mostKeptCells
    );
  }

  see(digest: number, cells: readonly Value[], row: number): void {
    const count = this.#wanted.get(digest) ?? 0;
    if (count === 0 || this.isFull()) return;
    this.#wanted.set(digest, count - 1);
    this.#left -= 1;
    this.rows.push({ digest, cells, row });
  }
}
