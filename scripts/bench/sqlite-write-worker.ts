import Database from 'better-sqlite3';

let insertOne: ((owner: number, at: number) => void) | undefined;

function open(file: string): (owner: number, at: number) => void {
  const database = new Database(file, { timeout: 60_000 });
  // As both legs: what is acknowledged is on the disk.
  database.pragma('synchronous = FULL');
  const insert = database.prepare('INSERT INTO log VALUES (?, ?)');
  const once = database.transaction((owner: number, at: number) => insert.run(owner, at));
  return (owner, at) => {
    once.immediate(owner, at);
  };
}

/** One of several writers that know nothing of each other: each its own connection, waiting for the lock by the engine's
 * busy time-out. */
export default function write({
  file,
  owner,
  at,
}: {
  readonly file: string;
  readonly owner: number;
  readonly at: number;
}): void {
  insertOne ??= open(file);
  insertOne(owner, at);
}
