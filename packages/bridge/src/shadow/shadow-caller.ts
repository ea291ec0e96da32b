import {
  type Clock,
  type Digest,
  type HeldSnapshot,
  type Leg,
  type LegName,
  NotComparableError,
  type ShadowCall,
  SnapshotLostError,
  type WritesSeen,
} from '@changeover/core';
import { compareDigests, digestResult, Redactor } from '@changeover/compare';
import { callForComparison } from '../guarantees/index.ts';
import { LegLane } from './leg-lane.ts';
import type { LoopBudget } from './budgets.ts';
import { comesOfLoad } from './comes-of-load.ts';
import { isPromise } from '../call/leg-calls.ts';

/** What a leg made of a call: a result by its digest, or an error by its kind. */
export type Outcome =
  | { readonly kind: 'result'; readonly digest: Digest }
  /** `unavailable`: it tells nothing of the data, for nothing was run or it was given up. */
  | { readonly kind: 'error'; readonly code: string; readonly unavailable: boolean };

/** Whether two outcomes are the same for the caller. Errors are compared by kind. */
export function sameOutcome(a: Outcome, b: Outcome, ordered: boolean): boolean {
  if (a.kind === 'error' || b.kind === 'error') {
    return a.kind === 'error' && b.kind === 'error' && a.code === b.code;
  }
  const comparison = compareDigests(a.digest, b.digest);
  return comparison === 'equal' || (!ordered && comparison === 'order');
}

/** A result with its outcome, for showing a difference. */
export interface FullOutcome {
  readonly outcome: Outcome;
  readonly result: unknown;
}

/** How long somebody who wrote is expected to write again. */
const writersRememberedMs = 60_000;
/** A version that was told so long ago, in ms, serves as what was before a call, where no write of this process began or ended since. */
const versionServesMs = 1;

/** Keys of which something is remembered; beyond it the one told of longest ago is forgotten. */
const maxKeys = 1_000;

/** When a token was told, by the monotonic clock. */
interface WhenTold {
  readonly atMs: number;
  /** What it holds as long as. Default: nothing that could be told. */
  readonly basis?: string | number | undefined;
}

interface Token extends WhenTold {
  readonly token: string;
  readonly changedMs: number;
}

/** The last token that was told of each key: of a bounded number of keys. */
class ToldTokens {
  readonly #tokens = new Map<string, Token>();

  note(key: string, token: string, { atMs, basis }: WhenTold): void {
    const before = this.#tokens.get(key);
    const isOther = before !== undefined && before.token !== token;
    const changedMs = isOther ? atMs : (before?.changedMs ?? -Infinity);
    this.#tokens.delete(key);
    this.#tokens.set(key, { token, atMs, basis, changedMs });
    if (this.#tokens.size <= maxKeys) return;
    const [oldest] = this.#tokens.keys();
    if (oldest !== undefined) this.#tokens.delete(oldest);
  }

  /** The token of a key, if it was told before a moment. */
  before(key: string, ms: number): string | undefined {
    const told = this.#tokens.get(key);
    return told !== undefined && told.atMs < ms ? told.token : undefined;
  }

  /** The token of a key, if its basis is still the same and it was told no earlier than a moment. */
  on(key: string, basis: string | number, sinceMs = -Infinity): string | undefined {
    const told = this.#tokens.get(key);
    return told !== undefined && told.basis === basis && told.atMs >= sinceMs
      ? told.token
      : undefined;
  }

  /** Whether another token than the one before was told since a moment. */
  hasChangedSince(key: string, ms: number): boolean {
    return (this.#tokens.get(key)?.changedMs ?? -Infinity) > ms;
  }
}

/** Makes calls for comparison's sake. A call that doesn't end at its signal is waited for all the same: the queue gives
 * the comparison up at its deadline, and counts what never ends. The legacy leg gets one call at a time, and only when no
 * caller waits there; the pooled leg has a shadow budget of its own. */
export class ShadowCaller {
  readonly #legs: Readonly<Record<LegName, Leg<object>>>;
  readonly #legacyLane: LegLane;
  readonly #clock: Clock;
  readonly #isUnavailable: (error: unknown) => boolean;
  readonly #loopBudget: LoopBudget;
  /** What was told of the keys' states last, and of their marks. */
  readonly #states = new ToldTokens();
  readonly #marks = new ToldTokens();
  readonly #versions = new ToldTokens();

  constructor(
    legs: Readonly<Record<LegName, Leg<object>>>,
    clock: Clock,
    isUnavailable: (error: unknown) => boolean,
    loopBudget: LoopBudget,
  ) {
    this.#legs = legs;
    this.#legacyLane = new LegLane(legs.legacy.shadow, clock);
    this.#clock = clock;
    this.#isUnavailable = isUnavailable;
    this.#loopBudget = loopBudget;
  }

  /** The digest of a read; the rows stay where they are. `took` is told how long it was. Rejects only when the signal is aborted. */
  digest(
    leg: LegName,
    call: ShadowCall,
    result: 'rows' | 'value',
    took?: (ms: number) => void,
  ): Promise<Outcome> {
    const { shadow } = this.#legs[leg];
    return this.#outcome(
      leg,
      call.signal,
      took,
      shadow === undefined
        ? async () => digestResult(await this.#invoke(leg, call), result)
        : () => shadow.digest(call),
    );
  }

  /** A read with its rows, in a snapshot that the pooled leg holds where one is given. Rejects only when the signal is aborted or
   * the snapshot is lost. */
  async read(
    leg: LegName,
    call: ShadowCall,
    result: 'rows' | 'value',
    snapshot?: HeldSnapshot,
  ): Promise<FullOutcome> {
    let value: unknown;
    const outcome = await this.#outcome(leg, call.signal, undefined, async () => {
      value = await this.#read(leg, call, snapshot);
      return digestResult(value, result);
    });
    return { outcome, result: value };
  }

