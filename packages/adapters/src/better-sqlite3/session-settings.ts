import { resolve } from 'node:path';
import { NotComparableError } from '@changeover/core';
import type Database from 'better-sqlite3';

/** What a connection was set to, as the engine tells it: the PRAGMAs that hold for one connection and can be read back. */
const settings: readonly string[] = [
  'automatic_index',
  'busy_timeout',
  'cache_size',
  'cache_spill',
  'cell_size_check',
  'checkpoint_fullfsync',
  'foreign_keys',
  'fullfsync',
  'ignore_check_constraints',
  'journal_size_limit',
  'legacy_alter_table',
  'max_page_count',
  'mmap_size',
  'query_only',
  'read_uncommitted',
  'recursive_triggers',
  'reverse_unordered_selects',
  'secure_delete',
  'synchronous',
  'temp_store',
  'threads',
  'trusted_schema',
  'wal_autocheckpoint',
  'writable_schema',
];

interface Attached {
  readonly name: string;
  readonly file: string;
}

/**
 * Gives one connection the settings and the attached files of another. By value and not by the statements that set them: these come in
 * many spellings, and some act while they are compiled.
 *
 * @param readonly the target may go on refusing writes: its `query_only` is left as it is.
 */
export function copySettings(
  from: Database.Database,
  to: Database.Database,
  readonly: boolean,
): void {
  for (const name of settings) {
    if (readonly && name === 'query_only') continue;
    const wanted = valueOf(from, `PRAGMA ${name}`);
    if (wanted !== undefined && wanted !== valueOf(to, `PRAGMA ${name}`))
      set(to, `PRAGMA ${name} = ${wanted}`);
  }
  // It can't be read back, but for what it does.
  const like = "SELECT 'a' LIKE 'A'";
  const folds = valueOf(from, like);
  if (folds !== valueOf(to, like)) set(to, `PRAGMA case_sensitive_like = ${folds === 1 ? 0 : 1}`);
  copyAttached(from, to);
}

function copyAttached(from: Database.Database, to: Database.Database): void {
  const wanted = attachedTo(from).filter(({ file }) => file !== '');
  const present = attachedTo(to);
  const has = (list: readonly Attached[], { name, file }: Attached): boolean =>
    list.some((each) => each.name === name && each.file === file);
  for (const each of present)
    if (each.file !== '' && !has(wanted, each)) to.prepare('DETACH ?').run(each.name);
  for (const each of wanted)
    if (!has(present, each)) to.prepare('ATTACH ? AS ?').run(each.file, each.name);
}

/**
 * Runs a read for a comparison, which must not hold the event loop while another process has the file.
 *
 * @throws {NotComparableError} where it would have to wait.
 */
export function withoutWaiting<T>(database: Database.Database, work: () => T): T {
  const timeoutMs = valueOf(database, 'PRAGMA busy_timeout') ?? 0;
  set(database, 'PRAGMA busy_timeout = 0');
  try {
    return work();
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    if (typeof code === 'string' && /^SQLITE_(BUSY|LOCKED)/.test(code))
      throw new NotComparableError('another connection has the file for itself');
    throw error;
  } finally {
    set(database, `PRAGMA busy_timeout = ${timeoutMs}`);
  }
}

/** Whether a connection has what no other can have: temporary objects, or an attached database without a file. */
export function hasPrivateData(database: Database.Database): boolean {
  return (
    valueOf(database, 'SELECT 1 FROM temp.sqlite_schema LIMIT 1') !== undefined ||
    attachedTo(database).some(({ file }) => file === '')
  );
}

/** The absolute path of the main database; the empty text where it is in memory or temporary. */
export function fileOf(database: Database.Database): string {
  if (database.memory) return '';
  if (!/^(file|fd):/.test(database.name)) return resolve(database.name);
  const list = database.prepare('PRAGMA database_list').all() as (Attached & { seq: number })[];
  return list.find(({ name }) => name === 'main')?.file ?? '';
}

function attachedTo(database: Database.Database): readonly Attached[] {
  const list = database.prepare('PRAGMA database_list').all() as Attached[];
  return list.filter(({ name }) => name !== 'main' && name !== 'temp');
}

/** Not by `pragma()`, which refuses while rows are being read from the connection. */
function valueOf(database: Database.Database, sql: string): number | string | undefined {
  const statement = database.prepare<[], number | string>(sql);
  return statement.reader ? statement.safeIntegers(false).pluck().get() : undefined;
}

function set(database: Database.Database, sql: string): void {
  const statement = database.prepare(sql);
  if (statement.reader) statement.get();
  else statement.run();
}
