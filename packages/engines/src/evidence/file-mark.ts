import type { PagesRead } from './pages-read.ts';
import { type LogPosition, pagesWrittenSince } from './write-ahead-log.ts';

/** How far the writes to a SQLite file had come, as a text. */
export function fileMark(file: string, schema: number, position: LogPosition): string {
  return JSON.stringify({ file, schema, position });
}

/** Whether a page that a read goes through was written since a mark of its file, by anybody. Undefined where it can't be told. To be asked
 * after the pages were. */
export function writtenSince(mark: string, { pages, schema }: PagesRead): boolean | undefined {
  const before = JSON.parse(mark) as { file: string; schema: number; position: LogPosition };
  if (schema !== before.schema) return true;
  const written = pagesWrittenSince(before.file, before.position);
  return written && pages.some((page) => written.has(page));
}