  /** A snapshot that both legs can read in; undefined where there is none to be had. Rejects only when the signal is aborted. */
  async holdSnapshot(key: string, signal: AbortSignal): Promise<HeldSnapshot | undefined> {
    const { legacy, pooled } = this.#legs;
    if (legacy.shadow?.readInSnapshot === undefined) return undefined;
    try {
      return await pooled.shadow?.holdSnapshot?.(key, signal);
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  }

  /** Whether what a caller's read is answered in may be held for its comparison, and somebody writes, so that it can be needed. */
  mayHoldAnswer(key: string): boolean {
    const { legacy, pooled } = this.#legs;
    return (
      key !== '' &&
      pooled.answerInSnapshot !== undefined &&
      legacy.shadow?.readInSnapshot !== undefined &&
      this.#states.hasChangedSince(key, this.#clock.monotonicMs() - writersRememberedMs)
    );
  }

  /** No answering call waits on the legacy leg right now. */
  get legacyAdmits(): boolean {
    return this.#legs.legacy.shadow?.admits() !== false;
  }

  /** What the pooled leg says of commits by anyone; see {@link ShadowLeg.version}. Never throws. */
  version(key: string): string | undefined {
    try {
      return this.#legs.pooled.shadow?.version?.(key);
    } catch {
      return undefined;
    }
  }

  /** {@link version} as of this moment or one just before: asked of every call that is compared, on its caller's path.
   *
   * @param epoch of the key's gate. */
  versionBefore(key: string, epoch: number, nowMs: number): string | undefined {
    const told = this.#versions.on(key, epoch, nowMs - versionServesMs);
    if (told !== undefined) return told;
    const version = this.version(key);
    if (version !== undefined) this.#versions.note(key, version, { atMs: nowMs, basis: epoch });
    return version;
  }

  /** What the pooled leg says of the data's state; see {@link Leg.state}. Rejects only when the signal is aborted. */
  async state(key: string, signal: AbortSignal): Promise<string | undefined> {
    const { pooled } = this.#legs;
    return await this.#asked(
      this.#states,
      key,
      signal,
      async () => await (pooled.shadow?.state?.(key, signal) ?? pooled.state?.(key, signal)),
    );
  }

  /** Whether a digest of the pooled leg's tells the state before it; see {@link ShadowLeg.digestTellsState}. */
  get digestTellsState(): boolean {
    return this.#legs.pooled.shadow?.digestTellsState === true;
  }

