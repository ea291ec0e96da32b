import {
  type Logger,
  type LedgerStore,
  PostgresLedgerStore,
  SqliteLedgerStore,
} from '@changeover/router';
import pg from 'pg';
import type { ParsedBridgeOptions } from './bridge-options.ts';

/** A server that hangs must not hold a review of the ledger, or a person's command, for longer. */
const answerTimeoutMs = 3_000;

/** Where the ledger is kept: PostgreSQL, for several hosts, where the options name one, else the comparison store's file.
 * Opened at the first use. */
export function openLedgerStore(
  { ledgerUrl, storePath }: ParsedBridgeOptions,
  logger: Logger,
): LedgerStore {
  return ledgerUrl === undefined
    ? new SqliteLedgerStore(storePath)
    : new OwnPostgresLedgerStore(ledgerUrl, logger);
}

/** With connections of its own: the ledger must be reachable where an engine's pools are exhausted. */
class OwnPostgresLedgerStore extends PostgresLedgerStore {
  readonly #pool: pg.Pool;

  constructor(connectionString: string, logger: Logger) {
    const pool = new pg.Pool({
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
    super(pool);
    this.#pool = pool;
  }

  override async close(): Promise<void> {
    await this.#pool.end();
  }
}
