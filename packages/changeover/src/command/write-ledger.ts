import { setTimeout as wait } from 'node:timers/promises';
import { type LedgerChange, type NewLedgerChange, SqliteLedgerStore } from '@changeover/router';
import { CommandError } from './command-error.ts';

const maxTries = 60;
const betweenTriesMs = 50;

/** What to write, seen from the last line of the dataset; undefined where there is nothing to do any more. */
export type MakeChange = (last: LedgerChange | undefined) => Omit<NewLedgerChange, 'previous'> | undefined;

/**
 * Writes one line after the dataset's last one. Where another process is first, the change is made anew from what that one
 * wrote; a lock is waited for, three seconds in all.
 *
 * @returns the line as it was written; undefined where there was nothing to do.
 * @throws {CommandError} where it can't be written.
 */
export async function writeLedger(
  path: string, engine: string, dataset: string, make: MakeChange,
): Promise<LedgerChange | undefined> {
  const store = new SqliteLedgerStore(path);
  let failure = 'other processes kept writing to it';
  try {
    for (let tries = 0; tries < maxTries; tries += 1) {
      try {
        const last = store.read(0).findLast((line) => line.backend === engine && line.dataset === dataset);
        const change = make(last);
        if (change === undefined) return undefined;
        const [sequence] = store.append([{ ...change, previous: last?.sequence ?? 0 }]);
        if (sequence !== undefined) return { ...change, sequence };
      } catch (error) {
        failure = String((error as { message?: unknown }).message);
        if (!String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY')) break;
      }
      await wait(betweenTriesMs);
    }
  } finally {
    store.close();
  }
  throw new CommandError(`Nothing was changed: the ledger in ${path} can't be written (${failure}). Until it can, set ` +
    '"enabled": false on the flag "changeover": every call goes to the legacy leg.');
}
