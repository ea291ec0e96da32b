import { ScanDigest, type StoredScanDigest, type ValuePolicy } from '@changeover/compare';
import type { Value } from '@changeover/core';
import type { SnapshotReader, SnapshotTable, TableCursor } from '@changeover/engines';
import type { Common } from './shared-form.ts';

/** Rows of a segment: few enough to be read again where it differs, so many that their digests are few. */
export const usualSegmentRows = 10_000;
/** What a batch may take: rows of megabytes come one at a time, small ones by the thousand. */
const batchBytes = 4 * 1024 * 1024;
const firstBatchRows = 64;

/** A scan as it can be stored between segments. */
export interface StoredSideScan {
  readonly digest: StoredScanDigest;
  readonly marks: readonly string[];
}

/** One side of a table. */
export interface SideTable {
  readonly reader: SnapshotReader;
  readonly table: SnapshotTable;
  /** A function a column that brings its values to the form of both sides, where one is needed. */
  readonly common: readonly (Common | undefined)[];
  readonly policy: ValuePolicy;
  readonly segmentRows: number;
}

/** Is shown each row: its digest, its values, and its number, the first being 0. */
export type VisitRow = (digest: number, cells: readonly Value[], row: number) => void;

/** Where and how long to read. */
export interface SideScanOptions {
  readonly stored?: StoredSideScan | undefined;
  /** Begins at this segment of an earlier scan. */
  readonly from?: { readonly segment: number; readonly mark: string | undefined } | undefined;
}

/** Reads one side of a table segment by segment. */
export class SideScan {
  readonly digest: ScanDigest;
  /** The mark of the last row of each segment; empty where the table's rows have none. */
  readonly marks: string[];
  readonly #side: SideTable;
  readonly #firstRow: number;
  readonly #after: string | undefined;
  readonly #changes: boolean;
  #cursor: TableCursor | undefined;
  #buffer: readonly (readonly Value[])[] = [];
  #bufferMarks: readonly Value[] | undefined;
  #taken = 0;
  #read = 0;
  #ended = false;

  constructor(side: SideTable, { stored, from }: SideScanOptions = {}) {
    this.#side = side;
    this.#changes = side.common.some((common) => common !== undefined);
    this.digest = new ScanDigest(side.table.columns.length, side.policy, stored?.digest);
    this.marks = [...(stored?.marks ?? [])];
    this.#after = from === undefined ? this.marks.at(-1) : from.mark;
    this.#firstRow = from === undefined ? this.digest.rows : from.segment * side.segmentRows;
  }

  /** Rows read here. */
  get read(): number {
    return this.#read;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Reads one segment, or less where the table ends. */
  async segment(visit?: VisitRow): Promise<void> {
    let mark: string | undefined;
    for (let left = this.#side.segmentRows; left > 0;) {
      if (this.#taken === this.#buffer.length && !(await this.#fill())) break;
      const end = Math.min(this.#buffer.length, this.#taken + left);
      left -= end - this.#taken;
      for (; this.#taken < end; this.#taken += 1) {
        const cells = this.#buffer[this.#taken] ?? [];
        const digest = this.digest.add(cells);
        visit?.(digest, cells, this.#firstRow + this.#read);
        this.#read += 1;
      }
      const last = this.#bufferMarks?.[end - 1];
      mark =
        typeof last === 'string' || typeof last === 'number' || typeof last === 'bigint'
          ? String(last)
          : undefined;
    }
    if (mark !== undefined) this.marks.push(mark);
    this.digest.endSegment();
  }

  /** What can be stored; undefined where the rows have no marks to go on from. */
  store(): StoredSideScan | undefined {
    if (this.marks.length !== this.digest.segments.length) return undefined;
    return { digest: this.digest.store(), marks: [...this.marks] };
  }

  async close(): Promise<void> {
    this.#ended = true;
    // Whatever ails the connection was told by what failed before.
    await this.#cursor?.close().catch(() => undefined);
  }

  async #fill(): Promise<boolean> {
    if (this.#ended) return false;
    this.#cursor ??= await this.#side.reader.read(this.#side.table, { after: this.#after });
    const batch = await this.#cursor.next(this.#batchRows());
    this.#taken = 0;
    this.#buffer =
      batch === undefined
        ? []
        : this.#changes
          ? batch.cells.map((cells) => this.#toCommon(cells))
          : batch.cells;
    this.#bufferMarks = batch?.marks;
    this.#ended = batch === undefined;
    return batch !== undefined;
  }

  #batchRows(): number {
    if (this.#read === 0) return firstBatchRows;
    return Math.max(1, Math.floor(batchBytes / Math.max(1, this.digest.bytes / this.#read)));
  }

  #toCommon(cells: readonly Value[]): readonly Value[] {
    return cells.map((value, at) =>
      value === null ? null : (this.#side.common[at]?.(value) ?? value),
    );
  }
}
