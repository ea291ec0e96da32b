import { FleetDatabase } from '../../fleet/fleet-database.ts';
import type { ParsedSettings } from '../../bridge-settings.ts';
import type { Logger } from '../../log.ts';
import { SqliteLedgerStore } from './file-ledger-store.ts';
import type { LedgerStore } from './ledger-store.ts';
import { PostgresLedgerStore } from './shared-ledger-store.ts';

/** Where the ledger is kept: PostgreSQL, for several hosts, where the options name one, else the comparison store's file.
 * Opened at the first use; closing it ends its connections. */
export function openLedgerStore(
  { ledgerUrl, storePath }: ParsedSettings,
  logger: Logger,
): LedgerStore {
  if (ledgerUrl === undefined) return new SqliteLedgerStore(storePath);
  return new OwnPostgresLedgerStore(new FleetDatabase(ledgerUrl, logger));
}

class OwnPostgresLedgerStore extends PostgresLedgerStore {
  readonly #database: FleetDatabase;

  constructor(database: FleetDatabase) {
    super(database, database.schema);
    this.#database = database;
  }

  override async close(): Promise<void> {
    await this.#database.close();
  }
}
