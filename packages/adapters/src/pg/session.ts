import type { LegName } from '@changeover/core';
import type { Caller, Logger } from '@changeover/bridge';
import type { PoolClient } from 'pg';
import type { DrainEvents } from './drain-events.ts';
import { Line } from './line.ts';
import type { PooledConnections } from './pooled-connections.ts';
import type { Settings } from './settings.ts';
import type { Session, Statement } from './statement.ts';
import { HeldUpStatements } from '../shared/held-up-statements.ts';

/** What the sessions of one handle share. */
export interface SessionParts {
  /** The legacy connection. */
  readonly legacy: Line;
  readonly pooled: PooledConnections;
  readonly settings: Settings;
  readonly drain: DrainEvents;
  readonly logger: () => Logger;
  /** The sessions that may have a transaction open on the legacy connection. */
  readonly onLegacy: Set<Session>;
  /** Whether writes that need no connection of their own run on any. */
  readonly spreadWrites: boolean;
  /** How long a statement waits for another caller's transaction, in ms. */
  readonly transactionWaitMs: number;
}

/**
 * The connection that the callers of one key believe to have. What reads and needs nothing of it runs on any connection of the
 * pool; all else runs on one that is kept for it, in turn, as on the handle itself: what one statement leaves there the next one
 * finds. A transaction stays where it began, whatever the stage is by then.
 */
export class KeptSession implements Session {
  readonly key: string;
  readonly #parts: SessionParts;
  #line: Line | undefined;
  #client: PoolClient | undefined;
  #opening: Promise<Line> | undefined;
  /** The leg whose connection holds what no other can be given. */
  #home: LegName | undefined;
  /** Statements by leg of which it is being learned what they leave there. */
  readonly #undecided: Record<LegName, number> = { legacy: 0, pooled: 0 };
  /** Who has, or may come to have, a transaction open on the kept connection. */
  #owner: Caller | undefined;
  /** Whose transaction was lost with its connection. */
  #lostOwner: Caller | undefined;
  readonly #heldUp: HeldUpStatements;
  #isClosed = false;

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

  /** No transaction is open, and nothing under way can have opened one or set something: what is read now can be read elsewhere. */
  get isBetween(): boolean {
    const { legacy, pooled } = this.#undecided;
    // What is being learned may turn out to have set something.
    if (this.#owner !== undefined || legacy + pooled > 0) return false;
    return this.#parts.legacy.isBetween && this.#isKeptBetween();
  }

  #isKeptBetween(): boolean {
    return this.#line?.isBetween !== false;
  }

  /** Whether a caller's statement has to wait until another caller's transaction is over. */
  mustWait(caller: Caller, ends: boolean): boolean {
    return !ends && this.#heldUp.mustWait(caller);
  }

  /** Issues a statement as soon as it need not wait any more: in turn, and in the context of this call. */
  whenOpen(statement: Statement, issue: () => Promise<unknown>): Promise<unknown> {
    const heldUp = this.#heldUp.add(statement.caller, issue);
    // What is learned only now to end the transaction must not wait for its end.
    statement.whenKnown((traits) => {
      if (!heldUp.waits()) return;
      statement.adopt(traits);
      if (traits.ends) heldUp.letGo();
    });
    return heldUp.answer;
  }

