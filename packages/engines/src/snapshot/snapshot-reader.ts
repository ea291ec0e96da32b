import { type ColumnInfo } from '../api/storage-backend.ts';
import { datasetFile, type StoreLocation } from '../api/store-location.ts';
import { DatasetNotFoundError, StatementError } from '../api/storage-errors.ts';
import { type Engine } from '../api/engine.ts';
import { connectPostgres } from '../connect-postgres.ts';
import { fileStore } from '../dataset-store.ts';
import type { Dialect } from '../dialect/dialect.ts';
import type { DuckdbInstanceOptions } from '../api/duckdb-instance-options.ts';
import { openDuckdbSession } from '../open-duckdb.ts';
import { dialectOf, type OperationContext } from '../operations/context.ts';
import {
  findTable,
  listColumns,
  listTables,
  metadataTable,
  requireTable,
} from '../operations/tables.ts';
import type { Program, RowForm, StatementStep, StepResult } from '../program.ts';
import { textIn } from '../rows.ts';
import type { ResultStream } from '../session.ts';
import { openSqliteSession } from '../sqlite-session.ts';
import { shareSnapshot, takeSnapshot } from './shared-snapshot.ts';
import { checksumSql } from './table-checksum.ts';
import { estimateRows } from './row-estimate.ts';
import { openTableCursor, type TableCursor, type TableCursorOptions } from './table-cursor.ts';

/** A dataset to read in snapshots. */
export interface SnapshotReaderOptions {
  readonly engine: Engine;
  readonly location: StoreLocation;
  /** A name from `parseDatasetName`. */
  readonly dataset: string;
  /** How the session is asked for rows: the legacy leg asks for `objects`, the pooled leg for `cells`. */
  readonly form: RowForm;
  /** Limits of DuckDB's instance, where this reader is the first in the process to open the file. A limit of memory is raised
   * for tables of more columns than fit into it. */
  readonly duckdb?: DuckdbInstanceOptions | undefined;
}

/** What a scan holds of each column while two readers are at it: a block of 256 KiB each, and what is made of it. Measured with
 * 200 columns of text. */
const mibPerColumn = 1;

/** A table as it is described in a snapshot. */
export interface SnapshotTable {
  /** The name as the engine has it. */
  readonly name: string;
  readonly columns: readonly ColumnInfo[];
}

/** What a checksum made inside the engine says. */
export interface TableChecksum {
  readonly rows: number;
  /** Order plays no part in it. Only two of one engine can be compared. */
  readonly checksum: string;
}

interface Connection {
  run<T>(program: Program<T>): T | Promise<T>;
  stream?(sql: string, form: RowForm): Promise<ResultStream>;
  cancel(): Promise<void>;
  close(): void | Promise<void>;
}

/**
 * One connection that reads a dataset in read-only snapshots, one after the other, in constant memory. Between
 * {@link begin} and {@link end} it sees one state of the dataset whatever others commit.
 */
export class SnapshotReader {
  readonly engine: Engine;
  readonly #connection: Connection;
  readonly #context: OperationContext;
  /** The least that DuckDB's instance was given, and what it was raised to. */
  readonly #memoryMib: number | undefined;
  #raisedMib = 0;
  #shared: string | undefined;

