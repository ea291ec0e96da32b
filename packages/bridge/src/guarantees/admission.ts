import type { LegName } from '@changeover/core';
import type { Caller } from './caller.ts';
import type { KeyGate } from './key-gate.ts';
import type { Lane } from './lane.ts';

/** Whose calls take effect in the order they were issued: all of the process, each caller's own, or nobody's. */
export type OrderLevel = 'process' | 'caller' | 'none';

/** Whether a transaction excludes the key's other writes and transactions in this process. */
export type ExclusionLevel = 'process' | 'none';

/** What a gate has to know of a call. Does not change from call to call of one route: make it once and hand it in again. */
export interface CallTraits {
  readonly kind: 'read' | 'write' | 'transaction';
  readonly leg: LegName;
  readonly order: OrderLevel;
  readonly exclusion: ExclusionLevel;
  /** No other write of the key may run meanwhile, on either leg: a rehearsal must not meet a write. Not for reads. */
  readonly alone: boolean;
  /**
   * The leg itself does with calls that were handed to it one after another what it always did, as a singleton does: the
   * call doesn't wait for those of its caller that were ({@link KeyGate.handOver}), whatever they are.
   */
  readonly legKeepsOrder: boolean;
  /**
   * How many calls of one caller such a leg is handed before it has answered any. The others wait at the gate, where a move back
   * still reaches them. Default: any number.
   */
  readonly mostHanded?: number | undefined;
}

/**
 * Where a call stands: it waits for earlier calls of its caller, then for its turn among the key's writes, then it is in
 * flight. A waived one still runs, but nobody waits for it; a cut one was a transaction that was ended from outside.
 */
export type AdmissionState =
  'waits for order' | 'waits for turn' | 'in flight' | 'waived' | 'cut' | 'over';

/** One call at a gate, from {@link KeyGate.announce} to {@link KeyGate.leave}. */
export class Admission {
  readonly gate: KeyGate;
  readonly caller: Caller;
  /** Changed by {@link KeyGate.redirect} alone. */
  traits: CallTraits;
  /** @internal */
  readonly lane: Lane;
  /** The transaction on another key that this call was made in, if that was running. */
  readonly parent: Admission | undefined;
  /** Since when it has been in flight, or has waited where it isn't yet: by the clock's `monotonicMs`. */
  sinceMs: number;
  state: AdmissionState = 'waits for order';
  /**
   * Undefined where the call was admitted at once: it is made in the same tick. Otherwise resolves when it may be made, and
   * rejects with the signal's reason if that is aborted before, or with a `DeadlockError` if only now all that it waits for
   * came to wait for its transaction. After a rejection there is nothing to leave.
   */
  ready: Promise<void> | undefined = undefined;
  /** What the call is to whoever announced it. */
  subject: unknown = undefined;
  /** Ends the call from outside, where its leg can: see `EndableCall.end`. Set by whoever makes it. */
  end: ((reason: Error) => boolean) | undefined = undefined;
  /** It is being ended from outside: what its work goes on to do is refused. */
  ending = false;
  /** It was handed to a leg that keeps what it is given in order. @internal */
  handed = false;
  /** Neighbours in the one list that it is in. @internal */
  previous: Admission | undefined = undefined;
  /** @internal */
  next: Admission | undefined = undefined;
  /** Ends its waiting, with an error or admitted. @internal */
  settle: ((error?: Error) => void) | undefined = undefined;
  /** Unfinished calls on other keys that were made inside this transaction. @internal */
  nested: Set<Admission> | undefined = undefined;

  constructor(
    gate: KeyGate,
    caller: Caller,
    traits: CallTraits,
    lane: Lane,
    parent: Admission | undefined,
    sinceMs: number,
  ) {
    this.gate = gate;
    this.caller = caller;
    this.traits = traits;
    this.lane = lane;
    this.parent = parent;
    this.sinceMs = sinceMs;
  }

  /** Sets {@link ready} and {@link settle}, where the call was not admitted at once.
   *
   * @param signal gives up waiting.
   * @param withdraw takes the call back from its gate.
   * @internal */
  wait(signal: AbortSignal | undefined, withdraw: () => void): void {
    this.ready = new Promise((resolve, reject) => {
      const abort = (): void => {
        withdraw();
        reject(signal?.reason as Error);
      };
      if (signal?.aborted === true) {
        abort();
        return;
      }
      signal?.addEventListener('abort', abort, { once: true });
      this.settle = (error) => {
        this.settle = undefined;
        signal?.removeEventListener('abort', abort);
        if (error === undefined) resolve();
        else reject(error);
      };
    });
  }
}

/** A call that nobody waits for any more although it had not ended by itself. */
export interface ReleasedCall {
  readonly key: string;
  readonly kind: CallTraits['kind'];
  readonly leg: LegName;
  /** What began its caller, as in `Caller.origin`. */
  readonly origin: string;
  /** Since when it had been in flight, and when it was given up, by the clock's `monotonicMs`. */
  readonly sinceMs: number;
  readonly releasedMs: number;
  /** Calls that could be made at once because of it. */
  readonly admitted: number;
}

/** Admissions in the order in which they came. Linked through the admissions: each is in one list, and leaves it from anywhere at no cost. */
export class AdmissionList {
  first: Admission | undefined = undefined;
  last: Admission | undefined = undefined;

  push(admission: Admission): void {
    const { last } = this;
    admission.previous = last;
    if (last === undefined) this.first = admission;
    else last.next = admission;
    this.last = admission;
  }

  remove(admission: Admission): void {
    const { previous, next } = admission;
    if (previous === undefined) this.first = next;
    else previous.next = next;
    if (next === undefined) this.last = previous;
    else next.previous = previous;
    admission.previous = undefined;
    admission.next = undefined;
  }

  get length(): number {
    let length = 0;
    for (let admission = this.first; admission !== undefined; admission = admission.next)
      length += 1;
    return length;
  }

  *[Symbol.iterator](): Generator<Admission, void> {
    for (let admission = this.first; admission !== undefined; admission = admission.next)
      yield admission;
  }
}

/** Announced and not admitted yet. */
export function isWaiting({ state }: Admission): boolean {
  return state === 'waits for order' || state === 'waits for turn';
}

/** No other write of the key runs meanwhile. */
export function excludesOthers({ kind, alone, exclusion }: CallTraits): boolean {
  return alone || (kind === 'transaction' && exclusion === 'process');
}