  #isClosedTo(caller: Caller): boolean {
    return this.#owner !== undefined && this.#owner !== caller;
  }

  /** Runs a statement for its caller, on the leg's connection or where a transaction or what was left there holds it. */
  run(leg: LegName, statement: Statement, values: unknown): Promise<unknown> {
    const { drain, settings } = this.#parts;
    statement.sentUnder(settings.version);
    const place = this.#placeOf(leg, statement);
    if (place === 'legacy') {
      drain.sent();
      return this.#noteLeft('legacy', statement, this.#runOnLegacy(statement, values));
    }
    const result =
      place === 'pool'
        ? this.#parts.pooled.run(statement, values)
        : this.#runWhenOpen(leg, statement, values);
    drain.follow(result);
    return result;
  }

  #runWhenOpen(leg: LegName, statement: Statement, values: unknown): Promise<unknown> {
    const refusal = this.#refusalOf(statement);
    if (refusal !== undefined) return Promise.reject(refusal);
    if (this.#isClosedTo(statement.caller) && !statement.traits.ends)
      return this.whenOpen(statement, () => this.run(leg, statement, values));
    return this.#noteLeft('pooled', statement, this.#runOnKept(statement, values));
  }

  #placeOf(leg: LegName, { traits, caller }: Statement): 'legacy' | 'pool' | 'kept' {
    const { legacy, onLegacy, pooled, settings, spreadWrites } = this.#parts;
    if (onLegacy.has(this) && legacy.status !== 'I') return 'legacy';
    const isPlain = !traits.mayControl && !traits.sets && !traits.staysPut;
    if (!this.#isKeptBetween() || this.#owner !== undefined) {
      // Another caller's that was issued before the transaction was: nothing may wait here for its end.
      if (this.#owner !== caller && isPlain && pooled.canSpread) return 'pool';
      return 'kept';
    }
    if (this.#home !== undefined) return this.#home === 'legacy' ? 'legacy' : 'kept';
    if (this.#undecided.legacy > 0) return 'legacy';
    if (this.#undecided.pooled > 0) return 'kept';
    if (leg === 'legacy') return 'legacy';
    const canSpread = (traits.reads || (spreadWrites && isPlain)) && settings.isEmpty;
    return canSpread && pooled.canSpread ? 'pool' : 'kept';
  }

  #runOnLegacy(statement: Statement, values: unknown): Promise<unknown> {
    if (statement.traits.mayControl) this.#parts.onLegacy.add(this);
    return this.#parts.legacy.run(statement, values);
  }

  #runOnKept(statement: Statement, values: unknown): Promise<unknown> {
    if (statement.traits.mayControl) this.#owner ??= statement.caller;
    if (this.#line !== undefined) return this.#line.run(statement, values);
    this.#opening ??= this.#open();
    return this.#opening.then((line) => line.run(statement, values));
  }

  async #open(): Promise<Line> {
    const { pooled, settings } = this.#parts;
    let client: PoolClient;
    try {
      client = await pooled.keep();
    } catch (error) {
      this.#opening = undefined;
      this.#owner = undefined;
      this.#heldUp.wake();
      throw error;
    }
    if (this.#isClosed) {
      pooled.letGo(client, true);
      throw new Error('Connection terminated');
    }
    const line = new Line(client, settings, () => {
      if (this.#line !== line || !line.isBetween) return;
      this.#owner = undefined;
      this.#heldUp.wake();
    });
    const lost = (): void => {
      this.#lose(line, client);
    };
    client.once('error', lost);
    client.once('end', lost);
    this.#line = line;
    this.#client = client;
    this.#opening = undefined;
    return line;
  }

  #lose(line: Line, client: PoolClient): void {
    if (this.#line !== line) return;
    this.#line = undefined;
    line.detach();
    this.#parts.pooled.letGo(client, true);
    if (line.status !== 'I') this.#lostOwner = this.#owner;
    if (this.#home === 'pooled') this.#home = undefined;
    this.#owner = undefined;
    this.#parts
      .logger()
      .warn({ dataset: this.key }, 'the connection that was kept for this key was lost');
    this.#heldUp.wake();
  }

  /** A transaction that was lost with its connection must not go on piece by piece on the next one. */
  #refusalOf(statement: Statement): Error | undefined {
    const { caller, traits } = statement;
    if (this.#lostOwner !== caller) return undefined;
    if (traits.begins) {
      this.#lostOwner = undefined;
      return undefined;
    }
    statement.whenKnown(({ ends }) => {
      if (ends && this.#lostOwner === caller) this.#lostOwner = undefined;
    });
    // The driver's own words for it.
    return new Error('Client has encountered a connection error and is not queryable');
  }

  #noteLeft(leg: LegName, statement: Statement, result: Promise<unknown>): Promise<unknown> {
    const { traits } = statement;
    if (!traits.staysPut && !traits.mayControl) return result;
    this.#undecided[leg] += 1;
    const decided = ({ staysPut }: { readonly staysPut: boolean }): void => {
      this.#undecided[leg] -= 1;
      if (staysPut) this.#stayOn(leg);
    };
    result.then(
      () => {
        statement.whenKnown(decided);
      },
      () => {
        decided({ staysPut: false });
      },
    );
    return result;
  }

  #stayOn(leg: LegName): void {
    if (this.#home !== undefined || (leg === 'pooled' && this.#line === undefined)) return;
    this.#home = leg;
    this.#parts
      .logger()
      .info(
        { dataset: this.key, leg },
        `temporary objects or locks were left on the ${leg} connection: statements of this key stay with it`,
      );
  }

  /** In their order, until one of them closes the way to those behind it. */

  /** Gives the kept connection back, whatever it is doing. */
  close(): void {
    this.#isClosed = true;
    const line = this.#line;
    if (line === undefined || this.#client === undefined) return;
    this.#line = undefined;
    line.detach();
    this.#parts.pooled.letGo(this.#client, true);
  }
}
