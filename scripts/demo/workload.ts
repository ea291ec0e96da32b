import type { Engine } from 'changeover';
import * as callSites from './call-sites.ts';
import type { ColumnKind, RealDataset } from './datasets.ts';
import { Random } from './random.ts';

/** What the activity table holds, by the callers' own account. */
export const activityColumns: Readonly<Record<string, ColumnKind>> = {
  id: 'integer',
  amount: 'integer',
  note: 'text',
};

/** A row of the activity table. */
export interface Entry {
  id: number;
  amount: number;
  note: string;
}

/** What a write does to the activity table: all of it or nothing. */
export interface Effect {
  readonly added: readonly Entry[];
  /** By how much the amount of an entry changes, by its number. */
  readonly changed: ReadonlyMap<number, number>;
}

/** A write that its caller was told has failed. */
export interface FailedWrite {
  readonly effect: Effect;
  readonly error: unknown;
}

/** Something that went otherwise than its caller may expect. */
export interface Failure {
  readonly engine: Engine;
  readonly dataset: string;
  readonly what: string;
}

/** Rows that are still read as a whole; of larger tables, samples are. */
const wholeReadLimit = 15_000;

/**
 * One caller of one dataset: it calls one thing after the other, and knows exactly what it wrote, so that a lost, doubled
 * or half-applied write shows at the next reading.
 */
export class Caller {
  readonly engine: Engine;
  readonly dataset: RealDataset;
  readonly rows: number;
  readonly entries = new Map<number, Entry>();
  readonly failures: Failure[] = [];
  readonly failedWrites: FailedWrite[] = [];
  calls = 0;
  readonly #random: Random;
  readonly #counters = new Map<string, number>();
  #nextId = 1;

  constructor(engine: Engine, dataset: RealDataset, rows: number, seed: number) {
    this.engine = engine;
    this.dataset = dataset;
    this.rows = rows;
    this.#random = new Random(seed);
  }

  async begin(): Promise<void> {
    await callSites.createActivity(this.engine, this.dataset.name);
    this.#note({ id: 1, amount: 0, note: 'begin' });
  }

  /** One call or a few that belong together, as the mix has it. */
  async step(): Promise<void> {
    const choice = this.#random.below(100);
    try {
      if (choice < 62) await this.#read(choice);
      else await this.#write(choice);
    } catch (error) {
      this.#fail(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
    }
    this.calls += 1;
  }

  async #read(choice: number): Promise<void> {
    const {
      engine,
      dataset: { name, table, columns },
    } = this;
    const columnNames = Object.keys(columns).filter((column) => columns[column] !== 'json');
    const column = columnNames[this.#random.below(columnNames.length)] ?? '';
    if (choice < 12)
      this.#expect(
        (await callSites.sample(engine, name, table, 1_000)).length,
        Math.min(1_000, this.rows),
        'sample',
      );
    else if (choice < 32) await this.#readEntry();
    else if (choice < 38)
      this.#expect(
        await callSites.describeTable(engine, name, 'activity'),
        this.entries.size,
        'row count',
      );
    else if (choice < 42) await callSites.frequent(engine, name, table, column);
    else if (choice < 46) await callSites.statistics(engine, name, table, column);
    else if (choice < 50)
      this.#expect(
        (await callSites.tables(engine, name)).join(),
        ['activity', table].join(),
        'tables',
      );
    else if (choice < 54)
      this.#expect(
        JSON.stringify(await this.#metadata()),
        JSON.stringify(this.#counterValues()),
        'metadata',
      );
    else if (choice < 57 && this.rows <= wholeReadLimit) {
      this.#expect((await callSites.everything(engine, name)).length, this.rows, 'all rows');
    } else
      this.#expect(
        (await callSites.sample(engine, name, 'activity', 50)).length,
        Math.min(50, this.entries.size),
        'entries',
      );
  }

  async #readEntry(): Promise<void> {
    const id = 1 + this.#random.below(this.#nextId);
    const row = await callSites.entry(this.engine, this.dataset.name, id);
    this.#expect(row?.['amount'], this.entries.get(id)?.amount, `amount of entry ${id}`);
  }

  async #write(choice: number): Promise<void> {
    const {
      engine,
      dataset: { name },
    } = this;
    if (choice < 74) {
      const entry = this.#newEntry('one');
      const inserted = await this.#effect({ added: [entry], changed: new Map() }, () =>
        callSites.addEntry(engine, name, entry.id, entry.amount, entry.note),
      );
      this.#expect(inserted, 1, 'rows inserted');
    } else if (choice < 84) {
      const { id } = this.#known();
      const by = this.#random.below(100);
      const changed = await this.#effect({ added: [], changed: new Map([[id, by]]) }, () =>
        callSites.changeEntry(engine, name, id, by),
      );
      this.#expect(changed, 1, 'rows changed');
    } else if (choice < 92) {
      const added = Array.from({ length: 20 }, () => this.#newEntry('batch, "quoted", naïve 🎬'));
      await this.#effect({ added, changed: new Map() }, () =>
        callSites.addEntries(engine, name, added),
      );
    } else if (choice < 97) await this.#transfer();
    else {
      const key = `counter ${this.#random.below(5)}`;
      const value = (this.#counters.get(key) ?? 0) + 1;
      await callSites.remember(engine, name, key, value);
      this.#counters.set(key, value);
    }
  }

  async #transfer(): Promise<void> {
    const from = this.#known();
    const to = this.#known();
    const amount = this.#random.below(50);
    const fail = this.#random.below(4) === 0;
    const { engine, dataset } = this;
    const changed = new Map(
      from === to ? [] : [[from.id, -amount] as const, [to.id, amount] as const],
    );
    try {
      await this.#effect({ added: [], changed }, () =>
        callSites.transfer(engine, dataset.name, from.id, to.id, amount, fail),
      );
    } catch (error) {
      if (error instanceof callSites.ChangedMind && fail) return;
      throw error;
    }
  }

  /** Makes a write, and notes what it did, or that it failed. */
  async #effect<T>(effect: Effect, write: () => Promise<T>): Promise<T> {
    let result: T;
    try {
      result = await write();
    } catch (error) {
      this.failedWrites.push({ effect, error });
      throw error;
    }
    for (const entry of effect.added) this.#note(entry);
    for (const [id, by] of effect.changed) {
      const entry = this.entries.get(id);
      if (entry !== undefined) entry.amount += by;
    }
    return result;
  }

  async #metadata(): Promise<Record<string, unknown>> {
    const metadata = await callSites.recall(this.engine, this.dataset.name);
    return Object.fromEntries(Object.entries(metadata).sort());
  }

  #counterValues(): Record<string, number> {
    return Object.fromEntries([...this.#counters].sort());
  }

  /** Names are only taken for entries whose write was acknowledged; an unacknowledged one leaves a gap. */
  #newEntry(note: string): Entry {
    this.#nextId += 1;
    return { id: this.#nextId, amount: this.#random.below(1_000), note };
  }

  #note(entry: Entry): void {
    this.entries.set(entry.id, { ...entry });
  }

  #known(): Entry {
    const at = this.#random.below(this.entries.size);
    let left = at;
    for (const entry of this.entries.values()) {
      if (left === 0) return entry;
      left -= 1;
    }
    throw new Error('there are no entries');
  }

  #expect(found: unknown, expected: unknown, what: string): void {
    if (found !== expected)
      this.#fail(`${what}: expected ${String(expected)}, found ${String(found)}`);
  }

  #fail(what: string): void {
    this.failures.push({
      engine: this.engine,
      dataset: this.dataset.name,
      what: `${what} at call ${this.calls}`,
    });
  }
}
