import { lazyModule } from '@changeover/core';
import type pg from 'pg';
import { ConnectionError, DatasetNotFoundError } from './api/storage-errors.ts';
import { noteRefusal, refusesStartup } from './detect-pooler.ts';
import { postgresDriver } from './drivers.ts';
import { toStorageError } from './errors.ts';
import type { PostgresSession } from './postgres-session.ts';
import {
  bareUrl,
  shownUrl,
  splitUrl,
  requiredSettings,
  startupOptions,
} from './postgres-settings.ts';
import { decideKeptBy, standbyError } from './postgres-connection-facts.ts';
import type { MayLeave } from './postgres-traces.ts';

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
  /** A server that only follows another is refused. Default: false. */
  readonly needsPrimary?: boolean | undefined;
  /** Which statements may leave something on their connection: behind a pooler that gives each transaction another one, that is taken away.
   * Default: by their words. */
  readonly mayLeave?: MayLeave | undefined;
  /** Gives the connecting up at once. */
  readonly signal?: AbortSignal | undefined;
  /** Shown by the server's `pg_stat_activity`. Default: `changeover`. */
  readonly applicationName?: string | undefined;
}

const loadSession = lazyModule(() => import('./postgres-session.ts'));

/**
 * Connects, in UTC and with the dataset's schema as the only search path. Where a pooler is in between that keeps neither, each
 * transaction sets them.
 *
 * Rejects with a {@link ConnectionError} where the server can't be reached in time, is a standby where a primary is asked for, or
 * does not keep a setting in any way; and with a {@link DatasetNotFoundError} where the dataset doesn't exist.
 */
export async function connectPostgres(options: PostgresSessionOptions): Promise<PostgresSession> {
  const startup = refusesStartup(options.url) ? 'bare' : 'with settings';
  try {
    return await open(options, startup);
  } catch (error) {
    const cause: unknown = error instanceof ConnectionError ? error.cause : undefined;
    if (startup === 'bare' || !noteRefusal(options.url, cause)) throw error;
    return await open(options, 'bare');
  }
}

type Startup = 'with settings' | 'bare';

async function open(options: PostgresSessionOptions, startup: Startup): Promise<PostgresSession> {
  const connectTimeoutMs = options.connectTimeoutMs ?? 5000;
  const { Client } = postgresDriver();
  const { PostgresSession: Session } = await loadSession();
  let client: pg.Client;
  try {
    client = new Client(clientConfig(options, connectTimeoutMs, startup));
  } catch (error) {
    throw connectError(options, error);
  }
  // Without a listener, the loss of an idle connection ends the process.
  client.on('error', () => undefined);
  const session = new Session({
    client,
    dataset: options.dataset,
    statementCacheSize: options.statementCacheSize ?? 100,
    connectTimeoutMs,
    mayLeave: options.mayLeave,
  });
  const giveUp = (): void => {
    session.cut();
  };
  try {
    options.signal?.throwIfAborted();
    options.signal?.addEventListener('abort', giveUp, { once: true });
    await client.connect();
    await stand(session, options, connectTimeoutMs);
    return session;
  } catch (error) {
    await session.close();
    if (error instanceof DatasetNotFoundError) throw error;
    if (error instanceof ConnectionError && error.cause === undefined) throw error;
    throw connectError(options, error);
  } finally {
    options.signal?.removeEventListener('abort', giveUp);
  }
}

/** Sees to it that a connection has what every statement relies on. */
async function stand(
  session: PostgresSession,
  options: PostgresSessionOptions,
  timeoutMs: number,
): Promise<void> {
  const { url, dataset } = options;
  const settings = requiredSettings(dataset);
  const found = await session.connectionFacts(settings);
  if (options.needsPrimary === true && found.isStandby) throw standbyError(url, dataset);
  const toldProcessId = session.processId;
  const kept = await decideKeptBy({ url, dataset, settings, found, toldProcessId, timeoutMs });
  const all = { ...bareUrl(url).settings, ...limitsOf(options), ...settings };
  if (kept === 'set') await session.setForSession(all);
  else if (kept === 'each transaction') session.setInTransactions(all);
  if (!found.hasSchema) throw new DatasetNotFoundError(dataset ?? '', { engine: 'postgresql' });
}

function limitsOf(options: PostgresSessionOptions): Record<string, string> {
  const { statementTimeoutMs, idleInTransactionTimeoutMs = 60_000 } = options;
  return {
    idle_in_transaction_session_timeout: String(idleInTransactionTimeoutMs),
    ...(statementTimeoutMs === undefined ? {} : { statement_timeout: String(statementTimeoutMs) }),
  };
}

function clientConfig(
  options: PostgresSessionOptions,
  connectTimeoutMs: number,
  startup: Startup,
): pg.ClientConfig {
  const usual = {
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    application_name: options.applicationName ?? 'changeover',
    pipeline: true,
  };
  if (startup === 'bare') return { ...usual, connectionString: bareUrl(options.url).url };
  const { url, options: given } = splitUrl(options.url);
  return {
    ...usual,
    // The driver's types want numbers, and the server takes either.
    ...(limitsOf(options) as unknown as pg.ClientConfig),
    connectionString: url,
    options: startupOptions(given, requiredSettings(options.dataset)),
  };
}

function connectError(options: PostgresSessionOptions, error: unknown): ConnectionError {
  const reason = toStorageError('postgresql', error);
  return new ConnectionError(
    `PostgreSQL at ${shownUrl(options.url)} could not be reached. ${reason.message.replace(/\.?$/, '.')} Check DATABASE_URL and that the ` +
      'server runs and takes connections.',
    { engine: 'postgresql', dataset: options.dataset, cause: error, retryable: true },
  );
}
