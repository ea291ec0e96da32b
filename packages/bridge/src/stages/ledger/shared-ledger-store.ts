import { changeOfRow, type LedgerRow } from './ledger-row.ts';
import { checkSchema, prepareStore } from '../../fleet/fleet-schema.ts';
import type { AppendedLines, LedgerChange, LedgerStore, NewLedgerChange } from './ledger-store.ts';

/** What the ledger needs of a PostgreSQL driver: a pool of `pg` is one. */
export interface PostgresQuery {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: unknown[] }>;
}

/** Sequences are given before they are committed, so a lower one may come to be seen after a higher one. */
const overlap = 1_000;

const columns = [
  'at',
  'backend',
  'dataset',
  'from_stage',
  'to_stage',
  'held',
  'who',
  'reason',
  'revision',
  'previous',
];

/**
 * The ledger in PostgreSQL, for processes on several hosts. Whoever made the connections sets their time-outs and
 * closes them.
 */
export class PostgresLedgerStore implements LedgerStore {
  readonly #client: PostgresQuery;
  readonly #schema: string;
  readonly #table: string;
  #prepared: Promise<void> | undefined = undefined;

  /** @param schema made where there is none; it must be a plain name. */
  constructor(client: PostgresQuery, schema = 'changeover') {
    checkSchema(schema);
    this.#client = client;
    this.#schema = schema;
    this.#table = `"${schema}".ledger`;
  }

  async read(sequence: number): Promise<readonly LedgerChange[]> {
    await this.#prepare();
    const { rows } = await this.#client.query(
      `select * from ${this.#table} where sequence > $1 order by sequence`,
      [Math.max(0, sequence - overlap)],
    );
    return (rows as LedgerRow[]).map(changeOfRow);
  }

  async append(changes: readonly NewLedgerChange[]): Promise<AppendedLines> {
    await this.#prepare();
    const values = changes.flatMap(
      ({ at, backend, dataset, from, to, held, who, reason, revision, previous }) => [
        at,
        backend,
        dataset,
        from,
        to,
        held,
        who,
        reason,
        revision,
        previous,
      ],
    );
    const { rows } = await this.#client.query(
      `insert into ${this.#table} (${columns.join(', ')}) values ${placeholders(changes.length)} ` +
        'on conflict (backend, dataset, previous) do nothing returning sequence, backend, dataset',
      values,
    );
    const written = rows as { sequence: unknown; backend: string; dataset: string }[];
    return changes.map(({ backend, dataset }) => {
      const row = written.find((one) => one.backend === backend && one.dataset === dataset);
      return row === undefined ? undefined : Number(row.sequence);
    });
  }

  close(): void | Promise<void> {
    // The connections are their maker's.
  }

  /** Once; tried again at the next use where it failed. */
  #prepare(): Promise<void> {
    this.#prepared ??= prepareStore((text) => this.#client.query(text), this.#schema).catch(
      (error: unknown) => {
        this.#prepared = undefined;
        throw error;
      },
    );
    return this.#prepared;
  }
}

function placeholders(rows: number): string {
  const row = (index: number): string =>
    `(${columns.map((_column, column) => `$${String(index * columns.length + column + 1)}`).join(', ')})`;
  return Array.from({ length: rows }, (_row, index) => row(index)).join(', ');
}
