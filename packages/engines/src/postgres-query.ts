import type { Row, Value } from '@changeover/core';
import pg from 'pg';
import { rowsFromCells, uniqueColumns } from './rows.ts';

/** What of the driver's connection is used here. */
export interface WireConnection {
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
  sendCopyFail(message: string): void;
  readonly stream: NodeJS.WritableStream & { readonly writableNeedDrain: boolean };
}

interface Field {
  name: string;
}

interface DriverResult {
  readonly rows: unknown[];
  readonly rowCount: number | null;
  readonly command: string | null;
}

/** What a statement gave. */
export interface PostgresResult {
  readonly columns: string[];
  readonly rows: Row[];
  readonly cells: Value[][];
  readonly command: string | null;
  readonly rowCount: number;
}

interface DriverQuery {
  _result: { rowAsArray: boolean; parseRow: unknown; _parseRowAsArray: unknown };
  handleRowDescription(message: { fields: Field[] }): void;
}

// The driver's own class, of which the types show too little to extend it.
const DriverQueryClass = pg.Query as unknown as new (
  config: Record<string, unknown>,
  callback: (error: Error | null, result?: DriverResult) => void,
) => DriverQuery;

/** A statement that keeps every column: the driver's own overwrites the first of two columns of one name. */
export class ValueQuery extends DriverQueryClass {
  readonly #form: { cells: boolean };
  columns: string[] = [];

  constructor(
    config: Record<string, unknown>,
    cells: boolean,
    done: (error: Error | null, result?: PostgresResult) => void,
  ) {
    const form = { cells };
    super({ ...config, rowMode: cells ? 'array' : undefined }, (error, result) => {
      if (error !== null && (error as unknown) !== undefined) done(error);
      else done(null, this.#finish(result));
    });
    this.#form = form;
  }

  override handleRowDescription(message: { fields: Field[] }): void {
    this.columns = uniqueColumns(message.fields.map(({ name }) => name));
    message.fields.forEach((field, index) => { field.name = this.columns[index] ?? field.name; });
    if (!this.#form.cells && this.columns.includes('__proto__')) {
      // As an object's property it would be set on its prototype.
      this._result.rowAsArray = true;
      this._result.parseRow = this._result._parseRowAsArray;
    }
    super.handleRowDescription(message);
  }

  #finish(result: DriverResult | undefined): PostgresResult {
    const found = result?.rows ?? [];
    const asCells = this.#form.cells;
    const rows = asCells ? [] : Array.isArray(found[0]) ? rowsFromCells(this.columns, found as Value[][]) : found as Row[];
    return {
      columns: this.columns,
      rows,
      cells: asCells ? found as Value[][] : [],
      command: result?.command ?? null,
      rowCount: result?.rowCount ?? 0,
    };
  }
}

/** Sends chunks of COPY's text format: the fastest way in, and the server's own input functions read every type. */
export class CopyQuery {
  readonly #text: string;
  readonly #chunks: Iterator<string>;
  readonly #done: (error: Error | null, rowCount?: number) => void;
  #failure: Error | undefined;
  #ended = false;
  #rowCount = 0;
  /** The driver looks for it. */
  callback: ((error: Error) => void) | undefined;

  /** @param chunks text of whole lines, each made when the one before was taken by the socket. */
  constructor(text: string, chunks: Iterator<string>, done: (error: Error | null, rowCount?: number) => void) {
    this.#text = text;
    this.#chunks = chunks;
    this.#done = done;
  }

  submit(connection: WireConnection): null {
    connection.query(this.#text);
    return null;
  }

  handleCopyInResponse(connection: WireConnection): void {
    this.#send(connection);
  }

  #send(connection: WireConnection): void {
    try {
      while (!this.#ended) {
        const next = this.#chunks.next();
        if (next.done === true) {
          connection.endCopyFrom();
          return;
        }
        connection.sendCopyFromChunk(Buffer.from(next.value));
        if (connection.stream.writableNeedDrain) {
          connection.stream.once('drain', () => { this.#send(connection); });
          return;
        }
      }
    } catch (error) {
      this.#failure = error as Error;
      connection.sendCopyFail('A value can\'t be stored.');
    }
  }

  handleCommandComplete(message: { text: string }): void {
    this.#rowCount = Number(/\d+$/.exec(message.text)?.[0] ?? 0);
  }

  handleError(error: Error): void {
    this.#ended = true;
    this.#failure ??= error;
    this.#done(this.#failure);
  }

  handleReadyForQuery(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#done(null, this.#rowCount);
  }

  handleRowDescription(): void {
    // COPY describes no rows.
  }

  handleDataRow(): void {
    // COPY gives none.
  }

  handleEmptyQuery(): void {
    // The text is never empty.
  }
}
