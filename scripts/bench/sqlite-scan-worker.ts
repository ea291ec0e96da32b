import Database from 'better-sqlite3';

let open: Database.Database | undefined;
let prepared: { sql: string; statement: Database.Statement } | undefined;

/** What a worker is to read, with the statement's parameters. */
export interface Scan {
  readonly file: string;
  readonly sql: string;
  readonly params?: readonly unknown[] | undefined;
  /** The rows stay here, and only their number is told. */
  readonly counts?: boolean | undefined;
}

/** What a plain worker pool does: a connection a thread, a prepared statement, the rows as objects. */
export default function scan({ file, sql, params = [], counts = false }: Scan): unknown[] | number {
  open ??= new Database(file, { readonly: true });
  if (prepared?.sql !== sql) prepared = { sql, statement: open.prepare(sql) };
  const rows = prepared.statement.all(...params);
  return counts ? rows.length : rows;
}
