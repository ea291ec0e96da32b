import type { AbortableOperationOptions, CompiledQuery } from 'kysely';
import type { StatementTraits } from '../shared/statement-traits.ts';
import type { KyselyLease } from './leg.ts';

/** Who has a connection of a leg from its first query until Kysely is done with it. */
export interface Holder {
  lease: KyselyLease | undefined;
}

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
  readonly #parts: QueryCallParts;
  #isTaken = false;

  constructor(parts: QueryCallParts) {
    const { traits, sessionKept } = parts;
    this.#parts = parts;
    this.isRead = traits.reads && !(sessionKept && traits.readsSettings);
  }

  get key(): string {
    return this.#parts.key;
  }

  get traits(): StatementTraits {
    return this.#parts.traits;
  }

  get query(): CompiledQuery {
    return this.#parts.query;
  }

  get sql(): string {
    return this.#parts.query.sql;
  }

  /** Its text may be any: a statement that the query builder makes of rows leaves nothing on its connection. */
  get mayLeave(): boolean {
    return !ofRows.has(this.#parts.query.query.kind);
  }

  get options(): AbortableOperationOptions | undefined {
    return this.#parts.options;
  }

  /** The query with these parameters: those of a shadow run are copies. */
  queryWith(parameters: readonly unknown[]): CompiledQuery {
    const { query } = this.#parts;
    return parameters === query.parameters ? query : Object.freeze({ ...query, parameters });
  }

  /** Who it is run for: its caller, and nobody for each run after that, which is for comparison. */
  takeHolder(): Holder | undefined {
    if (this.#isTaken) return undefined;
    this.#isTaken = true;
    return this.#parts.holder;
  }
}
