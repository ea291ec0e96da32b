import { type Engine, type StorageApi, StorageError } from 'changeover';
import { parameter, sampleRows } from '../bench/workbench.ts';

/** Rows of the table that is only read. */
const readRows = 500;
/** The table that is written to is begun anew at so many rows, so that the data itself doesn't grow. */
const mostWritten = 300;

/** What failed, in words, each thing counted. */
export class Failures {
  readonly counts: Map<string, number> = new Map<string, number>();
  total = 0;

  note(what: string): void {
    this.total += 1;
    // Bounded: a run that fails in a thousand ways has failed.
    if (this.counts.has(what) || this.counts.size < 100)
      this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}

/** One caller of one dataset, the only one that writes to it, so that what must be there is known after each call. */
export class SoakCaller {
  calls = 0;
  readonly engine: Engine;
  readonly #storage: StorageApi;
  readonly #dataset: string;
  readonly #random: () => number;
  readonly #failures: Failures;
  #written = 0;

  constructor(
    storage: StorageApi,
    engine: Engine,
    dataset: string,
    random: () => number,
    failures: Failures,
  ) {
    this.engine = engine;
    this.#storage = storage;
    this.#dataset = dataset;
    this.#random = random;
    this.#failures = failures;
  }

  async prepare(): Promise<void> {
    await this.#storage.createDataset(this.#dataset);
    await this.#storage.writeTable(this.#dataset, 'data', sampleRows(readRows));
    await this.#storage.writeTable(this.#dataset, 'log', [{ owner: this.#dataset, turn: 0 }]);
    this.#written = 1;
  }

  /** One call after the other until it is told to stop. Never rejects. */
  async run(goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      try {
        await this.#next();
      } catch (error) {
        const code = error instanceof StorageError ? error.code : 'error';
        this.#failures.note(`${this.engine}: ${code}: ${String(error).slice(0, 160)}`);
      }
      this.calls += 1;
      await new Promise((resolve) => {
        setTimeout(resolve, Math.floor(this.#random() * 4));
      });
    }
  }

  async #next(): Promise<void> {
    const choice = this.#random();
    if (choice < 0.45) await this.#readOne();
    else if (choice < 0.6) await this.#readAll();
    else if (choice < 0.7) await this.#count();
    else if (this.#written >= mostWritten) await this.#beginAnew();
    else if (choice < 0.85) await this.#insert();
    else if (choice < 0.95) await this.#append();
    else await this.#transaction();
  }

  async #readOne(): Promise<void> {
    const id = Math.floor(this.#random() * readRows);
    const rows = await this.#storage.readTable(this.#dataset, 'data', { where: { id } });
    if (rows.length !== 1 || rows[0]?.['id'] !== id)
      this.#failures.note(`${this.engine}: a read of one row found another`);
  }

  async #readAll(): Promise<void> {
    const rows = await this.#storage.readTable(this.#dataset, 'data');
    if (rows.length !== readRows)
      this.#failures.note(`${this.engine}: a read of ${readRows} rows found ${rows.length}`);
  }

  /** What was told to be written is there, once, and nothing of another dataset. */
  async #count(): Promise<void> {
    const {
      rows: [row],
    } = await this.#storage.query(
      this.#dataset,
      'SELECT count(*) AS n, count(DISTINCT owner) AS owners, max(owner) AS owner FROM log',
    );
    const found = Number(row?.['n']);
    if (found !== this.#written) {
      this.#failures.note(`${this.engine}: ${this.#written} rows were written, ${found} are there`);
      this.#written = found;
    }
    if (Number(row?.['owners']) !== 1 || row?.['owner'] !== this.#dataset)
      this.#failures.note(`${this.engine}: rows of another dataset`);
  }

  async #insert(): Promise<void> {
    const second = this.engine === 'postgresql' ? '$2' : '?';
    await this.#storage.execute(
      this.#dataset,
      `INSERT INTO log VALUES (${parameter(this.engine)}, ${second})`,
      [this.#dataset, this.#written],
    );
    this.#written += 1;
  }

  async #append(): Promise<void> {
    const rows = Array.from({ length: 5 }, (_, at) => ({
      owner: this.#dataset,
      turn: this.#written + at,
    }));
    await this.#storage.writeTable(this.#dataset, 'log', rows, { ifExists: 'append' });
    this.#written += rows.length;
  }

  async #beginAnew(): Promise<void> {
    await this.#storage.writeTable(this.#dataset, 'log', [{ owner: this.#dataset, turn: 0 }], {
      ifExists: 'replace',
    });
    this.#written = 1;
  }

  async #transaction(): Promise<void> {
    await this.#storage.transaction(this.#dataset, async (transaction) => {
      for (let at = 0; at < 2; at += 1) {
        await transaction.writeTable('log', [{ owner: this.#dataset, turn: this.#written + at }], {
          ifExists: 'append',
        });
      }
    });
    this.#written += 2;
  }
}
