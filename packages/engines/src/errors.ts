import { ChangeoverError } from '@changeover/core';
import {
  ColumnNotFoundError,
  ConnectionError,
  ReadOnlyError,
  StatementError,
  StorageError,
  type StorageErrorFields,
  TableNotFoundError,
} from './api/storage-errors.ts';
import { type Engine, engineTitles } from './api/engine.ts';

/**
 * What kind of failure a driver's error is, whichever engine it came from:
 * `connection` none could be had, or it was lost; `busy` a lock was not to be had in time; `conflict` the engine gave the
 * transaction up in favour of another, it may be run again as a whole; `interrupted` cancelled or timed out; `resource`
 * the engine ran out of memory, disk or connections; `corrupt` the store can't be read; `read-only` a write where only
 * reads are allowed; `missing-table` and `missing-column` by name; `constraint` refused by the data's rules; `statement`
 * anything else that the engine said about the statement; `unknown` not an error of the driver's.
 */
export type ErrorClass =
  | 'connection'
  | 'busy'
  | 'conflict'
  | 'interrupted'
  | 'resource'
  | 'corrupt'
  | 'read-only'
  | 'missing-table'
  | 'missing-column'
  | 'constraint'
  | 'statement'
  | 'unknown';

/** An error's class, by SQLSTATE, SQLite's code or DuckDB's message. A {@link StorageError} is classed by its cause. Pure;
 * never throws. */
export function classifyError(engine: Engine, error: unknown): ErrorClass {
  if (error instanceof StorageError) {
    if (error.cause !== undefined) return classifyError(engine, error.cause);
    if (error instanceof ConnectionError) return 'connection';
    if (error instanceof ReadOnlyError) return 'read-only';
    return 'unknown';
  }
  const code = stringProperty(error, 'code');
  const message = stringProperty(error, 'message');
  switch (engine) {
    case 'sqlite':
      return classifySqlite(code, message);
    case 'postgresql':
      return classifyPostgres(code, message, stringProperty(error, 'severity'));
    case 'duckdb':
      return classifyDuckdb(message);
  }
}

/**
 * The one way from a driver's error to the family. A {@link StorageError} is returned as it is. The message holds no value
 * of a row and no password: what the driver quotes is left out where it may be data. The driver's own words stay in
 * `cause`.
 */
export function toStorageError(
  engine: Engine,
  error: unknown,
  fields: StorageErrorFields = {},
): ChangeoverError {
  // What the library says by itself (a lost snapshot, say) is what its callers look for.
  if (error instanceof ChangeoverError) return error;
  const kind = classifyError(engine, error);
  const title = engineTitles[engine];
  const message = withoutValues(engine, kind, error);
  const all: StorageErrorFields = { ...fields, engine, cause: error };
  switch (kind) {
    case 'connection':
      return new ConnectionError(`The connection to ${title} could not be used: ${message}`, all);
    case 'read-only':
      return new ReadOnlyError(`${title} refused to write: ${message}`, all);
    case 'busy':
    case 'conflict':
      return new StatementError(
        `${title} could not finish the statement because of another's work: ${message}`,
        {
          ...all,
          retryable: true,
        },
      );
    case 'missing-table': {
      const { dataset, table } = fields;
      if (dataset === undefined || table === undefined || !namesTable(message, table)) break;
      return new TableNotFoundError(dataset, table, all);
    }
    case 'missing-column': {
      const { dataset, table } = fields;
      const column = missingColumn(message);
      if (dataset === undefined || table === undefined || column === undefined) break;
      return new ColumnNotFoundError(dataset, table, column, all);
    }
    case 'interrupted':
      return new StatementError(`${title} gave the statement up: ${message}`, all);
    default:
  }
  return new StatementError(`${title} refused the statement: ${message}`, all);
}

function classifySqlite(code: string, message: string): ErrorClass {
  if (code === 'SQLITE_BUSY_SNAPSHOT') return 'conflict';
  if (/^SQLITE_(BUSY|LOCKED|PROTOCOL)/.test(code)) return 'busy';
  if (code.startsWith('SQLITE_INTERRUPT')) return 'interrupted';
  if (/^SQLITE_(FULL|NOMEM|IOERR)/.test(code)) return 'resource';
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) return 'corrupt';
  if (code.startsWith('SQLITE_CANTOPEN')) return 'connection';
  if (code.startsWith('SQLITE_READONLY')) return 'read-only';
  if (code.startsWith('SQLITE_CONSTRAINT')) return 'constraint';
  if (message.startsWith('no such table')) return 'missing-table';
  if (/no such column|has no column named/.test(message)) return 'missing-column';
  if (message === 'The database connection is not open') return 'connection';
  return code.startsWith('SQLITE_') ? 'statement' : 'unknown';
}

