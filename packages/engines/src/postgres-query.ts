import type { Row, Value } from '@changeover/core';
import { postgresDriver } from './drivers.ts';
import { FrameSplitter } from './postgres-frames.ts';
import {
  type Field,
  cellsOf,
  fewestRows,
  noShape,
  type ResultShape,
  rowOf,
  rowReader,
  type RowReader,
  shapeOf,
  TextWindow,
} from './postgres-rows.ts';
import { bindAndExecute } from './postgres-wire.ts';

/** What of the driver's connection is used here. */
export interface WireConnection {
  query(text: string): void;
  parse(statement: { readonly text: string; readonly name: string }): void;
  describe(portal: { readonly type: 'P'; readonly name: string }): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
  sendCopyFail(message: string): void;
  /** Called by the driver when a stream begins to carry the protocol. */
  attachListeners(stream: NodeJS.ReadableStream): void;
  readonly stream: NodeJS.WritableStream & {
    readonly writableNeedDrain: boolean;
    cork(): void;
    uncork(): void;
  };
  /** Statements that the server has prepared, by name. Kept by the driver. */
  readonly parsedStatements: Record<string, string>;
  /** Those that it was told to prepare. */
  readonly submittedNamedStatements: Record<string, string>;
}

/** What a statement gave. */
export interface PostgresResult {
  readonly columns: string[];
  readonly rows: Row[];
  readonly cells: Value[][];
  /** Its command's first word; null where there was none to run. */
  readonly command: string | null;
  readonly rowCount: number;
}

/** A statement that is kept prepared on one connection. */
export interface PreparedStatement {
  readonly name: string;
  /** What the server said of its result. It need not be asked again: it refuses to run a statement whose result has changed. */
  shape: ResultShape | undefined;
  /** The server was told to forget it. */
  dropped: boolean;
}

/** A statement as it is sent: text alone (of our own, perhaps several at once), or one statement with its values. */
export interface PostgresStatement {
  readonly text: string;
  /** Absent for text alone. */
  readonly values?: readonly (string | Buffer | null)[] | undefined;
  readonly prepared?: PreparedStatement | undefined;
}

/**
 * One statement on its way. In place of the driver's own class, which asks for the columns each time, sends four messages one by
 * one, copies its settings by descriptor, emits an event a row and overwrites the first of two columns of one name: a point read
 * took a third longer.
 */
export class ValueQuery {
  /** The driver keeps account of names. */
  readonly name: string | undefined;
  readonly text: string;
  readonly #statement: PostgresStatement;
  readonly #asCells: boolean;
  readonly #done: (error: Error | null, result?: PostgresResult) => void;
  #shape: ResultShape = noShape;
  #rows: Row[] = [];
  #cells: Value[][] = [];
  /** Once it has many rows. */
  #readMany: RowReader | undefined;
  readonly #texts = new TextWindow();
  #command: string | null = null;
  #failure: Error | undefined;
  #reused = false;
  #bound = false;

  constructor(
    statement: PostgresStatement,
    cells: boolean,
    done: (error: Error | null, result?: PostgresResult) => void,
  ) {
    this.#statement = statement;
    this.name = statement.prepared?.name;
    this.text = statement.text;
    this.#asCells = cells;
    this.#done = done;
  }

  /** The driver calls what is here where a query has failed before it was sent. */
  callback(error: Error): void {
    this.#done(error);
  }

  submit(connection: WireConnection): null {
    const { text, values, prepared } = this.#statement;
    if (values === undefined) {
      connection.query(text);
      return null;
    }
    const name = prepared?.name ?? '';
    const isKnown =
      prepared !== undefined &&
      (connection.parsedStatements[name] !== undefined ||
        connection.submittedNamedStatements[name] !== undefined);
    this.#reused = isKnown;
    if (isKnown && prepared.shape !== undefined) {
      this.#shape = prepared.shape;
      write(connection, bindAndExecute(name, values, false));
      return null;
    }
    connection.stream.cork();
    if (!isKnown) {
      connection.parse({ text, name });
      if (prepared !== undefined) connection.submittedNamedStatements[name] = text;
    }
    write(connection, bindAndExecute(name, values, true));
    connection.stream.uncork();
    return null;
  }

