import { openStoreFileToRead } from './store-file.ts';

/** Whom a change of the ledger concerns. */
export interface FollowersQuery {
  readonly backend: string;
  /** Default: all keys of the backend. */
  readonly key?: string | undefined;
  /** When the change was written, in milliseconds since 1970. */
  readonly sinceMs: number;
}

/** Programs that made calls when the stage of a key was changed, and those of them that have followed. */
export interface Followers {
  /** Programs that had stored calls of it in the seconds before. */
  readonly callers: number;
  /** How long after the change each that followed did, in ms, as it stored it itself. */
  readonly followedMs: readonly number[];
}

/** A program stores what it counted once a second, and a little later where another one does at that moment. */
const recentMs = 5_000;

/**
 * Who has followed a change of stage by now, as the programs have stored it.
 *
 * @throws the driver's error, where the store can't be read.
 */
export function readFollowers(path: string, { backend, key, sinceMs }: FollowersQuery): Followers {
  const database = openStoreFileToRead(path);
  try {
    const concerns = (dataset: unknown): boolean => key === undefined || dataset === key;
    const callers = new Set<unknown>();
    for (const { writer, dataset } of database
      .prepare('select writer, dataset from cell where backend = ? and last_at >= ?')
      .iterate(backend, sinceMs - recentMs))
      if (concerns(dataset)) callers.add(writer);
    const followed = new Map<unknown, number>();
    for (const { writer, at, fields } of database
      .prepare("select writer, at, fields from event where kind = 'stage' and at >= ? order by at")
      .iterate(sinceMs)) {
      const event = JSON.parse(String(fields)) as Readonly<Record<string, unknown>>;
      if (event['backend'] === backend && concerns(event['dataset']))
        followed.set(writer, Number(at) - sinceMs);
    }
    for (const writer of followed.keys()) callers.add(writer);
    return { callers: callers.size, followedMs: [...followed.values()] };
  } finally {
    database.close();
  }
}
