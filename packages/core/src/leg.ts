import type { LegName } from './stage.ts';

/** The checksum of a result, in a form that two legs can be compared by without either's rows. Made by
 * `@changeover/compare` and by nothing else. */
export interface Digest {
  /** `rows` for lists of rows, `value` for anything else. */
  readonly kind: 'rows' | 'value';
  /** Digest of the columns' names in order; the empty string for a value. */
  readonly columns: string;
  /** Number of rows; 1 for a value. */
  readonly count: number;
  /** 16 hexadecimal digits over the rows in order. */
  readonly ordered: string;
  /** 16 hexadecimal digits over the rows in any order: the sum of the rows' digests modulo 2^64, so that an append's
   * effect is after minus before. */
  readonly orderFree: string;
}

/** What a write did, as far as it can be told without the rows. */
export interface WriteEffect {
  /** Rows affected, where the operation reports them. */
  readonly rowsAffected?: number | undefined;
  /** Digest of each touched table's rows after the write (`execute`), or of the written rows alone (`writeTable`). */
  readonly tables: Readonly<Record<string, Digest>>;
  /** What was left out and why, for the report: for example a table over the size limit. Where neither rows nor tables are
   * told, the write was not run at all. */
  readonly unseen: readonly string[];
}

/** A call made for comparison only. */
export interface ShadowCall {
  readonly operation: string;
  readonly args: readonly unknown[];
  /** Aborted at the deadline and at shutdown; the leg gives up at once and frees what it holds as soon as it can. */
  readonly signal: AbortSignal;
  /** What the answer is compared as. Default: as it is. Throws a `NotComparableError` where it can't be compared. */
  readonly compareAs?: ((answer: unknown) => unknown) | undefined;
  /** Told what {@link ShadowLeg.state} would have told just before the read, by a leg that {@link ShadowLeg.digestTellsState}. */
  readonly onState?: ((state: string) => void) | undefined;
}

/**
 * What a store itself shows of writes to what a read reads, whoever made them. `none`: there was none. `removals at most`: no row that
 * is there now is new or was changed, so that rows may have been removed; and of fewer rows the read gives no other ones.
 */
export type WritesSeen = 'none' | 'removals at most';

/** A state of a key that one leg holds, and that both can read. */
export interface HeldSnapshot {
  /** What the other leg calls it by. */
  readonly name: string;
  /** Runs a read in it, as {@link ShadowLeg.read} does. One at a time. */
  read(call: ShadowCall): Promise<unknown>;
  /** See {@link ShadowLeg.writesSince}: up to the snapshot. */
  writesSince?(call: ShadowCall, mark: string): Promise<WritesSeen | undefined>;
  /** Must be called. Idempotent; never rejects. */
  release(): Promise<void>;
}

/** Limits of a shadow write. */
export interface ShadowWriteLimits {
  /** Digests are left out above this number of rows. */
  readonly maxRows: number;
}

/** What a leg offers beside answering callers: work for comparison's sake, apart from the callers' resources. Each
 * function rejects with the operation's error, or with an `AbortedError` when the signal was first. */
export interface ShadowLeg {
  /** False where a shadow call made now could make an answering call wait. Cheap; asked before each shadow call. */
  admits(): boolean;
  /** Runs a read and digests its result where the rows are. */
  digest(call: ShadowCall): Promise<Digest>;
  /** Whether {@link digest} tells the key's state before the read in the same trip to a server, so that it is not asked for in one of its
   * own. Default: false. */
  readonly digestTellsState?: boolean | undefined;
  /** Runs a read for its result: the confirming rerun, which needs the rows to show a difference. */
  read(call: ShadowCall): Promise<unknown>;
  /** A token that differs from an earlier one if anyone, in this process or another, has committed to the key since.
   * Synchronous and cheap, for it is asked on a caller's path. Undefined where the engine can't tell that way. */
  version?(key: string): string | undefined;
  /** Whether the engine can tell versions: then an undefined one says that nobody looks at the moment. Default: false. */
  readonly tellsVersions?: boolean | undefined;
  /** See {@link Leg.state}. */
  state?(key: string, signal: AbortSignal): Promise<string | undefined>;
  /** A token of how far the writes to the key have come, for {@link writesSince}. Asked in the background, for each comparison: quick.
   * Undefined where it can't be told. Default: {@link state}. */
  readonly mark?: ((key: string, signal: AbortSignal) => Promise<string | undefined>) | undefined;
  /** What was written to what a read reads, from a mark until now, whatever else was written. Asked where a difference has gone again.
   * Undefined where the store doesn't show it, or shows that somebody may have written. */
  writesSince?(call: ShadowCall, mark: string): Promise<WritesSeen | undefined>;
  /** Holds the state that the key is in, whatever is committed from now on. Undefined where the engine has no snapshots that
   * connections share. */
  holdSnapshot?(key: string, signal: AbortSignal): Promise<HeldSnapshot | undefined>;
  /** Runs a read in a snapshot that the other leg holds. Rejects with a `SnapshotLostError` where it has ended, or where this leg
   * can't reach it. */
  readInSnapshot?(call: ShadowCall, snapshot: string): Promise<unknown>;
  /** Runs a write in a transaction that is rolled back whatever happens. Unlike the others it settles only when the
   * rollback is done, for the real write follows and would meet its locks; at the signal the engine is asked to give up. */
  rehearse?(call: ShadowCall, limits: ShadowWriteLimits): Promise<WriteEffect>;
  /** What a rehearsal of this call is expected to take, in ms, where one can't be broken off while it runs. Infinity for what
   * nothing bounds; undefined where nothing is known. Absent, or 0, where a rehearsal ends soon after its signal. Synchronous and
   * cheap, for it is asked on a caller's path. */
  estimatedRehearsalMs?(call: Pick<ShadowCall, 'operation' | 'args'>): number | undefined;
  /** Runs a write that doesn't depend on rows already there on a temporary table of the same columns, without a lock on
   * the key. */
  scratchWrite?(call: ShadowCall, limits: ShadowWriteLimits): Promise<WriteEffect>;
}

