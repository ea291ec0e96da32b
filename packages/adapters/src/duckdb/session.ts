import type { Caller, Logger } from '@changeover/bridge';
import type { LegName } from '@changeover/core';
import { HeldUpStatements } from '../shared/held-up-statements.ts';
import type { StatementTraits } from '../shared/statement-traits.ts';
import type { HandleSettings } from './handle-settings.ts';
import type { Line } from './line.ts';
import type { PooledConnections } from './pooled-connections.ts';
import { hasPrivateObjects, readFacts } from './session-facts.ts';
import type { Session, Statement } from './statement.ts';

/** What the sessions of one handle share. */
export interface SessionParts {
  /** The handle itself. */
  readonly legacy: Line;
  readonly pooled: PooledConnections;
  readonly settings: HandleSettings;
  readonly logger: () => Logger;
  readonly schemaChanged: () => void;
  /** The sessions that may have a transaction open on the handle. */
  readonly onLegacy: Set<Session>;
  /** How long a statement waits for another caller's transaction, in ms. */
  readonly transactionWaitMs: number;
}

/** What statements of a key left on a leg's connection. */
interface Left {
  /** Statements of which it is being learned. */
  undecided: number;
  /** Temporary objects and the like. */
  isPrivate: boolean;
  /** Appenders that are not closed. */
  appenders: number;
}

/**
 * The connection that the callers of one key believe to have. What reads and needs nothing of it runs on any connection of the
 * pooled leg; all else runs on one that is kept for it, in turn, as on the handle itself: what one statement leaves there the next
 * one finds. A transaction stays where it began, whatever the stage is by then.
 */