/** Codes of Node's sockets that mean that the server was not reached or was lost. */
const socketCodes =
  /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_|EADDR|ENOENT|EACCES|ERR_SOCKET|ERR_TLS|CERT_)/;

/** Codes that mostly come with the end of a session: connection, authorization, no such database, idle time-outs, shutdown, too many. */
const endingCodes = /^(08|28|3D000|25P0[34]|53300|57P0[1235])/;

function classifyPostgres(code: string, message: string, severity: string): ErrorClass {
  if (!/^[0-9A-Z]{5}$/.test(code) || code === 'EPIPE') {
    if (socketCodes.test(code)) return 'connection';
    return /connection|not queryable|timeout expired|Client was closed/i.test(message)
      ? 'connection'
      : 'unknown';
  }
  // The server and poolers end the session after FATAL, whatever the code: 40001 for a conflict with recovery, 57P04 for a database that
  // was dropped. After ERROR the connection is usable, whatever the code: 08P01 for a missing parameter, 57P01 of a foreign server.
  if (severity === 'FATAL' || severity === 'PANIC') return 'connection';
  // In another language than English the code has to do.
  if (severity !== 'ERROR' && endingCodes.test(code)) return 'connection';
  if (code === '55P03') return 'busy';
  if (code.startsWith('40')) return 'conflict';
  if (code === '57014') return 'interrupted';
  if (code.startsWith('53') || code.startsWith('54')) return 'resource';
  if (code.startsWith('XX') || code === '58030') return 'corrupt';
  if (code === '25006') return 'read-only';
  if (code === '42P01') return 'missing-table';
  if (code === '42703') return 'missing-column';
  if (code.startsWith('23')) return 'constraint';
  return 'statement';
}

function classifyDuckdb(message: string): ErrorClass {
  if (
    /could not set lock on file|cannot open file|connection.*closed|Connection was disconnected/i.test(
      message,
    )
  ) {
    return 'connection';
  }
  if (/^INTERRUPT Error|Interrupted!/i.test(message)) return 'interrupted';
  if (
    /conflict|transaction.*abort.*other/i.test(message) &&
    /^(TransactionContext|Transaction) Error/i.test(message)
  ) {
    return 'conflict';
  }
  if (/^(Out of Memory|IO) Error/i.test(message)) return 'resource';
  if (/^(FATAL|Serialization|INTERNAL) Error/i.test(message)) return 'corrupt';
  if (/read-only/i.test(message)) return 'read-only';
  if (/^Constraint Error/i.test(message))
    return /conflict/i.test(message) ? 'conflict' : 'constraint';
  if (/^Catalog Error: Table with name/i.test(message)) return 'missing-table';
  if (
    /^Binder Error: (Referenced column|Table ".*" does not have a column|Referenced update column)/i.test(
      message,
    )
  ) {
    return 'missing-column';
  }
  return / Error: /.test(message) ? 'statement' : 'unknown';
}

function stringProperty(error: unknown, name: string): string {
  if (typeof error !== 'object' || error === null) return '';
  const value: unknown = Reflect.get(error, name);
  return typeof value === 'string' ? value : '';
}

/** Classes whose messages quote names, not data. */
const namesOnly: ReadonlySet<ErrorClass> = new Set([
  'missing-table',
  'missing-column',
  'connection',
  'read-only',
  'busy',
]);

function withoutValues(engine: Engine, kind: ErrorClass, error: unknown): string {
  const code = stringProperty(error, 'code');
  // DuckDB repeats the statement from the second line on.
  const [whole = ''] = stringProperty(error, 'message').split('\n', 1);
  // An engine may repeat a long statement in it.
  const firstLine = whole.length > 1_000 ? `${whole.slice(0, 1_000)}…` : whole;
  const text = namesOnly.has(kind) ? hidePasswords(firstLine) : hideQuoted(engine, code, firstLine);
  return code === '' || text.includes(code) ? text : `${text} (${code})`;
}

function hidePasswords(text: string): string {
  return text.replace(/:\/\/[^/@\s]*@/g, '://…@').replace(/password=\S+/gi, 'password=…');
}

/** Quoted parts may be data, except that PostgreSQL's class 42 quotes names. */
function hideQuoted(engine: Engine, code: string, text: string): string {
  if (engine === 'postgresql' && code.startsWith('42')) return text.replace(/"[^"]*'.*"/g, '"…"');
  return text
    .replace(/".*"/g, '"…"')
    .replace(/'.*'/g, "'…'")
    .replace(/value -?[0-9.]+/g, 'value …');
}

function namesTable(message: string, table: string): boolean {
  return message.toLowerCase().includes(table.toLowerCase());
}

function missingColumn(message: string): string | undefined {
  const found =
    /no such column: "(.*)" - should/.exec(message) ??
    /no such column: (.*)$/.exec(message) ??
    /has no column named (.*)$/.exec(message) ??
    /column "?([^"]*)"?/i.exec(message);
  return found?.[1];
}
