import { lazyModule } from '@changeover/core';
import { ConnectionError, DatasetNotFoundError } from './api/storage-errors.ts';
import type pg from 'pg';
import { postgresDriver } from './drivers.ts';
import { toStorageError } from './errors.ts';
import type { PostgresSession } from './postgres-session.ts';
import { searchPathOf } from './search-path.ts';

/** How to reach a PostgreSQL database. */
export interface PostgresSessionOptions {
  /** `postgres://` URL of the server and database. */
  readonly url: string;
  /** The dataset whose schema is worked in; it must exist. Absent for work on the datasets themselves. */
  readonly dataset?: string | undefined;
  /** Default: 5000. */
  readonly connectTimeoutMs?: number | undefined;
  /** The server gives a statement up after this time. Default: none. */
  readonly statementTimeoutMs?: number | undefined;
  /** The server ends a session that leaves a transaction open and idle for this long. Default: 60000. */
  readonly idleInTransactionTimeoutMs?: number | undefined;
  /** Prepared statements kept. Default: 100. */
  readonly statementCacheSize?: number | undefined;
  /** Gives the connecting up at once. */
  readonly signal?: AbortSignal | undefined;
  /** Shown by the server's `pg_stat_activity`. Default: `changeover`. */
  readonly applicationName?: string | undefined;
}

const loadSession = lazyModule(() => import('./postgres-session.ts'));

/**
 * Connects, in UTC and with the dataset's schema as the only search path.
 *
 * Rejects with a {@link ConnectionError} where the server can't be reached in time, and with a
 * {@link DatasetNotFoundError} where the dataset doesn't exist.
 */
export async function connectPostgres(options: PostgresSessionOptions): Promise<PostgresSession> {
  const connectTimeoutMs = options.connectTimeoutMs ?? 5000;
  const { Client } = postgresDriver();
  const { PostgresSession: Session } = await loadSession();
  let client: pg.Client;
  try {
    client = new Client(clientConfig(options, connectTimeoutMs));
  } catch (error) {
    throw connectError(options, error);
  }
  // Without a listener, the loss of an idle connection ends the process.
  client.on('error', () => undefined);
  const session = new Session(
    client,
    searchPathOf(options.dataset),
    options.statementCacheSize ?? 100,
    connectTimeoutMs,
  );
  const giveUp = (): void => {
    session.cut();
  };
  try {
    options.signal?.throwIfAborted();
    options.signal?.addEventListener('abort', giveUp, { once: true });
    await client.connect();
    const settings = settingsOf(options);
    const dropped = await session.check(settings, options.dataset);
    if (dropped !== undefined) throw droppedError(options, dropped, settings[dropped.name] ?? '');
    return session;
  } catch (error) {
    await session.close();
    if (error instanceof DatasetNotFoundError) throw error;
    if (error instanceof ConnectionError && !error.retryable) throw error;
    throw connectError(options, error);
  } finally {
    options.signal?.removeEventListener('abort', giveUp);
  }
}

/** What every statement here relies on. */
function settingsOf(options: PostgresSessionOptions): Readonly<Record<string, string>> {
  return {
    TimeZone: 'UTC',
    DateStyle: 'ISO',
    IntervalStyle: 'postgres',
    bytea_output: 'hex',
    // Or a scan would begin where another's is, and LIMIT would not give the first rows.
    synchronize_seqscans: 'off',
    extra_float_digits: '1',
    client_min_messages: 'warning',
    search_path: searchPathOf(options.dataset),
  };
}

function clientConfig(options: PostgresSessionOptions, connectTimeoutMs: number): pg.ClientConfig {
  const { url, options: given } = withoutOptions(options.url);
  const own = Object.entries(settingsOf(options)).map(([name, value]) => `-c ${name}=${value}`);
  return {
    connectionString: url,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    application_name: options.applicationName ?? 'changeover',
    pipeline: true,
    idle_in_transaction_session_timeout: options.idleInTransactionTimeoutMs ?? 60_000,
    ...(options.statementTimeoutMs === undefined
      ? {}
      : { statement_timeout: options.statementTimeoutMs }),
    // The last one of a name counts.
    options: [given, ...own].join(' ').trim(),
  };
}

/** A URL without the `options` that it brings, which would replace the driver's. */
function withoutOptions(url: string): { readonly url: string; readonly options: string } {
  if (!/[?&]options=/.test(url)) return { url, options: '' };
  const parsed = new URL(url);
  const options = parsed.searchParams.getAll('options').join(' ');
  parsed.searchParams.delete('options');
  return { url: parsed.href, options };
}

function droppedError(
  options: PostgresSessionOptions,
  { name, found }: { readonly name: string; readonly found: string },
  asked: string,
): ConnectionError {
  return new ConnectionError(
    `PostgreSQL at ${shownUrl(options.url)} did not keep the setting ${name} that the connection was opened with: asked for ` +
      `${JSON.stringify(asked)}, found ${JSON.stringify(found)}. A pooler in between drops what a connection starts with, or a role's ` +
      'or a URL’s setting overrides it. Connect to the server itself, or through a pooler in session mode that passes the startup ' +
      'parameter "options" on (PgBouncer: pool_mode = session, and "options" not in ignore_startup_parameters).',
    { engine: 'postgresql', dataset: options.dataset, retryable: false },
  );
}

function connectError(options: PostgresSessionOptions, error: unknown): ConnectionError {
  const reason = toStorageError('postgresql', error);
  return new ConnectionError(
    `PostgreSQL at ${shownUrl(options.url)} could not be reached. ${reason.message.replace(/\.?$/, '.')} Check DATABASE_URL and that the ` +
      'server runs and takes connections.',
    { engine: 'postgresql', dataset: options.dataset, cause: error, retryable: true },
  );
}

/** Host, port and database; never the password. */
function shownUrl(url: string): string {
  try {
    const { host, pathname } = new URL(url);
    return `${host}${pathname}`;
  } catch {
    return 'the configured URL';
  }
}
