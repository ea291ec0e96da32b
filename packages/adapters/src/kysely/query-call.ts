import type { Statement, TransactionControl } from '@changeover/classify';
import type { Undetermined } from '@changeover/core';
import type { AbortableOperationOptions, CompiledQuery } from 'kysely';
import type { Lease } from './leases.ts';

/** Who has a connection of a leg from its first query until Kysely is done with it. */
export interface Holder {
  lease: Lease | undefined;
}

const ofRows: ReadonlySet<string> = new Set([
  'SelectQueryNode',
  'InsertQueryNode',
  'UpdateQueryNode',
  'DeleteQueryNode',
  'MergeQueryNode',
]);

/** What the first word makes of a text that was not classified yet: in both engines these words begin nothing else. */
const leadingControl: Readonly<Record<string, TransactionControl>> = {
  begin: 'begin',
  start: 'begin',
  commit: 'commit',
  end: 'commit',
  rollback: 'rollback',
  abort: 'rollback',
};

const causes: Readonly<Record<string, Undetermined['kind']>> = {
  rounding: 'rounding',
  'order of rows': 'choice',
  'choice of rows': 'choice',
};

/**
 * One executed query, with what is known of it. The legs get it beside the text and the parameters.
 *
 * What is private here takes no part when two calls are asked whether they are the same.
 */
export class QueryCall {
  readonly isRead: boolean;
  readonly #query: CompiledQuery;
  readonly #key: string;
  readonly #statement: Statement | 'pending';
  readonly #options: AbortableOperationOptions | undefined;
  #holder: Holder | undefined;

  /** @param sessionKept true where the key's session was touched: what reads it then is not compared. */
  constructor(parts: {
    readonly query: CompiledQuery;
    readonly key: string;
    readonly statement: Statement | 'pending';
    readonly options: AbortableOperationOptions | undefined;
    readonly holder: Holder;
    readonly sessionKept: boolean;
  }) {
    const { statement } = parts;
    this.#query = parts.query;
    this.#key = parts.key;
    this.#statement = statement;
    this.#options = parts.options;
    this.#holder = parts.holder;
    this.isRead =
      statement !== 'pending' &&
      statement.effect === 'reads' &&
      !usesSession(statement) &&
      !(parts.sessionKept && statement.session === 'reads') &&
      statement.connectionFacts.length === 0;
  }

  get key(): string {
    return this.#key;
  }

  get statement(): Statement | 'pending' {
    return this.#statement;
  }

  get query(): CompiledQuery {
    return this.#query;
  }

  get sql(): string {
    return this.#query.sql;
  }

  /** The rows come in a promised order. */
  get isOrdered(): boolean {
    return this.#statement !== 'pending' && this.#statement.order !== 'none';
  }

  /** It changes the schema, or it is not known yet whether it does. */
  get mayChangeSchema(): boolean {
    return this.#statement === 'pending' || changesSchema(this.#statement);
  }

  /** Its text may be any: a statement that the query builder makes of rows leaves nothing on its connection. */
  get mayLeave(): boolean {
    return !ofRows.has(this.#query.query.kind);
  }

  /** Why its answer may differ from run to run, by what leaves most open. */
  get undetermined(): Undetermined | undefined {
    if (this.#statement === 'pending') return undefined;
    const found = this.#statement.undetermined.map(({ what }): Undetermined => ({
      kind: causes[what] ?? 'volatile',
      reason: what,
    }));
    return (
      found.find(({ kind }) => kind === 'volatile') ??
      found.find(({ kind }) => kind === 'choice') ??
      found[0]
    );
  }

  get options(): AbortableOperationOptions | undefined {
    return this.#options;
  }

  /** The query with these parameters: those of a shadow run are copies. */
  queryWith(parameters: readonly unknown[]): CompiledQuery {
    return parameters === this.#query.parameters
      ? this.#query
      : Object.freeze({ ...this.#query, parameters });
  }

  /** Who it is run for: its caller, and nobody for each run after that, which is for comparison. */
  takeHolder(): Holder | undefined {
    const holder = this.#holder;
    this.#holder = undefined;
    return holder;
  }
}

/** Leaves something on its connection, or needs what the last write left there. */
export function usesSession(statement: Statement): boolean {
  return statement.readsLastWrite || leavesOnConnection(statement);
}

/** A later statement finds something on the connection. */
export function leavesOnConnection({ session }: Statement): boolean {
  return session === 'sets' || session === 'temporary' || session === 'locks';
}

export function changesSchema({ acts }: Statement): boolean {
  return acts.some(({ kind }) => kind === 'changes the schema' || kind === 'several statements');
}

/** What a statement does to the transaction around it. */
export function controlOf(
  statement: Statement | 'pending',
  sql: string,
): TransactionControl | undefined {
  if (statement !== 'pending' && statement.effect !== 'unknown') {
    const alone = !statement.acts.some(({ kind }) => kind === 'several statements');
    return alone ? statement.transaction : undefined;
  }
  const [, word = '', rest = ''] = /^\s*([a-z]+)\b([\s\S]*)$/i.exec(sql) ?? [];
  const control = leadingControl[word.toLowerCase()];
  if (control === 'rollback' && /^\s*(transaction\s+|work\s+)?to\b/i.test(rest))
    return 'rollback to';
  return control;
}
