import type { AnswerFacts, Undetermined } from './undetermined.ts';

/** Whether a call reads, writes, or controls the object itself (`closeConnections`). */
export type OperationKind = 'read' | 'write' | 'control';

/** What the router must know of one operation of an API. `Args` are the arguments of a call. */
export type OperationDefinition<Args extends readonly unknown[] = readonly never[]> =
  | ReadDefinition<Args>
  | WriteDefinition<Args>
  | StatementDefinition<Args>
  | { readonly kind: 'control' }
  | LegacyOnlyDefinition<Args>;

/** A call that never moves. */
export interface LegacyOnlyDefinition<Args extends readonly unknown[] = readonly never[]> {
  readonly kind: 'legacyOnly';
  /** As that of a {@link ReadDefinition}. */
  shape?(...args: Args): string;
  key?(...args: Args): string | undefined;
}

/** A call that is one of the others by its arguments, as a statement's text tells it. */
export interface StatementDefinition<Args extends readonly unknown[] = readonly never[]> {
  readonly kind: 'statement';
  key?(...args: Args): string | undefined;
  /** Whether this call reads and does nothing else. Asked on the caller's path: it must be quick and never throw. */
  reads(...args: Args): boolean;
  /** How it is compared if it reads. */
  readonly read: ReadDefinition<Args>;
  /** How it is compared if it acts, or where that can't be told. */
  readonly write: WriteDefinition<Args>;
}

export interface ReadDefinition<Args extends readonly unknown[] = readonly never[]> {
  readonly kind: 'read';
  /** What a result is: `rows` (a list of rows, or `{columns, rows}`) can be compared order-free. Default: `value`. */
  readonly result?: 'rows' | 'value' | undefined;
  /** Whether this call promises the order of its rows. Default: never. */
  ordered?(...args: Args): boolean;
  /** Why this call's result may differ from one run to the next without a write in between. Default: it may not. */
  undetermined?(...args: Args): Undetermined | undefined;
  /** Tells calls apart that are judged apart although their operation is one: the statement without its values, the kind of
   * search. Asked on the caller's path: it must be quick. Never with values, for it is stored and shown. Default: '', one shape. */
  shape?(...args: Args): string;
  /** What the caller passed, for the report of a call that differed. Asked in the background. Default: the arguments as they are. */
  told?(...args: Args): readonly unknown[];
  /**
   * What is known of this call's answer, in place of `ordered` and `undetermined`. Asked in the background once the caller has its
   * answer, and waited for there; must not reject. Default: what those two say.
   */
  facts?(...args: Args): Promise<AnswerFacts>;
  /** The singleton has several connections, and keeps no order among calls that are not awaited: a call waits for none of its
   * caller's that are unfinished. Default: false, the order of issue is kept. */
  readonly unordered?: boolean | undefined;
  key?(...args: Args): string | undefined;
  /** `pure`: the functions among the arguments change nothing, and the other leg may run them too. Default: a call that is given
   * one is not compared. */
  readonly functions?: 'pure' | undefined;
  /** What an answer is compared as. Default: as it is. */
  readonly compareAs?: ((answer: unknown) => unknown) | undefined;
  /** How many rows an answer has, asked before anything of it is copied, of a driver's object that is no list of them and is not used
   * up by being read. Default: the length of the list, and what can be read piece by piece is a stream, which is not compared. */
  readonly countRows?: ((answer: unknown) => number) | undefined;
}

/** A write, by how it is compared at `shadow`, which depends on what its effect depends on. */
export type WriteDefinition<Args extends readonly unknown[] = readonly never[]> = {
  readonly kind: 'write';
  key?(...args: Args): string | undefined;
  /** As that of a {@link ReadDefinition}. */
  shape?(...args: Args): string;
  /** As that of a {@link ReadDefinition}. */
  readonly unordered?: boolean | undefined;
  /** The call removes the key: what the other leg holds open of it is closed meanwhile. Default: false. */
  readonly removesKey?: boolean | undefined;
  /** The call adds a key: calls about no key see that, as they see one removed. Default: false. */
  readonly addsKey?: boolean | undefined;
  /** The call reads and writes by steps of its caller's, as a transaction by callback does: no other write of the key may come
   * between. Default: false. */
  readonly exclusive?: boolean | undefined;
} & (
  | {
      /** Does not depend on rows already there: the shadow leg does it afterwards, apart from the key. */
      readonly comparison: 'scratch';
      touches(...args: Args): TouchedTable;
      /** The same call as it can be made when it has been made, where that differs: without what it asks of the table before. */
      again?(...args: Args): readonly unknown[];
    }
  /** Depends on what is there: rehearsed first in a transaction that is rolled back, inside a budget. */
  | { readonly comparison: 'rehearsed' }
  | {
      /** Runs the caller's function, which must run once: the tables it touched are compared afterwards. */
      readonly comparison: 'afterwards';
      observe(...args: Args): ObservedCall;
    }
  /** What the write left is read from both legs afterwards, by this read of theirs. */
  | { readonly comparison: 'observed'; readonly read: string }
  /** The pooled leg's `rehearse` makes the write first and takes it back: its answer must equal the legacy leg's, or what its
   * `observe` then reads. Both are operations of the legs. */
  | {
      readonly comparison: 'answer';
      readonly rehearse: string;
      readonly observe: string | undefined;
    }
  | { readonly comparison: 'none' }
);

/** The table that a write touches. */
export interface TouchedTable {
  readonly table: string;
  /** True where the rows are added to those that are there, false where they are all there is afterwards. */
  readonly additive: boolean;
  /** How many rows are written. */
  readonly rows: number;
}

/** A call whose function is watched for the tables that it touches. */
export interface ObservedCall {
  /** The arguments to call with instead. */
  readonly args: readonly unknown[];
  /** The tables touched so far. */
  touched(): readonly string[];
}

/** One definition an operation of the API: complete by type. */
export type OperationTable<Api> = {
  readonly [Name in keyof Api]: Api[Name] extends (...args: infer Args) => unknown
    ? OperationDefinition<Args>
    : never;
};
