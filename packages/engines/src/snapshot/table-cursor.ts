import { type InputValue } from '../api/input-values.ts';
import { StatementError } from '../api/storage-errors.ts';
import { type Value } from '@changeover/core';
import { findTable } from '../operations/tables.ts';
import type { OperationContext } from '../operations/context.ts';
import type { Program, Step, StepResult } from '../program.ts';
import type { ResultStream } from '../session.ts';

/** Where to begin. */
export interface TableCursorOptions {
  /** Begins after the row that has this mark. Default: at the first. */
  readonly after?: string | undefined;
}

/** Some rows of a table. */
export interface RowBatch {
  readonly cells: readonly (readonly Value[])[];
  /** A mark a row, from which a later cursor can go on; undefined where the table's rows have no place to name. Holds for
   * SQLite and DuckDB a row's number, for PostgreSQL its place in the file: no data. */
  readonly marks: readonly Value[] | undefined;
}

/** Reads a table once from its beginning or a mark to its end, in the order of the rows' places. */
export interface TableCursor {
  /** The columns' names in the order of the cells. */
  readonly columns: readonly string[];
  /**
   * The next rows; undefined at the end.
   *
   * @param mostRows fewer may come, and are never none. Default and most: what was measured to be fast.
   */
  next(mostRows?: number): Promise<RowBatch | undefined>;
  /** Must be called where the end was not reached. Idempotent. */
  close(): Promise<void>;
}

type Run = <T>(program: Program<T>) => Promise<T>;
/** Undefined where an engine's session has no streams. */
type OpenStream = ((sql: string) => Promise<ResultStream>) | undefined;

interface Plan {
  readonly context: OperationContext;
  readonly table: string;
  readonly columns: readonly string[];
  /** The quoted list of columns. */
  readonly list: string;
  readonly run: Run;
  readonly stream: OpenStream;
  readonly mostRows: number;
  readonly after: string | undefined;
}

/** Measured: of larger batches much outlives the next collection of garbage (10^6 rows of DuckDB took 390 MiB in batches of
 * 20,480 rows, 218 in those of 2,048, which are what its streams come in), smaller ones prepare a statement too often. */
const mostBatchRows = { sqlite: 1_000, duckdb: 2_048, postgresql: 1_000 } as const;

/** The name of the place beside the columns. The place comes last, so that it is renamed where a column has its name. */
const mark = '_changeover_mark';

/** @param run runs a program inside the snapshot.
 * @param stream opens a stream inside the snapshot. */
export async function openTableCursor(
  context: OperationContext,
  table: {
    readonly name: string;
    readonly columns: readonly { readonly name: string; readonly primaryKey: boolean }[];
  },
  { run, stream }: { readonly run: Run; readonly stream?: OpenStream },
  options: TableCursorOptions = {},
): Promise<TableCursor> {
  const { dialect } = context;
  const columns = table.columns.map(({ name }) => name);
  const plan: Plan = {
    context,
    columns,
    run,
    stream,
    table: dialect.tableName(context.dataset, table.name),
    list: columns.map((name) => dialect.quote(name)).join(', '),
    mostRows: mostBatchRows[dialect.engine],
    after: options.after,
  };
  if (dialect.engine === 'duckdb') {
    // A column of that name hides the rows' own numbers, and reading by it would pass over rows.
    return columns.some((name) => name.toLowerCase() === 'rowid')
      ? new OffsetCursor(plan)
      : new PagedCursor(plan, await duckdbPages(plan));
  }
  const found = await run(findTable(context, table.name));
  if (dialect.engine === 'postgresql') {
    return new ServerCursor(
      plan,
      found !== undefined && 'stored' in found && found.stored === true,
    );
  }
  const rowNumber =
    found === undefined
      ? undefined
      : dialect.insertionOrder(
          found,
          table.columns.map((column) => ({
            ...column,
            type: '',
            nullable: true,
            default: null,
            generated: false,
          })),
          false,
        );
  if (rowNumber !== undefined) return new PagedCursor(plan, sqlitePages(plan, rowNumber));
  const key = table.columns.filter(({ primaryKey }) => primaryKey).map(({ name }) => name);
  return key.length === 0 ? new OffsetCursor(plan) : new KeyCursor(plan, key);
}

function* one(step: Step): Program<StepResult> {
  return yield step;
}

/** The step's rows as lists of values, in the form that the leg asks for. */
function cellsOf({ columns, rows, cells }: StepResult, form: OperationContext['form']): Value[][] {
  return form === 'cells' ? cells : rows.map((row) => columns.map((name) => row[name] ?? null));
}

/** How to read a table by its rows' numbers. */
interface Pages {
  /** A part; undefined past the end. */
  part(
    after: Value | undefined,
    mostRows: number,
  ): { readonly step: Step; readonly next: Value | undefined } | undefined;
  /** The rest of it. */
  rest?(after: Value | undefined): string;
}

