import type { InputValue } from '../api/input-values.ts';
import type { ReadTableOptions } from '../api/storage-backend.ts';

/** One column that a read asks for one value of, and nothing else. */
export interface PointRead {
  readonly column: string;
  readonly value: InputValue;
}

/** Texts kept; the next one begins anew. */
const maxTexts = 500;

/** A text for each table and column that rows are read by: of one dataset the SQL, or what such reads are counted by. To make it anew, and
 * to look up what is known by the new text, took a seventh of a point read in SQLite. */
export class PointReadTexts {
  readonly #byTable = new Map<string, Map<string, string>>();
  #count = 0;

  get(table: string, { column }: PointRead): string | undefined {
    return this.#byTable.get(table)?.get(column);
  }

  set(table: string, { column }: PointRead, sql: string): void {
    if (this.#count >= maxTexts) this.#byTable.clear();
    if (this.#byTable.size === 0) this.#count = 0;
    this.#count += 1;
    const texts = this.#byTable.get(table) ?? new Map<string, string>();
    texts.set(column, sql);
    this.#byTable.set(table, texts);
  }
}

/** What a read asks for if that is one column's value alone: then its SQL hangs on the table and the column. */
export function pointReadOf(options: unknown): PointRead | undefined {
  if (typeof options !== 'object' || options === null) return undefined;
  try {
    return onlyCondition(options);
  } catch {
    // A proxy, or a getter: who reads the table says what is wrong with it.
    return undefined;
  }
}

function onlyCondition(options: ReadTableOptions): PointRead | undefined {
  const { where, columns, orderBy, limit } = options;
  if (typeof where !== 'object' || (where as unknown) === null || Array.isArray(where))
    return undefined;
  if (columns !== undefined || orderBy !== undefined || limit !== undefined) return undefined;
  const names = Object.keys(where);
  const [column] = names;
  if (column === undefined || names.length > 1) return undefined;
  const value = where[column];
  // Any other is compared by another text, or refused.
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint'
    ? { column, value }
    : undefined;
}
