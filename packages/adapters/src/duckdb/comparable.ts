import { NotComparableError } from '@changeover/core';
import {
  type DuckDBDataChunk,
  type DuckDBMaterializedResult,
  type DuckDBResultReader,
  JsonDuckDBValueConverter,
} from '@duckdb/node-api';

/** Rows of an answer that are compared at most: they are copied while its caller waits. */
const maxRows = 10_000;

/**
 * What an answer is compared as: its rows, with values as the driver shows them in JSON, under the names and types of their columns.
 * Nothing is taken from what the caller goes on to read: chunks are had by their number, those that a reader has read from it.
 *
 * @throws {NotComparableError} for more rows than can be copied in a caller's time.
 */
export function comparable(answer: unknown): unknown {
  const { columns, chunks } = partsOf(answer as DuckDBMaterializedResult | DuckDBResultReader);
  const rows = chunks.flatMap((chunk) => rowsOf(chunk, columns));
  return { columns, rows };
}

interface Parts {
  readonly columns: readonly string[];
  readonly chunks: readonly DuckDBDataChunk[];
}

function partsOf(answer: DuckDBMaterializedResult | DuckDBResultReader): Parts {
  const reader = 'readAll' in answer ? (answer as unknown as ReaderParts) : undefined;
  const result = reader?.result ?? (answer as DuckDBMaterializedResult);
  const columns = result
    .deduplicatedColumnNames()
    .map((name, at) => `${name} ${String(result.columnType(at))}`);
  // What is streamed has no chunks by number, and was read to its end.
  const isRead = reader?.done_ === true;
  const count = isRead ? reader.currentRowCount_ : result.rowCount;
  if (count > maxRows)
    throw new NotComparableError(`it has more than ${String(maxRows)} rows (${String(count)})`);
  if (isRead) return { columns, chunks: reader.chunks };
  const numbers = Array.from({ length: result.chunkCount }, (_, at) => at);
  return { columns, chunks: numbers.map((at) => result.getChunk(at)) };
}

/** What the driver keeps in a reader. */
interface ReaderParts {
  readonly result: DuckDBMaterializedResult;
  readonly chunks: readonly DuckDBDataChunk[];
  readonly done_: boolean;
  readonly currentRowCount_: number;
}

function rowsOf(chunk: DuckDBDataChunk, columns: readonly string[]): Record<string, unknown>[] {
  return chunk
    .convertRows(JsonDuckDBValueConverter)
    .map((row) => Object.fromEntries(row.map((value, at) => [columns[at] ?? at, value])));
}
