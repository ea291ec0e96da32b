import {
  type DuckDBDataChunk,
  type DuckDBMaterializedResult,
  type DuckDBResultReader,
  JsonDuckDBValueConverter,
} from '@duckdb/node-api';

/** What the driver keeps in a reader. */
interface ReaderParts {
  readonly result: DuckDBMaterializedResult;
  readonly chunks: readonly DuckDBDataChunk[];
  readonly done_: boolean;
}

/**
 * What the driver's answer is compared as: its rows, with values as the driver shows them in JSON, under the names and types of their
 * columns. Nothing is taken from what the caller goes on to read: chunks are had by their number, or are those that a reader has.
 */
export function comparable(answer: unknown): unknown {
  const { result, chunks } = partsOf(answer);
  const columns = result
    .deduplicatedColumnNames()
    .map((name, at) => `${name} ${String(result.columnType(at))}`);
  return { columns, rows: chunks.flatMap((chunk) => rowsOf(chunk, columns)) };
}

function partsOf(answer: unknown): Pick<ReaderParts, 'result' | 'chunks'> {
  const reader = readerParts(answer);
  // What was streamed has no chunks by number, and was read to its end.
  if (reader?.done_ === true) return reader;
  const result = reader?.result ?? (answer as DuckDBMaterializedResult);
  const numbers = Array.from({ length: result.chunkCount }, (_, at) => at);
  return { result, chunks: numbers.map((at) => result.getChunk(at)) };
}

/** How many rows the driver's answer has. None of them is looked at. */
export function rowCountOf(answer: unknown): number {
  const reader = readerParts(answer);
  if (reader?.done_ === true) return (answer as DuckDBResultReader).currentRowCount;
  return (reader?.result ?? (answer as Partial<DuckDBMaterializedResult>)).rowCount ?? 0;
}

function readerParts(answer: unknown): ReaderParts | undefined {
  const isReader = typeof (answer as Partial<DuckDBResultReader>).readAll === 'function';
  return isReader ? (answer as ReaderParts) : undefined;
}

function rowsOf(chunk: DuckDBDataChunk, columns: readonly string[]): Record<string, unknown>[] {
  return chunk
    .convertRows(JsonDuckDBValueConverter)
    .map((row) => Object.fromEntries(row.map((value, at) => [columns[at] ?? at, value])));
}
