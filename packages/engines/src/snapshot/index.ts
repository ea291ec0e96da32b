export { readInSnapshot, readInTransaction, shareSnapshot } from './shared-snapshot.ts';
export {
  beginTogether,
  openSnapshotReader,
  SnapshotReader,
  type SnapshotReaderOptions,
  type SnapshotTable,
  type TableChecksum,
} from './snapshot-reader.ts';
export type { RowBatch, TableCursor, TableCursorOptions } from './table-cursor.ts';
