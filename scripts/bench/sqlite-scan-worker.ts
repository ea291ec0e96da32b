import Database from 'better-sqlite3';

let open: Database.Database | undefined;
let prepared: { sql: string; statement: Database.Statement } | undefined;

/** What a worker is to read. */
export interface Scan {
  readonly file: string;
  readonly sql: string;
}

/** What a plain worker pool does: a connection a thread, a prepared statement, the rows as objects. */
export default function scan({ file, sql }: Scan): unknown[] {
  open ??= new Database(file, { readonly: true });
  if (prepared?.sql !== sql) prepared = { sql, statement: open.prepare(sql) };
  return prepared.statement.all();
}