/** The rest of a table by one stream of its engine's, opened again where another statement has ended it. */
class Rest {
  readonly #open: OpenStream;
  #stream: ResultStream | undefined;

  constructor(open: OpenStream) {
    this.#open = open;
  }

  /** The next rows, undefined at the end.
   *
   * @param sql what is left to read. */
  async next(sql: () => string): Promise<StepResult | undefined> {
    if (this.#stream?.isOpen() !== true) this.#stream = await this.#open?.(sql());
    return this.#stream?.next();
  }
}

/** Pages that hold, together, each row once. A page may be empty, and none of them is the end before `pages` says so. Where the
 * engine has streams, rows of which it may be as many as come in one are read so: DuckDB looks through the whole table for each
 * page, which took 36 s of 10^7 rows where a stream took 1.4. */
class PagedCursor implements TableCursor {
  readonly columns: readonly string[];
  readonly #plan: Plan;
  readonly #pages: Pages;
  readonly #rest: Rest;
  #after: Value | undefined;
  #ended = false;

  constructor(plan: Plan, pages: Pages) {
    this.columns = plan.columns;
    this.#plan = plan;
    this.#pages = pages;
    this.#rest = new Rest(plan.stream);
    this.#after = plan.after === undefined ? undefined : integerOf(plan.after);
  }

  async next(mostRows = this.#plan.mostRows): Promise<RowBatch | undefined> {
    while (!this.#ended) {
      const { result, next } = await this.#read(mostRows);
      const cells = result === undefined ? [] : cellsOf(result, this.#plan.context.form);
      const marks = cells.map((values) => values.pop() ?? null);
      const last = next ?? marks.at(-1);
      if (last === undefined) break;
      this.#after = last;
      if (cells.length > 0) return { cells, marks };
    }
    this.#ended = true;
    return undefined;
  }

  async #read(
    mostRows: number,
  ): Promise<{ result?: StepResult | undefined; next?: Value | undefined }> {
    const { stream, run, mostRows: most } = this.#plan;
    const { rest } = this.#pages;
    if (stream !== undefined && rest !== undefined && mostRows >= most) {
      return { result: await this.#rest.next(() => rest(this.#after)) };
    }
    const page = this.#pages.part(this.#after, Math.min(mostRows, most));
    return page === undefined ? {} : { result: await run(one(page.step)), next: page.next };
  }

  close(): Promise<void> {
    this.#ended = true;
    return Promise.resolve();
  }
}

function integerOf(text: string): number | bigint {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}

function sqlitePages(plan: Plan, rowNumber: string): Pages {
  const place = `${rowNumber} AS ${mark}`;
  const head = `SELECT ${[plan.list, place].filter((part) => part !== '').join(', ')} FROM ${plan.table}`;
  // A parameter, so that the statement stays prepared whatever the number.
  const tail = ` ORDER BY ${rowNumber} LIMIT ?`;
  const { form } = plan.context;
  return {
    part: (after, mostRows) => ({
      step:
        after === undefined
          ? { kind: 'all', sql: head + tail, params: [mostRows], form }
          : {
              kind: 'all',
              sql: `${head} WHERE ${rowNumber} > ?${tail}`,
              params: [BigInt(after as number | bigint), mostRows],
              form,
            },
      next: undefined,
    }),
  };
}

/** Parts by ranges of row numbers, for a LIMIT would make the engine sort. */
async function duckdbPages(plan: Plan): Promise<Pages> {
  const { rows } = await plan.run(
    one({ kind: 'all', sql: `SELECT max(rowid) AS last FROM ${plan.table}` }),
  );
  const last = rows[0]?.['last'];
  if (typeof last !== 'number') return { part: () => undefined };
  const { form } = plan.context;
  const head = `SELECT ${plan.list}, rowid AS ${mark} FROM ${plan.table}`;
  const firstAfter = (after: Value | undefined): number =>
    after === undefined ? 0 : Number(after) + 1;
  return {
    part(after, mostRows) {
      const from = firstAfter(after);
      if (from > last) return undefined;
      const to = from + mostRows - 1;
      return {
        step: { kind: 'all', form, sql: `${head} WHERE rowid BETWEEN ${from} AND ${to}` },
        next: to,
      };
    },
    rest: (after) => `${head} WHERE rowid >= ${firstAfter(after)}`,
  };
}

/** SQLite's tables that are kept in the order of their key and have no row numbers. Their marks would be data. */
class KeyCursor implements TableCursor {
  readonly columns: readonly string[];
  readonly #plan: Plan;
  readonly #places: readonly number[];
  readonly #keys: string;
  #after: readonly InputValue[] | undefined;
  #ended = false;

  constructor(plan: Plan, key: readonly string[]) {
    this.columns = plan.columns;
    this.#plan = plan;
    this.#places = key.map((name) => plan.columns.indexOf(name));
    this.#keys = key.map((name) => plan.context.dialect.quote(name)).join(', ');
  }