export class KeptSession implements Session {
  readonly key: string;
  readonly #parts: SessionParts;
  #line: Line | undefined;
  #opening: Promise<Line> | undefined;
  readonly #left: Readonly<Record<LegName, Left>> = {
    legacy: { undecided: 0, isPrivate: false, appenders: 0 },
    pooled: { undecided: 0, isPrivate: false, appenders: 0 },
  };
  /** Who has, or may come to have, a transaction open on the kept connection. */
  #owner: Caller | undefined;
  readonly #heldUp: HeldUpStatements;

  constructor(key: string, parts: SessionParts) {
    this.key = key;
    this.#parts = parts;
    this.#heldUp = new HeldUpStatements(
      (caller) => this.#isClosedTo(caller),
      parts.transactionWaitMs,
    );
  }

  /** The kept connection, where there is one. */
  get line(): Line | undefined {
    return this.#line;
  }

  get isBetween(): boolean {
    const { legacy, pooled } = this.#left;
    // What is being learned may turn out to have set something.
    if (this.#owner !== undefined || legacy.undecided + pooled.undecided > 0) return false;
    return this.#parts.legacy.isBetween && this.#isKeptBetween();
  }

  #isKeptBetween(): boolean {
    return this.#line?.isBetween !== false;
  }

  mustWait({ caller, ends }: Statement): boolean {
    return !ends && this.#heldUp.mustWait(caller);
  }

  /** In turn, and in the context of this call. */
  whenOpen({ caller }: Statement, issue: () => Promise<unknown>): Promise<unknown> {
    return this.#heldUp.add(caller, issue).answer;
  }

  run(leg: LegName, statement: Statement, values: unknown): Promise<unknown> {
    const { legacy, pooled, settings } = this.#parts;
    statement.sentUnder(settings.version);
    const place = statement.only ?? this.#placeOf(leg, statement);
    if (place === 'legacy') {
      if (statement.controls.length > 0) this.#parts.onLegacy.add(this);
      return this.#noteLeft('legacy', statement, legacy.run(statement, values));
    }
    if (place === 'pool') return pooled.run(statement, values);
    if (this.#isClosedTo(statement.caller) && !statement.ends)
      return this.whenOpen(statement, () => this.run(leg, statement, values));
    return this.#noteLeft('pooled', statement, this.#runOnKept(statement, values));
  }

  /** It goes to a leg whatever the stage is: a transaction is open there, or what it may need was left there. */
  holds(leg: LegName, statement: Statement): boolean {
    if (statement.only !== undefined) return statement.only === leg;
    const other = leg === 'legacy' ? 'pooled' : 'legacy';
    return this.placeNow(other, statement) === leg;
  }

  /** The leg whose connection something is compiled or made on, were it issued now. */
  placeNow(leg: LegName, statement: Statement): LegName {
    return this.#placeOf(leg, statement) === 'legacy' ? 'legacy' : 'pooled';
  }

  /** A prepared statement was started at once on the connection of a leg, which {@link placeNow} has said. */
  startedOn(leg: LegName, statement: Statement): void {
    const line = leg === 'legacy' ? this.#parts.legacy : this.#line;
    if (statement.controls.length > 0 && leg === 'legacy') this.#parts.onLegacy.add(this);
    if (statement.controls.length > 0 && leg === 'pooled') this.#owner ??= statement.caller;
    line?.started(statement);
    void this.#noteLeft(leg, statement, Promise.resolve());
  }

  /** An appender was made on a leg: until it is closed, what writes stays with it. */
  appenderMade(leg: LegName): () => void {
    const left = this.#left[leg];
    let isOpen = true;
    left.appenders += 1;
    return () => {
      if (isOpen) left.appenders -= 1;
      isOpen = false;
    };
  }

  /** Learned while it waits or runs: between transactions its callers can be let in. */
  changed(): void {
    if (this.#line?.isBetween !== true) return;
    this.#owner = undefined;
    this.#heldUp.wake();
  }

  #placeOf(leg: LegName, statement: Statement): 'legacy' | 'pool' | 'kept' {
    const { legacy, onLegacy } = this.#parts;
    const { isPlainRead, caller } = statement;
    if (onLegacy.has(this) && !legacy.isBetween) return 'legacy';
    if (!this.#isKeptBetween() || this.#owner !== undefined)
      // Another caller's that was issued before the transaction was: nothing may wait here for its end.
      return this.#owner !== caller && isPlainRead ? 'pool' : 'kept';
    const holding = this.#holding(isPlainRead);
    if (holding !== undefined) return holding === 'legacy' ? 'legacy' : 'kept';
    if (leg === 'legacy') return 'legacy';
    return isPlainRead ? 'pool' : 'kept';
  }

  /** The leg whose connection has what a statement may need. */
  #holding(isPlainRead: boolean): LegName | undefined {
    const { legacy, pooled } = this.#left;
    if (holds(legacy, isPlainRead)) return 'legacy';
    return holds(pooled, isPlainRead) ? 'pooled' : undefined;
  }

  #isClosedTo(caller: Caller): boolean {
    return this.#owner !== undefined && this.#owner !== caller;
  }

  #runOnKept(statement: Statement, values: unknown): Promise<unknown> {
    if (statement.controls.length > 0) this.#owner ??= statement.caller;
    if (this.#line !== undefined) return this.#line.run(statement, values);
    this.#opening ??= this.#open();
    return this.#opening.then((line) => line.run(statement, values));
  }

  async #open(): Promise<Line> {
    const { pooled, schemaChanged } = this.#parts;
    const changed = (): void => {
      this.changed();
    };
    try {
      this.#line = await pooled.open({ changed, schemaChanged });
      return this.#line;
    } catch (error) {
      this.#owner = undefined;
      this.#heldUp.wake();
      throw error;
    } finally {
      this.#opening = undefined;
    }
  }

  /** Learns what a statement left on its connection. Until then the key stays with it. */
  #noteLeft(leg: LegName, statement: Statement, result: Promise<unknown>): Promise<unknown> {
    const { traits } = statement;
    if (statement.prepares || (traits.known && !marks(traits))) return result;
    const left = this.#left[leg];
    left.undecided += 1;
    const decided = (): void => {
      left.undecided -= 1;
    };
    result.then(() => {
      statement.whenKnown((learned) => {
        const line = leg === 'legacy' ? this.#parts.legacy : this.#line;
        if (!marks(learned) || line === undefined) decided();
        else this.#look(line, left, decided);
      });
    }, decided);
    return result;
  }

  #look(line: Line, left: Left, decided: () => void): void {
    const { settings } = this.#parts;
    line.ask(async (connection) => {
      const isPrivate = await hasPrivateObjects(connection);
      settings.note(await readFacts(connection));
      line.standsOn(settings.version);
      if (isPrivate && !left.isPrivate) this.#tell(line.leg);
      left.isPrivate = isPrivate;
      decided();
    });
  }

  #tell(leg: LegName): void {
    this.#parts
      .logger()
      .info(
        { dataset: this.key, leg },
        `temporary objects were left on the ${leg} connection: statements of this key stay with it`,
      );
  }

  /** In their order, until one of them closes the way to those behind it. */
}

/** A statement may need what is there. */
function holds({ undecided, isPrivate, appenders }: Left, isPlainRead: boolean): boolean {
  return isPrivate || undecided > 0 || (appenders > 0 && !isPlainRead);
}

/** It may leave a setting, a temporary object or the like on its connection. */
function marks({ leaves, unclear, acts }: StatementTraits): boolean {
  return leaves !== 'nothing' || (unclear && acts);
}
