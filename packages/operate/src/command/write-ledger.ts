import { setTimeout as wait } from 'node:timers/promises';
import type { Target } from '@changeover/core';
import {
  isBusy,
  type LedgerChange,
  type LedgerStore,
  maxLinesAtOnce,
  type NewLedgerChange,
  rowDataset,
} from '@changeover/bridge';
import { CommandError } from './command-error.ts';
import { type Migration, withoutLedger } from './migration.ts';

const maxTries = 60;
const betweenTriesMs = 50;

/** Where the ledger can't be written after the flags were. */
export const flagsChanged =
  'The flags are changed, and the ledger does not know of it: type the same again';

/** What to write, seen from the last line of the key; undefined where there is nothing to do any more. */
export type MakeChange = (
  last: LedgerChange | undefined,
) => Omit<NewLedgerChange, 'previous'> | undefined;

/**
 * Writes one line after the key's last one. Where another process is first, the change is made anew from what that one
 * wrote; a lock is waited for, three seconds in all.
 *
 * @param until what was changed before, for who is told that this failed.
 * @returns the line as it was written; undefined where there was nothing to do.
 * @throws {CommandError} where it can't be written.
 */
export async function writeLedger(
  migration: Migration,
  backend: string,
  target: Target,
  make: MakeChange,
  until = 'Nothing was changed',
): Promise<LedgerChange | undefined> {
  let failure = 'other processes kept writing to it';
  const written = await migration.withLedgerStore(async (store) => {
    for (let tries = 0; tries < maxTries; tries += 1) {
      try {
        const outcome = await tryOnce(store, backend, target, make);
        if (outcome !== 'again') return outcome;
      } catch (error) {
        if (error instanceof CommandError) throw error;
        failure = String((error as { message?: unknown }).message);
        if (!isBusy(error)) break;
      }
      await wait(betweenTriesMs);
    }
    return 'again';
  });
  if (written !== 'again') return written;
  throw new CommandError(
    `${until}: the ledger in ${migration.ledgerPlace} can't be written (${failure}). ${withoutLedger}`,
  );
}

/**
 * Writes lines of different keys, each after its key's last one, a hundred at once. A key that somebody else moves at that
 * moment keeps what they wrote.
 *
 * @throws the store's error.
 */
export async function writeLedgerLines(
  migration: Migration,
  lines: readonly Omit<NewLedgerChange, 'previous'>[],
): Promise<void> {
  if (lines.length === 0) return;
  await migration.withLedgerStore(async (store) => {
    const last = new Map<string, number>();
    for (const { backend, dataset, sequence } of await store.read(0))
      last.set(`${backend}\0${dataset}`, sequence);
    for (let at = 0; at < lines.length; at += maxLinesAtOnce) {
      const some = lines.slice(at, at + maxLinesAtOnce);
      await store.append(
        some.map((line) => ({
          ...line,
          previous: last.get(`${line.backend}\0${line.dataset}`) ?? 0,
        })),
      );
    }
  });
}

async function tryOnce(
  store: LedgerStore,
  backend: string,
  target: Target,
  make: MakeChange,
): Promise<LedgerChange | undefined | 'again'> {
  const last = (await store.read(0)).findLast(
    (line) => line.backend === backend && line.dataset === rowDataset(target),
  );
  const change = make(last);
  if (change === undefined) return undefined;
  const [sequence] = await store.append([{ ...change, previous: last?.sequence ?? 0 }]);
  return sequence === undefined ? 'again' : { ...change, sequence };
}
