import { ChangeoverError, loadInstalled } from '@changeover/core';
import { type Logger } from '../../log.ts';
import { type LedgerStore } from './ledger-store.ts';
import { PostgresLedgerStore } from './shared-ledger-store.ts';
import { SqliteLedgerStore } from './file-ledger-store.ts';
import type pg from 'pg';
import type { Pool } from 'pg';
import type { ParsedSettings } from '../../bridge-settings.ts';

/** A server that hangs must not hold a review of the ledger, or a person's command, for longer. */
const answerTimeoutMs = 3_000;

/** Where the ledger is kept: PostgreSQL, for several hosts, where the options name one, else the comparison store's file.
 * Opened at the first use. */
export function openLedgerStore(
  { ledgerUrl, storePath }: ParsedSettings,
  logger: Logger,
): LedgerStore {
  return ledgerUrl === undefined
    ? new SqliteLedgerStore(storePath)
    : new OwnPostgresLedgerStore(ledgerUrl, logger);
}

/** With connections of its own: the ledger must be reachable where a backend's pools are exhausted. The driver is loaded at
 * the first use, because most ledgers are a file. */
class OwnPostgresLedgerStore extends PostgresLedgerStore {
  readonly #opened: () => Pool | undefined;

  constructor(connectionString: string, logger: Logger) {
    let pool: Pool | undefined;
    super({
      query: async (text, values) =>
        await (pool ??= openPool(connectionString, logger)).query(text, values),
    });
    this.#opened = () => pool;
  }

  override async close(): Promise<void> {
    await this.#opened()?.end();
  }
}

function openPool(connectionString: string, logger: Logger): Pool {
  const pool = new (driver().Pool)({
    connectionString,
    max: 2,
    application_name: 'changeover-ledger',
    allowExitOnIdle: true,
    keepAlive: true,
    connectionTimeoutMillis: answerTimeoutMs,
    query_timeout: answerTimeoutMs,
    statement_timeout: answerTimeoutMs,
  });
  // The next query opens another one, and says so if it can't.
  pool.on('error', (error) => {
    logger.debug({ err: error }, 'an idle connection to the ledger ended');
  });
  return pool;
}

function driver(): typeof pg {
  try {
    return loadInstalled('pg', import.meta.url) as typeof pg;
  } catch (error) {
    throw new ChangeoverError(
      'DRIVER_MISSING',
      'Cannot find the driver of the store, which is a postgres:// URL. Install it: npm install pg',
      { cause: error },
    );
  }
}
