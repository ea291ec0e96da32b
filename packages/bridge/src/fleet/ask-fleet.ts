import { silentLogger } from '../log.ts';
import { type AskedPrograms, awaitAnswer } from '../recorder/ask-programs.ts';
import {
  type LookedAt,
  lookedAt,
  type RepeatRequest,
  repeatText,
} from '../recorder/repeat-table.ts';
import { FleetDatabase } from './fleet-database.ts';
import { expiredRepeats } from './fleet-repeats.ts';

/** At once, by all who ask. */
const maxKept = 100;
/** All processes hear of it: a call with values that are longer is for those that have it in memory. */
const maxCallLength = 8_192;
/** A process hears of it within a second, takes it with its next message, and may just have waited for a store that was away. */
const usualPatience = { takenWithinMs: 7_000, storedWithinMs: 5_000, betweenLooksMs: 250 };

/**
 * Asks the programs that share a store on several hosts to make the call of a mismatch again, on both legs. One of those that has it
 * does.
 *
 * @param takenWithinMs after so long without a program that takes it there is none. Default: 7 s.
 * @throws the driver's error where the store can't be reached.
 */
export async function askFleet(
  url: string,
  request: Omit<RepeatRequest, 'sequence'>,
  { takenWithinMs = usualPatience.takenWithinMs }: { readonly takenWithinMs?: number } = {},
): Promise<AskedPrograms> {
  const database = new FleetDatabase(url, silentLogger);
  try {
    const sequence = await ask(database, request);
    try {
      const patience = { ...usualPatience, takenWithinMs };
      return await awaitAnswer(() => look(database, sequence), request.timeoutMs, patience);
    } finally {
      // Its values and its answer are for nobody but who asked.
      await database.query(`delete from ${database.schema}.repeat where sequence = $1`, [sequence]);
    }
  } finally {
    await database.close();
  }
}

async function ask(
  database: FleetDatabase,
  { backend, id, call, timeoutMs }: Omit<RepeatRequest, 'sequence'>,
): Promise<string> {
  const { schema } = database;
  await database.query(expiredRepeats(schema));
  const text = call === undefined ? null : repeatText(call);
  const { rows } = await database.query(
    `insert into ${schema}.repeat (backend, id, call, timeout_ms)
     select $1, $2, $3, $4 where (select count(*) from ${schema}.repeat) < ${String(maxKept)} returning sequence::text`,
    [backend, id, text !== null && text.length > maxCallLength ? null : text, timeoutMs],
  );
  const [row] = rows as { readonly sequence: string }[];
  if (row === undefined)
    throw new Error(
      `${String(maxKept)} calls are wanted again in the shared store already: try again in a while`,
    );
  return row.sequence;
}

async function look(database: FleetDatabase, sequence: string): Promise<LookedAt> {
  const { rows } = await database.query(
    `select writer, answer from ${database.schema}.repeat where sequence = $1`,
    [sequence],
  );
  return lookedAt(rows[0] as { readonly writer: unknown; readonly answer: unknown } | undefined);
}