/** A call that was made so that it can be ended from outside. */
export interface EndableCall {
  /** What the leg's method returned. */
  readonly answer: unknown;
  /**
   * Ends the call, where that can be done so that it is known what became of it: nothing that it holds is left when `answer`
   * settles, and `answer` says whether it was applied, was not (`retryable` is true), or nobody knows.
   *
   * @param reason for the caller, who gets it as the message or as a `cause`.
   * @returns false where the call goes on running as if nothing had been asked.
   */
  end(reason: Error): boolean;
}

/** A read that was made for a caller, and the state of the key that it was made in. */
export interface SnapshotAnswer {
  /** What the leg's method returned. */
  readonly answer: unknown;
  /** Resolves once the answer is there, to the state that it is of; undefined where that is not held. Never rejects. */
  readonly snapshot: Promise<HeldSnapshot | undefined>;
}

/** One of the two implementations of an API, as the router takes it. */
export interface Leg<Api> {
  readonly name: LegName;
  readonly api: Api;
  /** Makes a call of an operation from the list of its arguments, as `api` does, for a leg that takes them so: a list is then not made
   * of them twice. Default: `api`'s methods are called. */
  readonly calls?: Readonly<Record<string, (args: readonly unknown[]) => unknown>> | undefined;
  /** Closes what this leg holds open of a key and keeps it closed while `work` runs, in which the other leg removes the
   * key. Calls to that key wait meanwhile; the next one opens again. Resolves as `work` does. */
  closedWhile?<T>(key: string, work: () => Promise<T>): Promise<T>;
  /**
   * Runs `call`, which makes one call of `api` in the same tick, so that it can be ended. Throws what `call` throws. Absent
   * where no call of this leg can be ended.
   *
   * @param caller whose writes {@link keepsOrder} holds for; undefined where the call's order is nobody's.
   */
  endable?(call: () => unknown, caller?: object): EndableCall;
  /**
   * Runs `call`, which makes one read of `api` in the same tick, and holds the state that it is answered in, if it can be had without the
   * callers' noticing: they go before it. Throws what `call` throws. Absent where no state is held.
   */
  answerInSnapshot?(call: () => unknown): SnapshotAnswer;
  /**
   * True for an operation whose writes on one key, made by {@link endable} for one caller, take effect in the order in which they
   * are made, whatever is tried again on the way: the caller's next one need not wait for the answer of the one before. The same
   * answer each time. Default: none.
   */
  keepsOrder?(operation: string): boolean;
  /** True for a call that is part of what callers left open on this leg: a transaction that a statement began, a temporary table. It
   * goes here whatever the stage, and is not compared. Asked before each call: cheap, and never throws. Default: never. */
  holds?(operation: string, args: readonly unknown[]): boolean;
  /**
   * A token of what a read would see: two that are equal say that nobody committed between, in this process or another. It may differ
   * without a commit to this key. Asked in the background, for each comparison: quick, and on no caller's connection. Undefined where
   * the engine can't tell. Default: it can't, and a leg that was wrong once is then not told from a write that was taken back.
   */
  readonly state?: ((key: string, signal: AbortSignal) => Promise<string | undefined>) | undefined;
  /** Absent where the API's objects offer nothing but themselves: shadow calls then go through `api`. */
  readonly shadow?: ShadowLeg | undefined;
}
