import { bridgeOf, createBridge, standsFor, WiringError, withAbilities } from '@changeover/bridge';
import { createSqliteClassifier } from '@changeover/classify/sqlite';
import { InvalidOptionError, type LegName } from '@changeover/core';
import type Database from 'better-sqlite3';
import { existsSync } from 'node:fs';
import { type AdapterOptions, bridgePartOf, keyOf, shown } from '../shared/adapter-options.ts';
import { SessionWatch } from '../shared/session-watch.ts';
import type { StatementTraits } from '../shared/statement-traits.ts';
import { BridgedDatabase } from './bridged-database.ts';
import { HandleSession } from './handle-session.ts';
import { keyBy, operationsBy } from './operations.ts';
import { standIn } from './stand-in.ts';
import { fileOf } from './session-settings.ts';
import { StatementLeg, type StatementMethods } from './statement-leg.ts';

/** How a handle is bridged. */
export interface BridgeDatabaseOptions extends AdapterOptions {
  /** Opens a connection of the pooled leg to the handle's file: where the handle was opened with options that it does not tell
   * (`verbose`, `nativeBinding`). Default: the handle's own class, with its `readonly` and time-out. */
  readonly pooled?: ((file: string) => Database.Database) | undefined;
}

/**
 * Puts a bridge in the place of a better-sqlite3 handle:
 *
 * ```ts
 * export const db = bridgeDatabase(new Database('notes.db'), { name: 'notes' });
 * ```
 *
 * The result has the handle's type and behaviour, and answers in the same tick at every stage. Each statement that is executed is a
 * call of the bridge, named by the method that executed it (`get`, `all`, `run`, `iterate`, `exec`, `pragma`, `explain`): routed by the
 * flag `changeover.{name}`, counted, and compared at `shadow` and `reverse` where it reads. The handle is the legacy leg. The pooled leg
 * is two more connections to its file, opened when they are first needed: one that reads, one that writes and that everything goes to
 * which needs one session. A transaction stays on the leg that it was begun on.
 *
 * `bridgeOf(db)` gives what stands behind it. `db.close()` closes the connections of both legs; `bridgeOf(db).close()` ends comparisons
 * and stores the counts.
 *
 * A database in memory, or a temporary one, has one connection only: it stays at `legacy`, `bridgeOf(db).ready()` rejects and the log
 * says why.
 *
 * @throws {WiringError} {InvalidOptionError} for options that can't be used.
 */
export function bridgeDatabase(
  handle: Database.Database,
  options: BridgeDatabaseOptions,
): Database.Database {
  const bridge = bridgePartOf(options, ['pooled']);
  const { name, pure = [], pooled } = options;
  const { prepare } = Object(handle) as { readonly prepare?: unknown };
  if (typeof prepare !== 'function')
    throw new WiringError(
      `The handle of "${name}" is no Database of better-sqlite3: it has no prepare.`,
    );
  if (pooled !== undefined && typeof pooled !== 'function')
    throw new InvalidOptionError(
      `Option pooled must be a function, such as (file) => new Database(file), but is ${shown(pooled)}.`,
    );
  const open = pooled ?? opener(handle);
  const key = keyOf(options);
  // The working directory may be another by the time that a connection is opened.
  const file = fileOf(handle);
  const classifier = createSqliteClassifier({
    pure,
    readSchema: () => session.readSchema(),
  });
  const session: HandleSession = new HandleSession({
    handle,
    open: file === '' ? undefined : () => open(file),
    classifier,
  });
  const keyed = keyBy(key);
  const watch = new SessionWatch(
    () => bridgeOf(bridged),
    (sql) => classifier.learn(sql),
  );
  const operations = operationsBy(keyed, {
    concerns: (traits) => watch.concerns(traits),
    saw: (operation, args) => {
      const [sql, traits] = args;
      const isInside = session.inTransaction !== undefined;
      watch.saw({ key: keyed(...args), operation, sql, traits, isInside });
    },
  });
  const bridged: StatementLeg = createBridge({
    ...bridge,
    legacy: () => newLeg(session, 'legacy'),
    pooled: () => {
      if (file === '')
        throw new WiringError(
          `The database of "${name}" is in memory or temporary, so that no second connection can see it: it stays with its handle. ` +
            'Give it a file.',
        );
      return newLeg(session, 'pooled');
    },
    operations,
    isUnavailable: (error) =>
      typeof error === 'object' && error !== null && session.openFailures.has(error),
  });
  const database = standIn(BridgedDatabase, handle, [
    { session, bridged, methods: methodsOf(bridged, operations) },
    key,
  ]);
  standsFor(database, bridged);
  return database as unknown as Database.Database;
}

function newLeg(session: HandleSession, leg: LegName): StatementLeg {
  return withAbilities(new StatementLeg(session, leg), {
    holds: (_operation, args) => session.holds(leg, args[1] as StatementTraits),
    ...(leg === 'pooled' ? { state: () => Promise.resolve(session.state()) } : {}),
  });
}

/** Detached, which methods of a bridge may be. */
function methodsOf(bridged: StatementLeg, operations: object): StatementMethods {
  return Object.fromEntries(
    Object.keys(operations).map((name) => [name, bridged[name as keyof StatementLeg]]),
  ) as unknown as StatementMethods;
}

/** The driver's own class, so that nothing is imported before the program has. */
function opener(handle: Database.Database): (file: string) => Database.Database {
  const Driver = handle.constructor as typeof Database;
  // One that must exist could attach no file that is to be made.
  return (file) =>
    new Driver(file, {
      readonly: handle.readonly,
      fileMustExist: handle.readonly || !existsSync(file),
    });
}