  handleRowDescription({ fields }: { readonly fields: readonly Field[] }): void {
    this.#shape = shapeOf(fields);
    if (this.#statement.prepared !== undefined) this.#statement.prepared.shape = this.#shape;
  }

  /** The server has taken the values, and runs the statement from here on. */
  handleBindComplete(): void {
    this.#bound = true;
  }

  /** Whether a statement that was prepared earlier was refused before anything of it ran. */
  get isRefusedReuse(): boolean {
    return this.#reused && !this.#bound;
  }

  /** One row, where the driver's parser doesn't see it first. */
  readRow(bytes: Buffer, at: number): void {
    if (this.#failure !== undefined) return;
    try {
      if (this.#asCells) this.#cells.push(cellsOf(this.#shape, bytes, at, this.#texts));
      else this.#rows.push(this.#row(bytes, at));
    } catch (error) {
      this.#failure = error as Error;
    }
  }

  #row(bytes: Buffer, at: number): Row {
    if (this.#readMany !== undefined) return this.#readMany(bytes, at, this.#texts);
    if (this.#rows.length === fewestRows) this.#readMany = rowReader(this.#shape);
    return rowOf(this.#shape, bytes, at);
  }

  /** Rows are taken out before the driver's parser. */
  handleDataRow(): void {
    this.#failure ??= new Error('A row came by a way that is not read.');
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    // Of several statements of our own the first one's tells what became of the transaction.
    this.#command ??= text;
  }

  handleEmptyQuery(): void {
    // There was nothing to run, which the missing command tells.
  }

  handlePortalSuspended(): void {
    // All rows are asked for at once.
  }

  handleCopyInResponse(connection: WireConnection): void {
    connection.sendCopyFail('No rows are sent here.');
  }

  handleCopyData(): void {
    // Rows that nobody asked for.
  }

  handleError(error: Error): void {
    this.#done(error);
  }

  handleReadyForQuery(): void {
    if (this.#failure !== undefined) {
      this.#done(this.#failure);
      return;
    }
    const { prepared } = this.#statement;
    // Nothing was said of a result: there is none.
    if (prepared !== undefined) prepared.shape ??= noShape;
    const command = this.#command;
    this.#done(null, {
      columns: [...this.#shape.columns],
      rows: this.#rows,
      cells: this.#cells,
      command: command === null ? null : firstWord(command),
      rowCount: command === null ? 0 : lastNumber(command),
    });
  }
}

// With pipelining, the driver takes none but its own queries; the others may keep a portal open, which this doesn't.
Object.setPrototypeOf(ValueQuery.prototype, postgresDriver().Query.prototype as object);

function firstWord(text: string): string {
  const end = text.indexOf(' ');
  return end < 0 ? text : text.slice(0, end);
}

/** 0 where there is none. */
function lastNumber(text: string): number {
  const count = Number(text.slice(text.lastIndexOf(' ') + 1));
  return Number.isNaN(count) ? 0 : count;
}

/** Has rows read by the query that is answered, on whatever streams the connection will use. Before it is opened. */
export function readRowsDirectly(connection: WireConnection, activeQuery: () => unknown): void {
  const attach = connection.attachListeners.bind(connection);
  connection.attachListeners = (stream) => {
    const before = new Set(stream.listeners('data'));
    attach(stream);
    const added = stream.listeners('data').filter((listener) => !before.has(listener)) as ((
      bytes: Buffer,
    ) => void)[];
    const splitter = new FrameSplitter(
      (bytes) => {
        for (const listener of added) listener(bytes);
      },
      () => {
        const query = activeQuery();
        return query instanceof ValueQuery ? query : undefined;
      },
    );
    for (const listener of added) stream.off('data', listener);
    stream.on('data', (bytes: Buffer) => {
      splitter.take(bytes);
    });
  };
}

function write({ stream }: WireConnection, message: Buffer): void {
  if (stream.writable) stream.write(message);
}
