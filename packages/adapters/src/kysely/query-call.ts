import type { AbortableOperationOptions, CompiledQuery } from 'kysely';
import type { StatementTraits } from '../shared/statement-traits.ts';
import type { Holder } from './lease.ts';

const ofRows: ReadonlySet<string> = new Set([
  'SelectQueryNode',
  'InsertQueryNode',
  'UpdateQueryNode',
  'DeleteQueryNode',
  'MergeQueryNode',
]);

/** What a call is made of. */
export interface QueryCallParts {
  readonly query: CompiledQuery;
  readonly key: string;
  readonly traits: StatementTraits;
  readonly options: AbortableOperationOptions | undefined;
  readonly holder: Holder;
  /** The key's session was touched: what reads it then is not compared. */
  readonly sessionKept: boolean;
}

/**
 * One executed query, with what is known of it. The legs get it beside the text and the parameters.
 *
 * What is private here takes no part when two calls are asked whether they are the same.
 */
export class QueryCall {
  readonly isRead: boolean;
  // One field each and not the parts as they came: one object fewer at every call.
  readonly #query: CompiledQuery;
  readonly #key: string;
  readonly #traits: StatementTraits;
  readonly #options: AbortableOperationOptions | undefined;
  /** Until a leg has it. */
  #holder: Holder | undefined;
  #wasCancelled = false;

  constructor({ query, key, traits, options, holder, sessionKept }: QueryCallParts) {
    this.#query = query;
    this.#key = key;
    this.#traits = traits;
    this.#options = options;
    this.#holder = holder;
    this.isRead = traits.reads && !(sessionKept && traits.readsSettings);
  }

  get key(): string {
    return this.#key;
  }

  get traits(): StatementTraits {
    return this.#traits;
  }

  get query(): CompiledQuery {
    return this.#query;
  }

  get sql(): string {
    return this.#query.sql;
  }

  /** Its text may be any: a statement that the query builder makes of rows leaves nothing on its connection. */
  get mayLeave(): boolean {
    return !ofRows.has(this.#query.query.kind);
  }

  get options(): AbortableOperationOptions | undefined {
    return this.#options;
  }

  /** Its caller gave it up while it ran: nobody wants it run again. One whose signal is aborted after its answer was not cancelled. */
  get wasCancelled(): boolean {
    return this.#wasCancelled;
  }

  /** To be told when its caller's run has ended, in whatever way. */
  ended(): void {
    this.#wasCancelled = this.#options?.signal?.aborted === true;
  }

  /** The query with these parameters: those of a shadow run are copies. */
  queryWith(parameters: readonly unknown[]): CompiledQuery {
    const query = this.#query;
    return parameters === query.parameters ? query : Object.freeze({ ...query, parameters });
  }

  /** Who it is run for: its caller, and nobody for each run after that, which is for comparison. */
  takeHolder(): Holder | undefined {
    const holder = this.#holder;
    this.#holder = undefined;
    return holder;
  }
}
