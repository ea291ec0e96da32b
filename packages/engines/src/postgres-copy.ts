import { postgresDriver } from './drivers.ts';
import type { InputCells } from './input-cells.ts';
import type { WireConnection } from './postgres-query.ts';
import { copyText } from './postgres-values.ts';

const chunkCharacters = 65_536;

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
  constructor(
    text: string,
    chunks: Iterator<string>,
    done: (error: Error | null, rowCount?: number) => void,
  ) {
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
          connection.stream.once('drain', () => {
            this.#send(connection);
          });
          return;
        }
      }
    } catch (error) {
      this.#failure = error as Error;
      connection.sendCopyFail("A value can't be stored.");
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

// With pipelining, the driver takes none but its own queries. Nothing is sent behind this one before it is done.
Object.setPrototypeOf(CopyQuery.prototype, postgresDriver().Query.prototype as object);

/** The rows in COPY's text format. `types` are the columns'. */
export function* copyChunks(
  cells: InputCells,
  types: readonly string[],
): Generator<string, undefined> {
  let chunk = '';
  for (let row = 0; row < cells.count; row += 1) {
    for (let column = 0; column < types.length; column += 1) {
      if (column > 0) chunk += '\t';
      chunk += copyText(cells.value(row, column), types[column] ?? 'text');
    }
    chunk += '\n';
    if (chunk.length >= chunkCharacters) {
      yield chunk;
      chunk = '';
    }
  }
  if (chunk !== '') yield chunk;
  return undefined;
}
