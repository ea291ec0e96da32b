/** What SQLite alone needs, without the other engines' drivers. A worker thread must load nothing else: it takes a third of
 * the memory, and a thread that is ended while it loads DuckDB's driver ends the whole process (measured with 1.5.5). */
export { pagesRead, type PagesRead } from './evidence/pages-read.ts';
export { datasetPrograms } from './dataset-programs.ts';
export { withEachStep } from './program.ts';
export { appendRows, rowsFromCells } from './rows.ts';
export {
  openSqliteSession,
  type SqliteSession,
  type SqliteSessionOptions,
} from './sqlite-session.ts';
export { inputKeys } from './input-cells.ts';
export { jsonText } from './json-text.ts';
export { leadingWords } from './sql-text.ts';
export {
  eventTriggerVersion,
  firedBySchema,
  functionVersion,
  type Lexer,
  type Token,
  tokensOf,
  triggerVersion,
} from '@changeover/classify/glance';
export { classifyError, toStorageError } from './errors.ts';
export { serializableSql } from './serializable.ts';
export { rowsWritten } from './evidence/rows-written.ts';
export { exportSnapshot, readInTransaction, shareSnapshot } from './snapshot/shared-snapshot.ts';
