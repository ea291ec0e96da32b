import { setTimeout as wait } from 'node:timers/promises';
import { inTransaction, isBusy, openStoreFile, pragmaValue } from './store-file.ts';
import type { RepeatAnswer } from './repeat-answers.ts';
import { type LookedAt, type RepeatRequest, RepeatTable } from './repeat-table.ts';

/** Programs look for what is asked when they store, once a second, and store an answer a second later at most. */
const patience = { takenWithinMs: 3_500, storedWithinMs: 3_000, betweenLooksMs: 100 };
/** For another process's lock: it is a command, which no caller waits for. */
const maxWaitMs = 1_000;
/** The version of the store that has room for it. */
const leastVersion = 9;

/** What came of asking: `nobody` where no program that runs has the call, `late` where one took it and did not answer in time. */
export type AskedPrograms = RepeatAnswer | { readonly kind: 'nobody' | 'late' };

/**
 * Asks the programs that share a store's file to make the call of a mismatch again, on both legs. One of those that has it does.
 *
 * @throws the driver's error where the store can't be written.
 */
export async function askPrograms(
  path: string,
  request: Omit<RepeatRequest, 'sequence'>,
): Promise<AskedPrograms> {
  const database = openStoreFile(path, maxWaitMs);
  try {
    if (Number(pragmaValue(database, 'user_version')) < leastVersion) return { kind: 'nobody' };
    const table = new RepeatTable(database);
    const sequence = inTransaction(database, 'immediate', () => table.ask(request, Date.now()));
    try {
      const look = (): Promise<LookedAt> => Promise.resolve(looked(table, sequence));
      return await awaitAnswer(look, request.timeoutMs, patience);
    } finally {
      table.forget(sequence);
    }
  } finally {
    database.close();
  }
}

/** How long whoever asked waits for what, in ms. */
export interface Patience {
  /** After so long without a program that takes it there is none. */
  readonly takenWithinMs: number;
  /** From when the call was made until its answer can be read. */
  readonly storedWithinMs: number;
  readonly betweenLooksMs: number;
}

/**
 * Looks again and again until a request is answered, or nobody has taken it in time, or whoever did is late.
 *
 * @param look rejects where the store can't be read, and so does this.
 * @param timeoutMs what the call itself may take.
 */
export async function awaitAnswer(
  look: () => Promise<LookedAt>,
  timeoutMs: number,
  { takenWithinMs, storedWithinMs, betweenLooksMs }: Patience,
): Promise<AskedPrograms> {
  const beganMs = performance.now();
  for (;;) {
    const { taken, answer } = await look();
    if (answer !== undefined) return JSON.parse(answer) as RepeatAnswer;
    const tookMs = performance.now() - beganMs;
    if (!taken && tookMs > takenWithinMs) return { kind: 'nobody' };
    if (tookMs > takenWithinMs + timeoutMs + storedWithinMs) return { kind: 'late' };
    await wait(betweenLooksMs);
  }
}

function looked(table: RepeatTable, sequence: number): LookedAt {
  try {
    return table.look(sequence);
  } catch (error) {
    if (isBusy(error)) return { taken: true, answer: undefined };
    throw error;
  }
}
