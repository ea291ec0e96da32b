import type { Row, Value } from '@changeover/core';
import pg from 'pg';
import { postgresParser } from './postgres-values.ts';
import { bindAndExecute } from './postgres-wire.ts';
import { setOwn, uniqueColumns } from './rows.ts';

/** What of the driver's connection is used here. */
export interface WireConnection {
  query(text: string): void;
  parse(statement: { readonly text: string; readonly name: string }): void;
  describe(portal: { readonly type: 'P'; readonly name: string }): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
  sendCopyFail(message: string): void;
  readonly stream: NodeJS.WritableStream & { readonly writableNeedDrain: boolean; cork(): void; uncork(): void };
  /** Statements that the server has prepared, by name. Kept by the driver. */
  readonly parsedStatements: Record<string, string>;
  /** Those that it was told to prepare. */
  readonly submittedNamedStatements: Record<string, string>;
}

interface Field {
  readonly name: string;
  readonly dataTypeID: number;
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

/** How rows of a result are read. */
export interface ResultShape {
  readonly columns: readonly string[];
  /** Undefined where the server's text is the value. */
  readonly parsers: readonly (((text: string) => Value) | undefined)[];
  /** A row of NULLs, to be copied: faster by a tenth than to begin with an empty one. */
  readonly nulls: Row;
  readonly plain: boolean;
}

const noShape: ResultShape = { columns: [], parsers: [], nulls: {}, plain: true };

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
  #command: string | null = null;
  #failure: Error | undefined;

  constructor(statement: PostgresStatement, cells: boolean, done: (error: Error | null, result?: PostgresResult) => void) {
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
    const isKnown = prepared !== undefined &&
      (connection.parsedStatements[name] !== undefined || connection.submittedNamedStatements[name] !== undefined);
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

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    if (this.#failure !== undefined) return;
    try {
      if (this.#asCells) this.#cells.push(cellsOf(this.#shape, fields));
      else this.#rows.push(rowOf(this.#shape, fields));
    } catch (error) {
      this.#failure = error as Error;
    }
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.#command = text;
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
Object.setPrototypeOf(ValueQuery.prototype, pg.Query.prototype as object);

function firstWord(text: string): string {
  const end = text.indexOf(' ');
  return end < 0 ? text : text.slice(0, end);
}

/** 0 where there is none. */
function lastNumber(text: string): number {
  const count = Number(text.slice(text.lastIndexOf(' ') + 1));
  return Number.isNaN(count) ? 0 : count;
}

function write({ stream }: WireConnection, message: Buffer): void {
  if (stream.writable) stream.write(message);
}

function shapeOf(fields: readonly Field[]): ResultShape {
  const columns = uniqueColumns(fields.map(({ name }) => name));
  // As an object's property it would be set on its prototype.
  const plain = !columns.includes('__proto__');
  const nulls: Row = {};
  if (plain) for (const column of columns) nulls[column] = null;
  return { columns, parsers: fields.map(({ dataTypeID }) => postgresParser(dataTypeID)), nulls, plain };
}

function rowOf({ columns, parsers, nulls, plain }: ResultShape, texts: readonly (string | null)[]): Row {
  const row: Row = { ...nulls };
  for (let index = 0; index < columns.length; index += 1) {
    const text = texts[index] as string | null;
    if (text === null && plain) continue;
    const parser = parsers[index];
    const value = text === null || parser === undefined ? text : parser(text);
    if (plain) row[columns[index] as string] = value;
    else setOwn(row, columns[index] as string, value);
  }
  return row;
}

function cellsOf({ parsers }: ResultShape, texts: readonly (string | null)[]): Value[] {
  return texts.map((text, index) => {
    const parser = parsers[index];
    return text === null || parser === undefined ? text : parser(text);
  });
}
