import { SnapshotLostError } from '@changeover/core';
import type { Program } from '../program.ts';
import { textIn } from '../rows.ts';

/** PostgreSQL, in a transaction that has asked nothing yet: keeps it to one state of the database from now on, and tells the name
 * by which other connections to the server can read that state as long as the transaction lasts. */
export function* shareSnapshot(): Program<string> {
  yield { kind: 'run', sql: 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY' };
  return yield* exportSnapshot();
}

/** PostgreSQL, in a transaction that sees one state: tells the name of {@link shareSnapshot}. */
export function* exportSnapshot(): Program<string> {
  const { rows } = yield { kind: 'all', sql: 'SELECT pg_catalog.pg_export_snapshot() AS name' };
  return textIn(rows[0] ?? {}, 'name');
}

/** PostgreSQL, in a transaction that has asked nothing yet: lets it see what {@link shareSnapshot} named on another connection.
 *
 * @throws {SnapshotLostError} where there is no such snapshot in this database any more. */
export function* takeSnapshot(name: string): Program<void> {
  if (!/^[\w-]+$/.test(name))
    throw new SnapshotLostError('The name of a snapshot is letters, digits and dashes.');
  yield { kind: 'run', sql: 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY' };
  try {
    yield { kind: 'run', sql: `SET TRANSACTION SNAPSHOT '${name}'` };
  } catch (error) {
    throw new SnapshotLostError("The snapshot has ended, or is another database's.", {
      cause: error,
    });
  }
}

/** Runs a read in the middle of a transaction, which goes on whatever the read does. */
export function* readInTransaction<T>(read: Program<T>): Program<T> {
  yield { kind: 'savepoint' };
  try {
    return yield* read;
  } finally {
    yield { kind: 'rollbackToSavepoint' };
  }
}

/** Runs a read in a snapshot of another connection's; see {@link takeSnapshot}. */
export function* readInSnapshot<T>(name: string, read: Program<T>): Program<T> {
  yield { kind: 'begin' };
  try {
    yield* takeSnapshot(name);
    return yield* read;
  } finally {
    yield { kind: 'rollback' };
  }
}