  /** To be told what a digest told of a key's state, which is its mark, too. */
  told(key: string, state: string): void {
    const at = { atMs: this.#clock.monotonicMs() };
    this.#states.note(key, state, at);
    this.#marks.note(key, state, at);
  }

  /** What {@link state} told of a key, if it was told before a moment and nothing was told since. */
  stateBefore(key: string, ms: number): string | undefined {
    return this.#states.before(key, ms);
  }

  /**
   * What the pooled leg says of how far writes have come; see {@link ShadowLeg.mark}. Rejects only when the signal is aborted.
   *
   * @param now what {@link version} or {@link state} has just told.
   */
  async mark(
    key: string,
    now: { readonly version: string | undefined; readonly state: string | undefined },
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { shadow } = this.#legs.pooled;
    if (key === '' || shadow === undefined) return undefined;
    const { mark } = shadow;
    const { version, state } = now;
    // Nobody has committed since.
    const same = version === undefined ? undefined : this.#marks.on(key, version);
    if (same !== undefined) return same;
    const ask = async (): Promise<string | undefined> =>
      mark === undefined ? state : await mark.call(shadow, key, signal);
    return await this.#asked(this.#marks, key, signal, ask, version);
  }

  /** Notes what is told of a key; undefined where it can't be had. Rejects only when the signal is aborted.
   *
   * @param basis see {@link ToldTokens.note}. */
  async #asked(
    told: ToldTokens,
    key: string,
    signal: AbortSignal,
    ask: () => Promise<string | undefined>,
    basis?: string,
  ): Promise<string | undefined> {
    let token: string | undefined;
    try {
      token = await ask();
    } catch {
      signal.throwIfAborted();
    }
    if (token !== undefined) told.note(key, token, { atMs: this.#clock.monotonicMs(), basis });
    return token;
  }

  /** As {@link stateBefore}, of {@link mark}. */
  markBefore(key: string, ms: number): string | undefined {
    return this.#marks.before(key, ms);
  }

  /** See {@link ShadowLeg.writesSince}: up to a snapshot where one is given. Rejects only when the signal is aborted or the snapshot is
   * lost. */
  async writesSince(
    call: ShadowCall,
    mark: string,
    snapshot?: HeldSnapshot,
  ): Promise<WritesSeen | undefined> {
    try {
      const { shadow } = this.#legs.pooled;
      return await (snapshot === undefined
        ? shadow?.writesSince?.(call, mark)
        : snapshot.writesSince?.(call, mark));
    } catch (error) {
      call.signal.throwIfAborted();
      if (error instanceof SnapshotLostError) throw error;
      return undefined;
    }
  }

  /** An answer as an outcome. */
  outcomeOf(value: unknown, result: 'rows' | 'value'): Outcome {
    return { kind: 'result', digest: digestResult(value, result) };
  }

  /** An error as an outcome: errors are compared by their kind, since the drivers' words are their own. */
  outcomeOfError(error: unknown): Outcome {
    const unavailable = this.#isUnavailable(error) || comesOfLoad(error);
    return { kind: 'error', code: errorCode(error), unavailable };
  }

  async #outcome(
    leg: LegName,
    signal: AbortSignal,
    took: ((ms: number) => void) | undefined,
    digest: () => Promise<Digest>,
  ): Promise<Outcome> {
    const timed = async (): Promise<Digest> => {
      const startedMs = this.#clock.monotonicMs();
      const made = await digest();
      took?.(this.#clock.monotonicMs() - startedMs);
      return made;
    };
    try {
      const made = leg === 'legacy' ? await this.#legacyLane.run(signal, timed) : await timed();
      signal.throwIfAborted();
      return { kind: 'result', digest: made };
    } catch (error) {
      if (
        signal.aborted ||
        error instanceof SnapshotLostError ||
        error instanceof NotComparableError
      )
        throw error;
      return this.outcomeOfError(error);
    }
  }

  #read(leg: LegName, call: ShadowCall, snapshot: HeldSnapshot | undefined): Promise<unknown> {
    const { shadow } = this.#legs[leg];
    if (shadow === undefined) return this.#invoke(leg, call);
    if (snapshot === undefined) return shadow.read(call);
    if (leg === 'pooled') return snapshot.read(call);
    return (
      shadow.readInSnapshot?.(call, snapshot.name) ??
      Promise.reject(new SnapshotLostError('This leg has no snapshots.'))
    );
  }

  async #invoke(leg: LegName, call: ShadowCall): Promise<unknown> {
    const { api } = this.#legs[leg];
    const method = (api as Record<string, ((...args: readonly unknown[]) => unknown) | undefined>)[
      call.operation
    ];
    if (method === undefined)
      throw new TypeError(`the ${leg} leg has no operation ${call.operation}`);
    const startedMs = this.#clock.monotonicMs();
    const result = callForComparison(() => Reflect.apply(method, api, call.args));
    if (isPromise(result)) this.#loopBudget.answersLater(leg, call.operation);
    else {
      this.#loopBudget.took(leg, call.operation, this.#clock.monotonicMs() - startedMs);
    }
    const value = await result;
    return call.compareAs === undefined ? value : call.compareAs(value);
  }
}

const plainKind = /^[\w.-]{1,60}$/;
const kinds = new Redactor();

/** The stable name of an error's kind. Tells no value. */
export function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null) return typeof error;
  const { code, name } = error as { code?: unknown; name?: unknown };
  const told =
    typeof code === 'string' && code !== '' ? code : typeof name === 'string' ? name : 'Error';
  // What is no plain name may be words of the data, and still tells two errors apart.
  return plainKind.test(told) ? told : `Error #${kinds.redact(told).digest}`;
}
