import { WiringError } from '@changeover/bridge';
import type { StatementClassifier } from '@changeover/classify';
import { type LegName, NotComparableError } from '@changeover/core';
import type Database from 'better-sqlite3';
import { Connection } from './connection.ts';
import { numberOf, sqliteStateSql, stateIn } from '../shared/data-state.ts';
import { type NativeStatement, PreparedText, type StatementContext } from './prepared-text.ts';
import { RowIterator } from './row-iterator.ts';
import { copySettings, hasPrivateData, withoutWaiting } from './session-settings.ts';
import { type StatementTraits, traitsOf, unknownTraits } from '../shared/statement-traits.ts';

/** How a statement is run. */
export type Way = 'run' | 'get' | 'all' | 'iterate';

/** What a session is made of. */
export interface HandleSessionOptions {
  readonly handle: Database.Database;
  /** Opens one more connection to the handle's file. Undefined where there can be none. */
  readonly open: (() => Database.Database) | undefined;
  readonly classifier: StatementClassifier;
}

/**
 * What the callers of a handle share, as they did when it was one connection: its open transaction, its settings and functions, its
 * temporary objects, kept over the handle itself and the two connections of the pooled leg, one that writes and one that reads.
 *
 * All of it is synchronous, so at most one statement runs at a time, but for those that a statement's own functions make.
 */