  /** Use {@link openSnapshotReader}. */
  constructor(connection: Connection, options: SnapshotReaderOptions) {
    this.engine = options.engine;
    this.#connection = connection;
    this.#memoryMib = options.engine === 'duckdb' ? options.duckdb?.memoryLimitMib : undefined;
    this.#context = {
      dialect: dialectOf(options.engine),
      dataset: options.dataset,
      form: options.form,
      transaction: 'bare',
      inSession: false,
    };
  }

  /** Begins a snapshot. Where a name is given that {@link shared} of another reader of one server told, it is that one. */
  async begin(shared?: string): Promise<void> {
    switch (this.engine) {
      case 'sqlite':
        await this.#all({ kind: 'run', sql: 'BEGIN' });
        // The first read is what takes the snapshot.
        await this.#all({ kind: 'all', sql: 'SELECT count(*) AS n FROM sqlite_master' });
        return;
      case 'duckdb':
        await this.#run(oneStep({ kind: 'begin', readOnly: true }));
        await this.transactionNumber();
        return;
      case 'postgresql':
        await this.#run(oneStep({ kind: 'begin', readOnly: true }));
        if (shared === undefined) this.#shared = await this.#run(shareSnapshot);
        else await this.#run(() => takeSnapshot(shared));
    }
  }

  /** PostgreSQL: a name by which another connection can begin this snapshot, as long as it lasts. */
  get shared(): string | undefined {
    return this.#shared;
  }

  /** SQLite: differs from an earlier answer if another connection has committed since; inside a snapshot, before it. */
  async dataVersion(): Promise<number> {
    const { rows } = await this.#all({ kind: 'all', sql: 'PRAGMA data_version' });
    return Number(rows[0]?.['data_version']);
  }

  /** DuckDB: the number of this snapshot's transaction. Beginning one counts one up, and so does a commit of a write. */
  async transactionNumber(): Promise<bigint> {
    const { rows } = await this.#all({ kind: 'all', sql: 'SELECT txid_current() AS n' });
    return BigInt(rows[0]?.['n'] as number | bigint);
  }

  /** Ends the snapshot. Where there is none, nothing is done. */
  async end(): Promise<void> {
    await this.#run(oneStep({ kind: 'rollback' }));
  }

  /** The tables, that of the metadata among them, sorted by code unit. */
  async tables(): Promise<string[]> {
    const context = this.#context;
    return this.#run(function* () {
      const names = yield* listTables(context);
      return (yield* findTable(context, metadataTable)) === undefined
        ? names
        : [...names, metadataTable].sort();
    });
  }

  /** @throws {TableNotFoundError} where nothing goes by the name. */
  async table(name: string): Promise<SnapshotTable> {
    const context = this.#context;
    const table = await this.#run(function* () {
      const found = yield* requireTable(context, name);
      return { name: found.name, columns: yield* listColumns(context, found.name) };
    });
    await this.#makeRoom(table.columns.length);
    return table;
  }

  /** About how many rows a table has, without counting them; undefined where the engine can't say. */
  async estimateRows(table: SnapshotTable): Promise<number | undefined> {
    return this.#run(() => estimateRows(this.#context, table.name));
  }

  /** The checksum of a table's rows as they are stored; undefined where the engine has no hash function of its own. */
  async checksum(table: SnapshotTable): Promise<TableChecksum | undefined> {
    const sql = checksumSql(
      this.#dialect,
      this.#dialect.tableName(this.#context.dataset, table.name),
      table.columns,
    );
    if (sql === undefined) return undefined;
    const { rows } = await this.#all({ kind: 'all', sql });
    return { rows: Number(rows[0]?.['n']), checksum: textIn(rows[0] ?? {}, 'checksum') };
  }

  /** Reads a table in the order of its rows' places, a part at a time. */
  async read(table: SnapshotTable, options?: TableCursorOptions): Promise<TableCursor> {
    const { form } = this.#context;
    const stream = this.#connection.stream?.bind(this.#connection);
    return openTableCursor(
      this.#context,
      table,
      {
        run: (program) => this.#run(() => program),
        stream: stream === undefined ? undefined : (sql) => stream(sql, form),
      },
      options,
    );
  }

  /** Asks the engine to give up what runs. */
  async cancel(): Promise<void> {
    await this.#connection.cancel();
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async #makeRoom(columns: number): Promise<void> {
    if (this.#memoryMib === undefined) return;
    const neededMib = this.#memoryMib + columns * mibPerColumn;
    if (neededMib <= this.#raisedMib) return;
    this.#raisedMib = neededMib;
    await this.#all({ kind: 'run', sql: `SET GLOBAL memory_limit = '${String(neededMib)}MiB'` });
  }

  get #dialect(): Dialect {
    return this.#context.dialect;
  }

  #all(step: StatementStep): Promise<StepResult> {
    return this.#run(oneStep(step));
  }

  async #run<T>(make: () => Program<T>): Promise<T> {
    return this.#connection.run(make());
  }
}

type OwnStep =
  | StatementStep
  | { readonly kind: 'begin'; readonly readOnly: true }
  | { readonly kind: 'rollback' };

function oneStep(step: OwnStep): () => Program<StepResult> {
  return () => only(step);
}

function* only(step: OwnStep): Program<StepResult> {
  return yield step;
}

/**
 * Connects to a dataset.
 *
 * Rejects with a {@link DatasetNotFoundError} where it doesn't exist; nothing is created.
 */
export async function openSnapshotReader(options: SnapshotReaderOptions): Promise<SnapshotReader> {
  return new SnapshotReader(await connect(options), options);
}

async function connect({
  engine,
  location,
  dataset,
  duckdb,
}: SnapshotReaderOptions): Promise<Connection> {
  if (engine === 'postgresql') {
    if (location.databaseUrl === undefined) {
      throw new StatementError(
        'No PostgreSQL server is configured: set DATABASE_URL, or pass databaseUrl.',
        { engine, dataset },
      );
    }
    return connectPostgres({ url: location.databaseUrl, dataset, idleInTransactionTimeoutMs: 0 });
  }
  if (!(await fileStore(engine, location).exists(dataset)))
    throw new DatasetNotFoundError(dataset, { engine });
  const file = datasetFile(location, engine, dataset);
  if (engine === 'duckdb') return openDuckdbSession({ ...duckdb, file });
  const session = openSqliteSession({ file, readonly: true });
  return {
    run: (program) => session.run(program),
    cancel: () => Promise.resolve(),
    close: () => {
      session.close();
    },
  };
}

/** Times that two snapshots are begun anew because a write came between. */
const mostBeginnings = 50;

/**
 * Begins snapshots of two readers of one dataset that see the same state.
 *
 * @returns whether they do; false where writes came between each time, and each has then a snapshot of its own.
 */
export async function beginTogether(
  first: SnapshotReader,
  second: SnapshotReader,
): Promise<boolean> {
  if (first.engine === 'postgresql') {
    await first.begin();
    await second.begin(first.shared);
    return true;
  }
  for (let beginning = 1; ; beginning += 1) {
    const together =
      first.engine === 'sqlite'
        ? await beginOnSqlite(first, second)
        : await beginOnDuckdb(first, second);
    if (together || beginning === mostBeginnings) return together;
    await first.end();
    await second.end();
  }
}

/** The second reader looks for commits before the first snapshot and inside its own. */
async function beginOnSqlite(first: SnapshotReader, second: SnapshotReader): Promise<boolean> {
  const before = await second.dataVersion();
  await first.begin();
  await second.begin();
  return (await second.dataVersion()) === before;
}

async function beginOnDuckdb(first: SnapshotReader, second: SnapshotReader): Promise<boolean> {
  await first.begin();
  await second.begin();
  return (await second.transactionNumber()) === (await first.transactionNumber()) + 1n;
}