  async next(mostRows = this.#plan.mostRows): Promise<RowBatch | undefined> {
    if (this.#ended) return undefined;
    const { list, table, run, context } = this.#plan;
    const after = this.#after;
    const where =
      after === undefined ? '' : ` WHERE (${this.#keys}) > (${after.map(() => '?').join(', ')})`;
    const sql = `SELECT ${list} FROM ${table}${where} ORDER BY ${this.#keys} LIMIT ?`;
    const cells = cellsOf(
      await run(
        one({
          kind: 'all',
          sql,
          params: [...(after ?? []), Math.min(mostRows, this.#plan.mostRows)],
          form: context.form,
        }),
      ),
      context.form,
    );
    const last = cells.at(-1);
    this.#ended = last === undefined;
    if (last === undefined) return undefined;
    this.#after = this.#places.map((at) => (last[at] ?? null) as InputValue);
    return { cells, marks: undefined };
  }

  close(): Promise<void> {
    this.#ended = true;
    return Promise.resolve();
  }
}

/** Tables whose columns have taken all names of the row numbers. What was read before is passed over for each part, which few such
 * tables are large enough to feel, and for a stream once. */
class OffsetCursor implements TableCursor {
  readonly columns: readonly string[];
  readonly #plan: Plan;
  readonly #rest: Rest;
  #read = 0;
  #ended = false;

  constructor(plan: Plan) {
    this.columns = plan.columns;
    this.#plan = plan;
    this.#rest = new Rest(plan.stream);
  }

  async next(mostRows = this.#plan.mostRows): Promise<RowBatch | undefined> {
    if (this.#ended) return undefined;
    const { list, table, run, stream, context, mostRows: most } = this.#plan;
    // Without an index the rows come as they are stored, each time.
    const stored = context.dialect.engine === 'sqlite' ? ' NOT INDEXED' : '';
    const head = `SELECT ${list} FROM ${table}${stored}`;
    const result =
      stream !== undefined && mostRows >= most
        ? await this.#rest.next(() => `${head} OFFSET ${this.#read}`)
        : await run(
            one({
              kind: 'all',
              sql: `${head} LIMIT ${Math.min(mostRows, most)} OFFSET ${this.#read}`,
              form: context.form,
            }),
          );
    const cells = result === undefined ? [] : cellsOf(result, context.form);
    this.#read += cells.length;
    this.#ended = cells.length === 0;
    return this.#ended ? undefined : { cells, marks: undefined };
  }

  close(): Promise<void> {
    this.#ended = true;
    return Promise.resolve();
  }
}

/** PostgreSQL: one scan by a cursor of the server's. */
class ServerCursor implements TableCursor {
  readonly columns: readonly string[];
  readonly #plan: Plan;
  /** Only the rows of one stored table have places that name them. */
  readonly #stored: boolean;
  readonly #name = `_changeover_${crypto.randomUUID().replaceAll('-', '')}`;
  #state: 'new' | 'open' | 'ended' = 'new';

  constructor(plan: Plan, stored: boolean) {
    this.columns = plan.columns;
    this.#plan = plan;
    this.#stored = stored;
  }

  async next(mostRows = this.#plan.mostRows): Promise<RowBatch | undefined> {
    if (this.#state === 'ended') return undefined;
    if (this.#state === 'new') await this.#declare();
    const { context, run } = this.#plan;
    const result = await run(
      one({
        kind: 'all',
        sql: `FETCH FORWARD ${Math.min(mostRows, this.#plan.mostRows)} FROM ${this.#name}`,
        form: context.form,
      }),
    );
    const cells = cellsOf(result, context.form);
    if (cells.length === 0) {
      await this.close();
      return undefined;
    }
    return { cells, marks: this.#stored ? cells.map((values) => values.pop() ?? null) : undefined };
  }

  async close(): Promise<void> {
    const open = this.#state === 'open';
    this.#state = 'ended';
    if (open) await this.#plan.run(one({ kind: 'run', sql: `CLOSE ${this.#name}` }));
  }

  async #declare(): Promise<void> {
    const { list, table, after, run } = this.#plan;
    if (after !== undefined && !/^\(\d+,\d+\)$/.test(after)) {
      throw new StatementError(
        `A row's place in a file was expected, such as (0,1); found ${JSON.stringify(after)}.`,
        {
          engine: 'postgresql',
          dataset: this.#plan.context.dataset,
        },
      );
    }
    const columns = [list, this.#stored ? `ctid AS ${mark}` : '']
      .filter((part) => part !== '')
      .join(', ');
    const where = after === undefined || !this.#stored ? '' : ` WHERE ctid > '${after}'::tid`;
    await run(
      one({
        kind: 'run',
        sql: `DECLARE ${this.#name} NO SCROLL CURSOR FOR SELECT ${columns} FROM ${table}${where}`,
      }),
    );
    this.#state = 'open';
  }
}
