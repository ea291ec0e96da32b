/** `unknown` counts as acting: what can't be told runs once and is not compared. */
export type Effect = 'reads' | 'acts' | 'unknown';

/** What a statement does besides answering. Each kind is its own so that a caller can allow one of them where it belongs. */
export type ActKind =
  | 'writes rows'
  | 'returns rows of a write'
  | 'locks rows'
  | 'changes the schema'
  | 'sets the session'
  | 'controls a transaction'
  | 'calls a function that acts'
  | 'reaches outside the database'
  | 'maintains the database'
  | 'several statements'
  | 'not understood';

/** One thing that a statement does, with its detail for people: the function's name, the table, the parser's error. */
export interface Act {
  readonly kind: ActKind;
  readonly detail: string;
}

/**
 * What a statement has to do with the state of its connection beyond the current transaction: nothing, reads it (a setting,
 * the current user), sets it (`SET`, `PREPARE`, `LISTEN`), touches temporary objects, or holds or frees session-level locks.
 * The strongest one counts. Locks that end with the transaction (`FOR UPDATE`, `LOCK TABLE`) are none.
 */
export type SessionUse = 'none' | 'reads' | 'sets' | 'temporary' | 'locks';

/** What a statement does to the transaction it runs in; `settings` last to its end (`SET LOCAL`, `SET CONSTRAINTS`). */
export type TransactionControl =
  | 'begin'
  | 'commit'
  | 'rollback'
  | 'savepoint'
  | 'release'
  | 'rollback to'
  | 'two-phase'
  | 'settings';

/**
 * What the statement promises of the order of its rows: by a top-level ORDER BY that tells any two rows apart (`total`), by one
 * that may leave ties or can't be shown not to (`ties`), or nothing at all.
 */
export type OrderPromise = 'total' | 'ties' | 'none';

/** Why an answer may differ from run to run on the same data. */
export type Cause =
  /** The clock. */
  | 'time'
  /** A random source. */
  | 'random'
  /** A sum of floating-point numbers in whatever order they came: all but the last digits is determined. */
  | 'rounding'
  /** An aggregate or a window function over rows whose order nobody determined. */
  | 'order of rows'
  /** LIMIT, OFFSET or DISTINCT ON took some of the rows, and no order says which. */
  | 'choice of rows'
  /** TABLESAMPLE without a seed. */
  | 'sample'
  /** Sizes, statistics, locks: what the server does at the moment. */
  | 'server state'
  /** A fact about the connection itself: its pid, its port, its cache. */
  | 'connection fact'
  /** Times and counts of EXPLAIN ANALYZE. */
  | 'plan';

/**
 * A part of the answer that differs from run to run. In `columns`: only these, by their index from 0, or from the end (-1 is the
 * last) where the number of columns before them is not known; everything else is determined. In `rows`: which rows there are,
 * and so any column.
 */
export type Undetermined =
  | { readonly what: Cause; readonly where: 'rows' }
  | { readonly what: Cause; readonly where: 'columns'; readonly columns: readonly number[] };

/** A table, view or sequence that the statement names, as written. */
export interface TableUse {
  readonly schema?: string;
  readonly name: string;
  readonly written: boolean;
}

/** A top-level LIMIT or OFFSET. */
export interface Limited {
  /** Whether the order, or a key, determines which rows it keeps; `ties`: but for rows equal in the order; `any`: nothing does. */
  readonly rows: 'determined' | 'ties' | 'any';
  /**
   * The same statement with all its rows, taking the same parameters: its answer holds each row that the limited one may give.
   * Undefined where the parser can't vouch for it.
   */
  readonly sqlWithoutLimit: string | undefined;
}

/** What a statement does. Frozen; shared by all who ask for the same text. */
export interface Statement {
  readonly effect: Effect;
  /** Empty if it reads. */
  readonly acts: readonly Act[];
  readonly session: SessionUse;
  /** Reads what the connection's last write left: `last_insert_rowid()`, `changes()`, `lastval()`, `currval()`. Not part of `session`. */
  readonly readsLastWrite: boolean;
  /** It runs code of a user's that can't be looked into (a function in another language than SQL and PL/pgSQL, SQL that is made as it goes):
   * what that does to the session is in no part of `session`. */
  readonly opaque: boolean;
  /** What a function, a view or a macro of a user's which it uses, or a default that its text doesn't show, asks for: the time, a random number
   * and the like, so that what the statement writes may be other values at each run. */
  readonly anewInside: readonly Cause[];
  /** What of all that it does a rollback does not take back, or may not, in words: a sequence's number, what reaches outside, code that can't
   * be looked into. Of its own text only what rows it writes and what it calls is judged. */
  readonly lasting: readonly string[];
  /** Code of users' own on PostgreSQL that it runs, in the versions that were looked into: triggers, event triggers and functions. */
  readonly code: readonly string[];
  readonly transaction: TransactionControl | undefined;
  readonly order: OrderPromise;
  /**
   * Columns of the answer whose values come in the order of a top-level ORDER BY, the first term first, as far as its terms are
   * columns of the answer: by index from 0, or by a name that ignores case.
   */
  readonly sortedBy: readonly (number | string)[];
  /**
   * Where ORDER BY leaves ties, or may: the same statement with one column more, the last, a number
   * that rows have in common which are equal in the order, and no others. Takes the same parameters; it is a guess, which the engine may
   * refuse. Undefined where the words or what is known of the order don't vouch for it.
   */
  readonly sqlWithPlaces: string | undefined;
  readonly limited: Limited | undefined;
  readonly undetermined: readonly Undetermined[];
  /** Functions, views and settings that tell about the connection itself: not to be compared, but to be listed. */
  readonly connectionFacts: readonly string[];
  readonly tables: readonly TableUse[];
  /** Those that it reaches by views, functions and macros of a user's, as they name them. */
  readonly reached: readonly TableUse[];
  /** The text with literals taken out and lists shortened to one entry: for reports and quotas, never to decide by. */
  readonly shape: string;
}

/** In one sentence why a statement counts as acting; undefined if it reads. */
export function reasonOf(statement: Statement): string | undefined {
  if (statement.acts.length === 0) return undefined;
  return [...new Set(statement.acts.map(({ kind, detail }) => `${kind}: ${detail}`))].join('; ');
}
