/** What one write changes: a statement's text, a table's rows, or what can't be told. */
export type Written =
  | { readonly sql: string }
  | { readonly table: string }
  /** A transaction of a caller's, a dataset as a whole. */
  | 'anything';

interface WriteSpan {
  readonly written: Written;
  /** Undefined as long as it goes on; Infinity where it failed, since it may have been applied all the same, or be later. */
  endedAt: number | undefined;
}

/** Writes that are remembered of a dataset. */
const maxWrites = 1_000;
const maxDatasets = 1_000;
/** Of a longer text only that it wrote is remembered. */
const maxTextLength = 10_000;

/**
 * Which tables this process wrote, and when: for an engine whose files no other process can write meanwhile. Marks are places in the
 * order of what was noted.
 */
export class TableWrites {
  readonly #datasets = new Map<string, DatasetWrites>();
  #made = 0;

  /**
   * Notes that a write begins.
   *
   * @returns to be told once it has ended, whether it succeeded.
   */
  begin(dataset: string, written: Written): (succeeded: boolean) => void {
    const isLong =
      typeof written === 'object' && 'sql' in written && written.sql.length > maxTextLength;
    return this.#of(dataset).begin(isLong ? 'anything' : written);
  }

  /** How far the writes to a dataset have come. */
  mark(dataset: string): string {
    return this.#of(dataset).mark();
  }

  /** The writes that may have taken effect since a mark; undefined where they are not known any more. */
  since(dataset: string, mark: string): readonly Written[] | undefined {
    return this.#datasets.get(dataset)?.since(mark);
  }

  #of(dataset: string): DatasetWrites {
    const known = this.#datasets.get(dataset);
    if (known !== undefined) return known;
    for (const [name, writes] of this.#datasets) {
      if (this.#datasets.size < maxDatasets) break;
      if (writes.isQuiet) this.#datasets.delete(name);
    }
    const made = new DatasetWrites((this.#made += 1));
    this.#datasets.set(dataset, made);
    return made;
  }
}

class DatasetWrites {
  readonly #id: number;
  readonly #writes = new Set<WriteSpan>();
  #noted = 0;
  /** Of writes up to here some were forgotten. */
  #forgotten = 0;

  constructor(id: number) {
    this.#id = id;
  }

  get isQuiet(): boolean {
    for (const { endedAt } of this.#writes) if (endedAt === undefined) return false;
    return true;
  }

  begin(written: Written): (succeeded: boolean) => void {
    const span: WriteSpan = { written, endedAt: undefined };
    this.#writes.add(span);
    this.#noted += 1;
    if (this.#writes.size > maxWrites) this.#forgetOldest();
    return (succeeded) => {
      this.#noted += 1;
      span.endedAt = succeeded ? this.#noted : Infinity;
    };
  }

  mark(): string {
    return `${String(this.#id)}:${String(this.#noted)}`;
  }

  since(mark: string): readonly Written[] | undefined {
    const [id, place] = mark.split(':').map(Number);
    if (id !== this.#id || place === undefined || place < this.#forgotten) return undefined;
    return [...this.#writes]
      .filter(({ endedAt }) => endedAt === undefined || endedAt > place)
      .map(({ written }) => written);
  }

  /** Those that go on are as many as the calls in flight. */
  #forgetOldest(): void {
    for (const span of this.#writes) {
      if (span.endedAt === undefined) continue;
      this.#writes.delete(span);
      this.#forgotten = Math.max(this.#forgotten, Math.min(span.endedAt, this.#noted));
      return;
    }
  }
}
