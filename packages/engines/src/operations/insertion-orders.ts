import type { Program } from '../program.ts';

/** Tables remembered; the next one begins anew. */
const maxTables = 500;

/**
 * By what the rows of one SQLite dataset's tables come in the order in which they were inserted, for as long as its schema is the
 * same: to find that out anew took a quarter of a read of 100 rows, and to ask for the schema's version takes a tenth of that.
 */
export class InsertionOrders {
  readonly #byTable = new Map<string, string | undefined>();
  #schemaVersion: unknown;

  /** @param find asked where the table is not known under the schema that there is now. */
  *of(table: string, find: () => Program<string | undefined>): Program<string | undefined> {
    const { rows } = yield { kind: 'all', sql: 'PRAGMA schema_version' };
    const version = rows[0]?.['schema_version'];
    if (version !== this.#schemaVersion || this.#byTable.size >= maxTables) this.#byTable.clear();
    this.#schemaVersion = version;
    if (this.#byTable.has(table)) return this.#byTable.get(table);
    const order = yield* find();
    this.#byTable.set(table, order);
    return order;
  }
}
