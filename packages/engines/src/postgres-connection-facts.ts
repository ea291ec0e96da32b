import { ConnectionError, SessionStateError } from './api/storage-errors.ts';
import { datasetSchema } from './api/store-location.ts';
import { poolingOf } from './detect-pooler.ts';
import { type PostgresSettings, setLocally, shownUrl } from './postgres-settings.ts';
import { sessionFactsByWords } from './session-facts/session-facts.ts';
import { leadingWords, sqlTokens } from './sql-text.ts';

// What a connection stands on: who is asked for it, and what is done where something in front of the server doesn't keep it.

/** What a server says of a connection that was opened to it. */
export interface ConnectionFacts {
  /** The server's process that answered. */
  readonly processId: number;
  /** The first setting that has another value than it was opened with. */
  readonly dropped: { readonly name: string; readonly found: string } | undefined;
  /** The server follows another and takes no writes. */
  readonly isStandby: boolean;
  /** Whether the dataset has a schema; true where none was asked for. */
  readonly hasSchema: boolean;
}

/** The question for a connection's {@link ConnectionFacts}, one statement with its values. */
export function connectionFactsQuery(
  settings: PostgresSettings,
  dataset: string | undefined,
): { readonly text: string; readonly values: readonly [string | null] } {
  const asked = Object.keys(settings).map(
    (name, at) => `pg_catalog.current_setting('${name}') AS s${at}`,
  );
  const others = [
    'pg_catalog.pg_backend_pid() AS process',
    'pg_catalog.pg_is_in_recovery() AS standby',
    'EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1) AS found',
  ];
  return {
    text: `SELECT ${[...asked, ...others].join(', ')}`,
    values: [dataset === undefined ? null : datasetSchema(dataset)],
  };
}

/** The answer to {@link connectionFactsQuery}. */
export function readConnectionFacts(
  row: Readonly<Record<string, unknown>>,
  settings: PostgresSettings,
  dataset: string | undefined,
): ConnectionFacts {
  const values = Object.entries(settings).map(([name, asked], at) => {
    const value = row[`s${at}`];
    return { name, asked, found: typeof value === 'string' ? value : '' };
  });
  const dropped = values.find(
    // The rest of it says in which order days and months are read.
    ({ name, asked, found }) => (name === 'DateStyle' ? found.split(',')[0] : found) !== asked,
  );
  return {
    processId: Number(row['process']),
    dropped: dropped === undefined ? undefined : { name: dropped.name, found: dropped.found },
    isStandby: row['standby'] === true,
    hasSchema: dataset === undefined || row['found'] === true,
  };
}

/** How a connection has what it stands on: it `keeps` what it was opened with; the settings are `set` once, on a connection of
 * its own that a pooler gave it; or they are set in `each transaction`, because the next one may run on another connection. */
export type KeptBy = 'keeps' | 'set' | 'each transaction';

/** What is known of a connection when it is decided how it has what it stands on. */
export interface KeptByDecision {
  readonly url: string;
  readonly dataset: string | undefined;
  readonly settings: PostgresSettings;
  readonly found: ConnectionFacts;
  /** The process that the connection was told at its start. */
  readonly toldProcessId: number | null;
  readonly timeoutMs: number;
}

/**
 * Decides how a connection has what it stands on.
 *
 * Rejects with a {@link ConnectionError} that names the setting where it can't.
 */
export async function decideKeptBy(decision: KeptByDecision): Promise<KeptBy> {
  const { url, dataset, settings, found, toldProcessId, timeoutMs } = decision;
  const { dropped, processId } = found;
  if (processId === toldProcessId) {
    if (dropped === undefined) return 'keeps';
    throw droppedError(url, dataset, dropped, settings[dropped.name] ?? '');
  }
  switch (await poolingOf(url, timeoutMs)) {
    case 'session':
      return dropped === undefined ? 'keeps' : 'set';
    case 'statement':
      throw statementPoolingError(url, dataset);
    default:
      return 'each transaction';
  }
}

/**
 * The beginning of a transaction that stands on its own settings. No part of it takes a snapshot, and where one fails, what is sent
 * behind it fails as well: after a BEGIN that fails as a whole it would run outside of any.
 *
 * @param access `any`: as the server has it.
 */
export function beginText(settings: PostgresSettings, access: 'read' | 'write' | 'any'): string {
  const readOnly =
    access === 'any'
      ? []
      : [`SET LOCAL transaction_read_only = ${access === 'read' ? 'on' : 'off'}`];
  return ['BEGIN', ...readOnly, setLocally(settings)].join('; ');
}

