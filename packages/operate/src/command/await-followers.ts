import { setTimeout as wait } from 'node:timers/promises';
import { counted, readFollowers } from '@changeover/bridge';
import type { Subject } from './subject.ts';
import type { Migration } from './migration.ts';

/** Programs follow within half a second and store that they did within one more. */
const longestMs = 2_500;
const betweenLooksMs = 200;

/** Which programs were seen to follow a change. */
export interface Following {
  readonly callers: number;
  readonly followed: number;
  /** Of the one that was last, since the ledger had it; null where none was seen. */
  readonly lastMs: number | null;
}

/**
 * Waits until every program that called a key, or a backend, is seen to have followed, for two and a half seconds at most. Undefined where
 * that can't be seen: a store that is shared by several hosts is not read again and again.
 *
 * @param sinceMs when the ledger had the change, in milliseconds since 1970.
 */
export async function awaitFollowers(
  { place }: Migration,
  { backend, target }: Subject,
  sinceMs: number,
): Promise<Following | undefined> {
  if (place.ledgerUrl !== undefined || target.kind === 'none') return undefined;
  const key = target.kind === 'key' ? target.name : undefined;
  const untilMs = performance.now() + longestMs;
  for (;;) {
    try {
      const { callers, followedMs } = readFollowers(place.storePath, { backend, key, sinceMs });
      const followed = followedMs.length;
      const lastMs = followed === 0 ? null : Math.max(...followedMs);
      if (followed >= callers || performance.now() >= untilMs) return { callers, followed, lastMs };
    } catch {
      // The change is in the ledger; who follows is told where it can be read.
      return undefined;
    }
    await wait(betweenLooksMs);
  }
}

/** The same in a sentence. */
export function followingText({ callers, followed, lastMs }: Following): string[] {
  if (callers === 0)
    return [
      'No program that shares this store has called it in the last seconds. One that has uses another store: --store PLACE.',
    ];
  const programs = counted(callers, 'program', 'programs');
  const rest = callers - followed;
  return [
    `${String(followed)} of ${programs} that called it ${followed === 1 ? 'has' : 'have'} followed${
      lastMs === null ? '' : `, the last ${String(lastMs)} ms after the ledger had it`
    }.${rest > 0 ? ` ${counted(rest, 'program', 'programs')} made no call since, or can't store: look again with changeover status.` : ''}`,
  ];
}