export class HandleSession implements StatementContext {
  readonly handle: Connection;
  readonly #options: HandleSessionOptions;
  #writer: Connection | undefined;
  #reader: Connection | undefined;
  /** How deep the calls are nested that callers made: at none it is a comparison that runs. */
  calling = 0;
  meaning = 0;
  safeIntegers = false;
  /** The connection that runs a statement now: what its functions call is refused by it, as on one connection. */
  #running: Connection | undefined;
  #inTransaction: Connection | undefined;
  #lastWrite: LegName | undefined;
  /** The connection on which settings may have changed, and the others were not told. */
  #settingsOf: Connection | undefined;
  readonly #private: Record<LegName, boolean | undefined> = {
    legacy: undefined,
    pooled: undefined,
  };
  /** What was defined on the handle, for connections that are opened later. */
  readonly #definitions = new Map<string, (database: Database.Database) => void>();
  /** A function of the program's has the name of one of SQLite's: what a statement calls can't be told by its name. */
  #namesHidden = false;
  /** The open transaction has changed the schema. */
  #schemaMoved = false;
  readonly openFailures: WeakSet<object> = new WeakSet<object>();

  constructor(options: HandleSessionOptions) {
    this.#options = options;
    this.handle = new Connection('legacy', options.handle);
  }

  classify(sql: string): StatementTraits {
    return this.#namesHidden ? unknownTraits : traitsOf(this.#options.classifier.classify(sql));
  }

  /** The statements of the file's schema, as the open transaction sees it. */
  readSchema(): readonly string[] {
    const { database } = this.#inTransaction ?? this.#reader ?? this.handle;
    return database
      .prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid')
      .safeIntegers(false)
      .pluck()
      .all() as string[];
  }

  /** See `Leg.state`: as the connection tells it that reads of the pooled leg run on. */
  state(): string | undefined {
    if (this.#inTransaction !== undefined) return undefined;
    const { database } = (this.#reader ??= this.#open(true));
    const state = stateIn([database.prepare(sqliteStateSql).get()]);
    return state && `${String(numberOf(database))}:${state}`;
  }

  /** The connection whose transaction is open; undefined where none is. */
  get inTransaction(): Connection | undefined {
    return this.#inTransaction;
  }

  /** Whether a statement is part of what is open on a leg. */
  holds(leg: LegName, traits: StatementTraits): boolean {
    if (this.#inTransaction !== undefined) return this.#inTransaction.leg === leg;
    if (readsFile(traits)) return false;
    if (traits.acts && this.#iterating(leg)) return true;
    if (traits.needsFileAlone) return leg === 'legacy' && !this.#has('pooled');
    if (traits.readsLastWrite) return this.#lastWrite === leg;
    if (!mayNeedSession(traits)) return false;
    return this.#has(leg) && !this.#has(leg === 'legacy' ? 'pooled' : 'legacy');
  }

  /** The leg that a statement would be run on now, where the stage's is `wanted`. */
  legOf(traits: StatementTraits, wanted: () => LegName): LegName {
    if (this.#options.open === undefined) return 'legacy';
    const leg = wanted();
    const other = leg === 'legacy' ? 'pooled' : 'legacy';
    return this.holds(other, traits) ? other : leg;
  }

  /** The pooled leg's connection for a statement. */
  pooled(traits: StatementTraits, way: Way): Connection {
    // Closed is closed: the handle says so in the driver's words.
    if (!this.handle.database.open) return this.handle;
    const reads = readsFile(traits) && (way === 'get' || way === 'all');
    if (reads && this.#inTransaction === undefined) return (this.#reader ??= this.#open(true));
    return (this.#writer ??= this.#open(false));
  }

  /** Runs a statement for a caller, or for a comparison where none is calling. Not by a list or an object, for this is on every caller's
   * path: making one and taking it apart is a tenth of what a call costs beside the driver's own. */
  execute(
    way: Way,
    on: Connection,
    traits: StatementTraits,
    mode: number,
    params: readonly unknown[],
    text: PreparedText,
  ): unknown {
    if (this.calling === 0) return this.#compared(way, on, mode, params, text);
    const outer = this.#running;
    const connection = this.#begin(on, traits);
    let failed = true;
    try {
      const native = text.on(connection, mode);
      const result =
        way === 'iterate'
          ? new RowIterator(native.iterate(...params), native, connection, this)
          : executed(native, way, params);
      failed = false;
      return result;
    } finally {
      this.#running = outer;
      if ((failed || traits.acts) && outer === undefined) this.#after(connection, traits);
    }
  }

  /** Runs what the driver has beside statements: `exec`, `pragma`, `explain`. */
  perform<T>(on: Connection, traits: StatementTraits, work: (database: Database.Database) => T): T {
    if (this.calling === 0) {
      this.#refuseComparison(on);
      if (on.iterators > 0) throw new NotComparableError('rows are being read from the connection');
      return withoutWaiting(on.database, () => work(on.database));
    }
    const outer = this.#running;
    const connection = this.#begin(on, traits);
    try {
      return work(connection.database);
    } finally {
      this.#running = outer;
      if (outer === undefined) this.#after(connection, traits);
    }
  }

  /** Takes a step of an iterator. */
  step<T>(connection: Connection, work: () => T): T {
    const outer = this.#running;
    this.#running = connection;
    try {
      return work();
    } finally {
      this.#running = outer;
    }
  }

  /** Compiles a text where it would be run now. */
  compile(sql: string, on: Connection): PreparedText {
    const connection = this.#running ?? on;
    if (this.#running === undefined) this.#settle(on);
    const text = new PreparedText(sql, this, connection);
    // Some PRAGMAs act while they are compiled.
    if (marksConnection(text.traits) && text.latest.readonly) this.#settingsOf = connection;
    return text;
  }

  /** Defines something on each connection, those that are opened later included. */
  define(name: string, apply: (database: Database.Database) => void): void {
    const busy = ({ iterators }: Connection): number => iterators;
    // Where the driver refuses, for rows are being read, it refuses before anything is defined elsewhere.
    const all = this.#connections().sort((one, other) => busy(other) - busy(one));
    for (const { database } of this.#running === undefined ? all : [this.#running, ...all])
      apply(database);
    this.#definitions.set(name, apply);
  }

  /** Defines a function of the program's. */
  defineFunction(name: unknown, apply: (database: Database.Database) => void): void {
    const builtIn =
      typeof name === 'string' &&
      this.handle.database.open &&
      this.handle.database
        .prepare('SELECT 1 FROM pragma_function_list WHERE builtin AND name = lower(?)')
        .get(name) !== undefined;
    this.define(`function ${String(this.#definitions.size)}`, apply);
    if (!builtIn || this.#namesHidden) return;
    this.#namesHidden = true;
    this.meaning += 1;
  }

  /** Closes each connection. @throws what the driver throws while rows are being read. */
  close(): void {
    const all = this.#connections().sort((one, other) => other.iterators - one.iterators);
    for (const { database } of this.#running === undefined ? all : [this.#running, ...all])
      database.close();
    this.#inTransaction = undefined;
    void this.#options.classifier.close();
  }

  /** The connection that a statement runs on, which is made ready for it. */
  #begin(on: Connection, traits: StatementTraits): Connection {
    // A function of the program's, called by a statement: its own statements are refused by that connection.
    if (this.#running !== undefined) return this.#running;
    if (this.#settingsOf !== undefined) this.#settle(on);
    if (traits.needsFileAlone && on === this.handle) this.#closePooled();
    this.#running = on;
    return on;
  }

  /** Notes what an acting or failed statement left. */
  #after(connection: Connection, traits: StatementTraits): void {
    const { database, leg } = connection;
    if (!database.open) return;
    if (database.inTransaction) this.#inTransaction = connection;
    else if (this.#inTransaction === connection) this.#inTransaction = undefined;
    if (!traits.acts) return;
    this.#lastWrite = leg;
    if (marksConnection(traits)) {
      this.#settingsOf = connection;
      this.#private[leg] = undefined;
    }
    this.#noteSchema(database, traits);
  }

  /** What a transaction changed of the schema may be taken back by its end. */
  #noteSchema({ inTransaction }: Database.Database, { changesSchema }: StatementTraits): void {
    if (!changesSchema && !(this.#schemaMoved && !inTransaction)) return;
    this.#schemaMoved = inTransaction;
    this.#options.classifier.schemaChanged();
    this.meaning += 1;
  }

  #compared(
    way: Way,
    on: Connection,
    mode: number,
    params: readonly unknown[],
    text: PreparedText,
  ): unknown {
    this.#refuseComparison(on);
    const native = text.besides(on, mode);
    if (native === undefined) throw new NotComparableError('its rows are being read one by one');
    return withoutWaiting(on.database, () => native[way](...params));
  }

  /** What is not committed is seen by one connection only. @throws {NotComparableError} */
  #refuseComparison(on: Connection): void {
    if (!on.database.open || !this.handle.database.open)
      throw new NotComparableError('the database was closed');
    if (this.#inTransaction !== undefined)
      throw new NotComparableError('a transaction is open on the handle');
    this.#settle(on);
  }

  /** Gives a connection that is about to be used the settings that were made on another one. */
  #settle(next: Connection): void {
    const from = this.#settingsOf;
    if (from === undefined || from === next) return;
    this.#settingsOf = undefined;
    for (const to of this.#connections())
      if (to !== from && to.database.open) this.#copySettings(from, to);
  }

  #copySettings(from: Connection, to: Connection): void {
    if (from.database.open) copySettings(from.database, to.database, to === this.#reader);
  }

  #open(reads: boolean): Connection {
    const { open } = this.#options;
    if (open === undefined) throw new WiringError('This database can have one connection only.');
    try {
      const connection = new Connection('pooled', open());
      for (const apply of this.#definitions.values()) apply(connection.database);
      this.#copySettings(this.#settingsOf ?? this.#writer ?? this.handle, connection);
      if (reads) connection.database.prepare('PRAGMA query_only = ON').run();
      return connection;
    } catch (error) {
      if (typeof error === 'object' && error !== null) this.openFailures.add(error);
      throw error;
    }
  }

  /** They are opened again when they are needed. */
  #closePooled(): void {
    if (this.#iterating('pooled')) return;
    this.#writer?.database.close();
    this.#reader?.database.close();
    this.#writer = undefined;
    this.#reader = undefined;
  }

  #iterating(leg: LegName): boolean {
    return leg === 'legacy'
      ? this.handle.iterators > 0
      : (this.#writer?.iterators ?? 0) + (this.#reader?.iterators ?? 0) > 0;
  }

  #has(leg: LegName): boolean {
    const connection = leg === 'legacy' ? this.handle : this.#writer;
    if (connection?.database.open !== true) return false;
    return (this.#private[leg] ??= hasPrivateData(connection.database));
  }

  #connections(): Connection[] {
    return [this.handle, this.#writer, this.#reader].filter((each) => each !== undefined);
  }
}

/** Most statements are given one value, which need not be taken out of its list by the call. */
function executed(
  native: NativeStatement,
  way: Exclude<Way, 'iterate'>,
  params: readonly unknown[],
): unknown {
  if (params.length === 1) {
    if (way === 'get') return native.get(params[0]);
    if (way === 'all') return native.all(params[0]);
  }
  return native[way](...params);
}

/** It reads nothing of its connection, so that any one answers alike. */
function readsFile({ reads, readsSettings }: StatementTraits): boolean {
  return reads && !readsSettings;
}

/** It may name a temporary object, or begin a transaction in which one is named. */
function mayNeedSession({ unclear, leaves, control }: StatementTraits): boolean {
  return (
    unclear || leaves === 'temporary objects' || control === 'begin' || control === 'savepoint'
  );
}

/** It may leave a setting, an attached database or a temporary object on its connection. */
function marksConnection({ unclear, leaves, acts }: StatementTraits): boolean {
  return unclear || leaves === 'settings' || (acts && leaves === 'temporary objects');
}