const facts = sessionFactsByWords('postgresql');
/** By a name that is another program's on another connection. */
const preparing: ReadonlySet<string> = new Set(['PREPARE', 'EXECUTE', 'DEALLOCATE']);

/**
 * Checks a caller's statement for a connection behind a pooler by transaction, where what it leaves is met by other programs, and not
 * by the next statement.
 *
 * @throws {SessionStateError} where it leaves something, or asks for what another left.
 */
export function checkPooledStatement(sql: string, inTransaction: boolean): void {
  const use = facts.sessionUse(sql);
  const isDropped = inTransaction && hasWords(sql, 'on', 'commit', 'drop');
  const leaves =
    use === 'sets' ||
    use === 'locks' ||
    (use === 'temporary' && !isDropped) ||
    holdsCursor(sql) ||
    preparing.has(leadingWords(sql, 1, 'postgresql')[0] ?? '');
  if (!leaves && (inTransaction || !facts.readsLastWrite(sql))) return;
  throw new SessionStateError(
    { engine: 'postgresql' },
    `The statement ${leaves ? 'leaves something on' : 'asks for what was left on'} its connection, and a pooler in front of PostgreSQL ` +
      'gives each transaction another one (PgBouncer: pool_mode = transaction), which other programs share. Use SET LOCAL, ' +
      'set_config(…, true), pg_advisory_xact_lock, ON COMMIT DROP or RETURNING in a transaction; or give DATABASE_URL the server ' +
      'itself or a pooler with pool_mode = session.',
  );
}

/** Whether these words follow each other, outside of texts and comments. */
function hasWords(sql: string, ...words: readonly string[]): boolean {
  const tokens = sqlTokens(sql, 'postgresql');
  return tokens.some((_token, at) =>
    words.every((word, offset) => {
      const token = tokens[at + offset];
      return token?.type === 'word' && token.text === word;
    }),
  );
}

function holdsCursor(sql: string): boolean {
  return leadingWords(sql, 1, 'postgresql')[0] === 'DECLARE' && hasWords(sql, 'with', 'hold');
}

/** What a statement's failure means where it ran in a transaction that its caller did not ask for; the error itself elsewhere. */
export function pooledStatementError(error: unknown): unknown {
  const { code } = error as { code?: unknown };
  // active_sql_transaction: VACUUM, CREATE DATABASE; invalid_transaction_termination: a procedure that commits.
  if (code !== '25001' && code !== '2D000') return error;
  return new SessionStateError(
    { engine: 'postgresql', cause: error },
    'The statement can not run inside a transaction, and behind a pooler that gives each transaction another connection (PgBouncer: ' +
      'pool_mode = transaction) every statement has one, which sets search_path and what else it stands on. Run it on the server ' +
      'itself or through a pooler with pool_mode = session. Nothing was applied.',
  );
}

function droppedError(
  url: string,
  dataset: string | undefined,
  { name, found }: { readonly name: string; readonly found: string },
  asked: string,
): ConnectionError {
  return new ConnectionError(
    `PostgreSQL at ${shownUrl(url)} did not keep the setting ${name} that the connection was opened with: asked for ` +
      `${JSON.stringify(asked)}, found ${JSON.stringify(found)}. What is in between drops the startup parameter "options", or a role's or a ` +
      'URL’s setting overrides it. Connect to the server itself, or let "options" through.',
    { engine: 'postgresql', dataset, retryable: false },
  );
}

function statementPoolingError(url: string, dataset: string | undefined): ConnectionError {
  return new ConnectionError(
    `PostgreSQL at ${shownUrl(url)} is behind a pooler that refuses transactions (PgBouncer: pool_mode = statement), so search_path can ` +
      'not be set for a statement. Use pool_mode = transaction or session, or connect to the server itself.',
    { engine: 'postgresql', dataset, retryable: false },
  );
}

/** A standby was met where writes must be possible. Nothing was applied, and the server that is written to may be reached soon. */
export function standbyError(
  url: string | undefined,
  dataset: string | undefined,
): ConnectionError {
  return new ConnectionError(
    `PostgreSQL${url === undefined ? '' : ` at ${shownUrl(url)}`} is a standby, which only reads (pg_is_in_recovery): during a failover ` +
      'the next attempt finds the new primary. If this lasts, give DATABASE_URL the primary, or have the proxy in front choose it by a check.',
    { engine: 'postgresql', dataset, retryable: true },
  );
}
