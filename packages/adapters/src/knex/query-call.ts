import { NotComparableError } from '@changeover/core';
import type { LeasedStatement } from '../shared/leases.ts';
import type { StatementTraits } from '../shared/statement-traits.ts';
import type { KnexQuery } from './knex-client.ts';
import type { KnexLease } from './lender.ts';

/** Who has a connection of a leg from its first query until Knex gives it back. */
export interface Holder {
  lease: KnexLease | undefined;
  /** Knex wants nothing more to run on it: what waits for it is not run. */
  readonly isDisposed: boolean;
  /** A statement on it ran out of the time that its caller gave it. */
  readonly ranOutOfTime: boolean;
}

/** Methods of the query builder that make statements of rows. */
const ofRows: ReadonlySet<string | undefined> = new Set([
  ...['select', 'first', 'pluck', 'insert', 'update', 'del', 'counter'],
]);

/** Knex no longer waits for the statement. It was not run. */
export class GivenUpError extends Error {
  constructor() {
    super('The statement was given up before it was run.');
  }
}

/** What a call is made of. */
export interface QueryCallParts {
  readonly query: KnexQuery;
  readonly key: string;
  readonly traits: StatementTraits;
  readonly holder: Holder;
  /** The key's session was touched: what reads it then is not compared. */
  readonly sessionKept: boolean;
}

/**
 * One executed query, with what is known of it. The legs get it beside the text and the bindings.
 *
 * What is private here takes no part when two calls are asked whether they are the same.
 */
export class QueryCall implements LeasedStatement {
  readonly isRead: boolean;
  // One field each and not the parts as they came: one object fewer at every call.
  readonly #query: KnexQuery;
  readonly #key: string;
  readonly #traits: StatementTraits;
  readonly #holder: Holder;
  #state: 'waits' | 'begun' | 'given up' = 'waits';

  constructor({ query, key, traits, holder, sessionKept }: QueryCallParts) {
    this.#query = query;
    this.#key = key;
    this.#traits = traits;
    this.#holder = holder;
    this.isRead = traits.reads && !(sessionKept && traits.readsSettings);
  }

  get key(): string {
    return this.#key;
  }

  get traits(): StatementTraits {
    return this.#traits;
  }

  get query(): KnexQuery {
    return this.#query;
  }

  get sql(): string {
    return this.#query.sql;
  }

  /** Its text may be any: a statement that the query builder makes of rows leaves nothing on its connection. */
  get mayLeave(): boolean {
    return !ofRows.has(this.#query.method);
  }

  /**
   * A query of its own with these bindings, for a driver's answer that its caller does not see.
   *
   * @throws {NotComparableError} where the caller's ran out of its time: the other one would take as long, with nobody to cut it.
   */
  copyWith(bindings: readonly unknown[] | undefined): KnexQuery {
    if (this.#holder.ranOutOfTime)
      throw new NotComparableError('the statement ran out of the time that its caller gave it');
    return { ...this.#query, bindings };
  }

  /** Who it is run for: its caller, and nobody for each run after that, which is for comparison. */
  takeHolder(): Holder | undefined {
    if (this.#state === 'begun') return undefined;
    const holder = this.#holder;
    if (this.#state === 'given up' || holder.isDisposed) throw new GivenUpError();
    this.#state = 'begun';
    return holder;
  }

  /** No leg has begun with it. */
  get waits(): boolean {
    return this.#state === 'waits';
  }

  /** It is not to be run any more. False where it was begun. */
  giveUp(): boolean {
    if (this.#state === 'begun') return false;
    this.#state = 'given up';
    return true;
  }
}
