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
