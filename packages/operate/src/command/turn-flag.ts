import { openUnleashAdmin } from '@changeover/bridge';
import type { UnleashAdmin } from '@changeover/bridge';
import type { Migration } from './migration.ts';

/** What became of the flag on the server. */
export interface FlagTurn {
  /** For people; empty where no server, or no token that may change flags, is named. */
  readonly text: readonly string[];
  readonly turned: boolean;
}

/** Turns the flag on the server as well, where `UNLEASH_ADMIN_TOKEN` lets it. The ledger has the change already, so a server
 * that is away is told of and nothing else. */
export async function turnFlag(
  migration: Migration,
  turn: (admin: UnleashAdmin) => Promise<void>,
): Promise<FlagTurn> {
  const { place } = migration;
  const admin = openUnleashAdmin(place);
  if (admin === undefined) return { text: [], turned: false };
  try {
    await turn(admin);
    return {
      text: [`The flag on ${place.unleashUrl ?? 'the server'} is turned too.`],
      turned: true,
    };
  } catch (error) {
    const text = `The ledger has it; the flag on ${place.unleashUrl ?? 'the server'} is as it was: ${(error as Error).message}`;
    return { text: [text], turned: false };
  }
}
