import { keepsSession, sessionFactsByWords } from './session-facts/session-facts.ts';

/**
 * Whether a statement may leave something on its connection, as far as is known now; true as well where nothing is known yet, undefined
 * where its words are to tell. Asked for each statement behind a pooler by transaction: it must be quick, and not throw.
 */
export type MayLeave = (dataset: string | undefined, sql: string) => boolean | undefined;

/** Takes away what statements may have left: cursors, LISTEN, advisory locks, roles, settings, temporary objects, what `lastval` tells. */
export const cleanConnection: string =
  'CLOSE ALL; UNLISTEN *; SELECT pg_catalog.pg_advisory_unlock_all(); RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; ' +
  'DISCARD TEMP; DISCARD SEQUENCES';

/** What a pooler knows of each of its clients, and sets on whatever connection it lends them. What RESET makes of them it takes for the
 * client's wish. */
const clientsOwn: ReadonlySet<string> = new Set(['application_name', 'client_encoding']);

const words = sessionFactsByWords('postgresql');

/**
 * What statements leave behind a pooler that gives each transaction another connection: the next program to get that would have it. What
 * is seen by a statement's words is refused; what is hidden in a user's function, trigger or view is taken away at the transaction's end.
 */
export class PooledTraces {
  readonly #mayLeave: MayLeave | undefined;
  readonly #told = new Map<string, string>();
  #mayHaveLeft = false;

  /** @param mayLeave default: by words, which tell of a call of a user's function, and of nothing behind a table. */
  constructor(mayLeave: MayLeave | undefined) {
    this.#mayLeave = mayLeave;
  }

  /** The server has told a setting's value: the first one is what the connection was opened with. */
  note(name: string, value: string): void {
    if (clientsOwn.has(name) && !this.#told.has(name)) this.#told.set(name, value);
  }

  /** How a transaction of this statement alone ends; undefined where it leaves nothing. */
  endingAfter(dataset: string | undefined, sql: string): string | undefined {
    return this.#leaves(dataset, sql) ? this.#cleaning('COMMIT') : undefined;
  }

  /** A transaction of several statements begins. */
  begin(): void {
    this.#mayHaveLeft = false;
  }

  /** To be told of each statement in it before that is sent. */
  runs(dataset: string | undefined, sql: string): void {
    this.#mayHaveLeft ||= this.#leaves(dataset, sql);
  }

  /** Whether a statement in it may have left something: {@link checkDeferred} is to be sent before COMMIT then. */
  get mayHaveLeft(): boolean {
    return this.#mayHaveLeft;
  }

  /** The text that ends it. */
  ending(end: 'COMMIT' | 'ROLLBACK'): string {
    return this.#mayHaveLeft ? this.#cleaning(end) : end;
  }

  #leaves(dataset: string | undefined, sql: string): boolean {
    return this.#mayLeave?.(dataset, sql) ?? keepsSession(words.sessionUse(sql));
  }

  /**
   * One message: the pooler lends the connection to somebody else as soon as that is answered. After the transaction, so that a lock is held
   * until what it guards can be seen, and one is freed that a failure left.
   */
  #cleaning(end: 'COMMIT' | 'ROLLBACK'): string {
    const own = [...this.#told].map(
      ([name, value]) => `SET ${name} TO '${value.replaceAll("'", "''")}'`,
    );
    return [end, cleanConnection, ...own].join('; ');
  }
}

/** To be sent before the end of such a transaction: where a deferred constraint makes COMMIT itself fail, nothing behind it is run. */
export const checkDeferred: string = 'SET CONSTRAINTS ALL IMMEDIATE';
