import { text } from 'node:stream/consumers';
import { silentLogger } from '../log.ts';
import type { NewLedgerChange } from '../stages/ledger/ledger-store.ts';
import { PostgresLedgerStore } from '../stages/ledger/shared-ledger-store.ts';
import { FleetDatabase } from './fleet-database.ts';

/** What a process that ends has not said yet. */
export interface LastWords {
  readonly url: string;
  readonly schema: string;
  /** Undefined where all counts are said. */
  readonly message: string | undefined;
  readonly lines: readonly NewLedgerChange[];
}

/** Says the last of a process that can't wait any more, in a process of its own: it reads {@link LastWords} from its standard input. */
async function sayTheLast(): Promise<void> {
  const { url, schema, message, lines } = JSON.parse(await text(process.stdin)) as LastWords;
  const database = new FleetDatabase(url, silentLogger, schema);
  if (lines.length > 0) await new PostgresLedgerStore(database, schema).append(lines);
  if (message !== undefined) await database.exchange(message);
  await database.close();
}

// Loaded elsewhere it does nothing.
if (process.env['CHANGEOVER_LAST_WORDS'] !== undefined)
  sayTheLast().catch(() => {
    process.exitCode = 1;
  });
