import { type Clock, type LegName, TransactionOverError } from '@changeover/core';
import {
  Admission,
  AdmissionList,
  type CallTraits,
  isWaiting,
  type ReleasedCall,
} from './admission.ts';
import type { CallContext } from './caller.ts';
import { DeadlockError } from './errors.ts';
import { KeyLanes, type Lane } from './lane.ts';
import { type CaptureSite, type OnReliance, type Reliance, RelianceCounter } from './reliance.ts';
import { transactionWaitedFor } from './wait-graph.ts';
import { WriteTurns } from './write-turns.ts';

/**
 * A leg that is one queue for all its keys, as a singleton with one connection is: whatever it was given waits until the
 * transaction that runs on it has ended, which the gates of the single keys can't see.
 */
export class SerialLeg {
  /** Transactions that were let onto it and have not ended. @internal */
  readonly transactions: Set<Admission> = new Set<Admission>();
}

/** What a gate is made for. */
export interface KeyGateOptions {
  /** The key as errors and reports name it, with its bridge's name. */
  readonly key: string;
  /** Legs that are one queue for several keys, by name. Default: none. */
  readonly serial?: Readonly<Partial<Record<LegName, SerialLeg>>> | undefined;
  /** Default: nobody is told. */
  readonly onReliance?: OnReliance | undefined;
}

/** What all gates that a transaction may span have of whoever made them. */
export interface GateMaker {
  readonly clock: Clock;
  readonly captureSite: CaptureSite | undefined;
  /** Told of the first call that is ordered by its caller. */
  useCallers(): void;
}

/**
 * Lets the calls of one key through so that it keeps what a singleton's callers get without asking:
 *
 * - **order**: calls of one caller take effect in the order they were announced. A read waits for the caller's unfinished
 *   writes, a write for its unfinished reads and writes. Callers don't wait for each other's order.
 * - **exclusion**: while a transaction is in flight no other write or transaction is. Reads go on.
 * - **legs**: writes never overlap across legs. One for the other leg waits for those in flight, and later ones behind it,
 *   so that a change of stage is never starved.
 *
 * Writes take turns in the order in which they had no earlier call of their caller to wait for. Nothing here has a
 * time-out: {@link writesInFlight} shows who holds others up, {@link waive} and {@link cut} let them pass.
 *
 * What it holds is bounded by the calls that are unfinished.
 */
export class KeyGate {
  readonly key: string;
  /** @internal */
  readonly serial: Readonly<Partial<Record<LegName, SerialLeg>>>;
  /** Calls in flight, in the order of their admission. @internal */
  readonly inFlight: AdmissionList = new AdmissionList();
  readonly #maker: GateMaker;
  readonly #reliance: RelianceCounter;
  readonly #lanes: KeyLanes;
  readonly #turns = new WriteTurns();
  /** Announced and not ended, waiting ones included. */
  #unfinished = 0;
  #unfinishedWrites = 0;
  #unfinishedTransactions = 0;
  /** Announced and held up. */
  readonly #heldUp = new Set<Admission>();

  /** By `GuaranteeRegistry.gate`. @internal */
  constructor(maker: GateMaker, options: KeyGateOptions) {
    this.key = options.key;
    this.serial = options.serial ?? {};
    this.#maker = maker;
    this.#reliance = new RelianceCounter(options.key, maker.captureSite, options.onReliance);
    this.#lanes = new KeyLanes(this, () => {
      maker.useCallers();
    });
  }

  /** Moves whenever a write begins or ends. Two reads between which it stood still, with no write active, saw the same
   * rows, as far as this process wrote them. */
  get epoch(): number {
    return this.#turns.epoch;
  }

  /** No write is in flight, waived ones included. */
  get quiet(): boolean {
    const { active, passing, waived } = this.#turns;
    return active === 0 && passing === 0 && waived === 0;
  }

  /** Nothing is in flight and nothing waits: the gate holds no state but its epoch and {@link reliance}. */
  get idle(): boolean {
    return this.#unfinished === 0 && this.#turns.passing === 0 && this.#turns.waived === 0;
  }

  /**
   * The transaction on this key that the calling code is inside of: its calls go down that transaction's connection and are
   * not announced. Work that has outlived its transaction is in none, as on the singleton, and is counted.
   *
   * @throws {TransactionOverError} the transaction was {@link cut}, or is about to be: its caller is told not applied, so that what its work
   * goes on to do must not be applied by itself.
   * @param subject what the call is to whoever asks, for whoever is told of reliance.
   */
  transactionOf(context: CallContext, subject?: unknown): Admission | undefined {
    let isLate = false;
    for (let held = context.transaction; held !== undefined; held = held.parent) {
      if (held.gate !== this) continue;
      if (held.state === 'cut' || (held.ending && held.state !== 'over'))
        throw new TransactionOverError(this.key);
      if (held.state !== 'over') return held;
      isLate = true;
    }
    if (isLate) this.#reliance.add('lateWork', subject);
    return undefined;
  }

  /**
   * Announces a call, in the order in which calls are issued: in the tick in which the caller made it. Where
   * {@link Admission.ready} is undefined it is made in the same tick. Each admission is ended by one {@link leave}, before
   * the caller's own continuation runs.
   *
   * @param context of the code that issued it, and not one that {@link transactionOf} has a transaction for.
   * @param nowMs the clock's `monotonicMs`.
   * @param signal gives up waiting; of no effect once the call is admitted.
   * @param subject what the call is to whoever announces it: see {@link Admission.subject}.
   * @throws {DeadlockError} it was made in a transaction on another key and would wait for that for ever.
   */
  announce(
    context: CallContext,
    traits: CallTraits,
    nowMs: number,
    signal?: AbortSignal,
    subject?: unknown,
  ): Admission {
    const admission = this.#prepare(context, traits, nowMs, subject);
    if (this.#unfinished === 0) this.#start(admission);
    else {
      this.#watch(admission);
      if (!this.#begin(admission)) this.#enqueue(admission);
    }
    const error = admission.parent && this.#refuseDeadlock(admission);
    if (error !== undefined) throw error;
    if (admission.state !== 'in flight')
      admission.wait(signal, () => {
        this.#withdraw(admission);
      });
    return admission;
  }

  /** The leg of the writes in flight; undefined where there are none. */
  get legInFlight(): LegName | undefined {
    return this.#turns.active === 0 ? undefined : this.#turns.leg;
  }

  /**
   * As {@link announce} for a call that answers in the same tick and is made whatever would hold it up: admitted at once.
   * Others wait for it as for any other.
   *
   * @param traits of a write: for {@link legInFlight} where there is one, since legs are never mixed.
   */
  announceNow(
    context: CallContext,
    traits: CallTraits,
    nowMs: number,
    subject?: unknown,
  ): Admission {
    const admission = this.#prepare(context, traits, nowMs, subject);
    if (this.#unfinished > 0) {
      this.#watch(admission);
      if (this.#begin(admission)) return admission;
    }
    this.#start(admission);
    return admission;
  }

  /** As {@link announceNow} for a read that has no place here, because it is over before anybody's next turn: it is not ended. */
  passBy({ caller }: CallContext, traits: CallTraits, subject?: unknown): void {
    // Nothing is in its way then. Most such calls come so, and to look the caller up took a tenth of one.
    if (this.#unfinished === 0) {
      this.#lanes.expect(traits);
      return;
    }
    const lane = this.#lanes.of(caller, traits);
    if (lane.conflicts(true)) this.#reliance.add('order', subject);
    this.#lanes.release(caller, lane);
  }

  /**
   * Notes that a call in flight is being handed to a leg that keeps what it is given in order, in the tick in which that is
   * done: those of its caller whose traits say `legKeepsOrder` need not wait for it any more.
   */
  handOver(admission: Admission): void {
    if (admission.state !== 'in flight') return;
    const { lane } = admission;
    lane.handOver(admission);
    if (lane.waiting.first !== undefined) this.#advanceLane(lane);
  }

  /** Ends a call that was in flight. Idempotent; nothing happens for one that was cut. */
  leave(admission: Admission): void {
    if (admission.state === 'in flight') this.#end(admission, 'over');
    else if (admission.state === 'waived') {
      admission.state = 'over';
      if (admission.traits.kind !== 'read') this.#turns.endWaived();
    }
  }

  /** Notes that a write begins which changes what is seen here, and is ordered elsewhere. To be ended by {@link passed}. */
  pass(): void {
    this.#turns.pass(1);
  }

  passed(): void {
    this.#turns.pass(-1);
  }

  /** The writes and transactions that others may have to wait for: who, since when, of which kind. */
  writesInFlight(): readonly Admission[] {
    return [...this.inFlight].filter(({ traits }) => traits.kind !== 'read');
  }

  /** The calls that are held up, in the order in which they were announced. */
  heldUp(): readonly Admission[] {
    return [...this.#heldUp];
  }

  /**
   * Sends a call that is held up to another leg, in the place that it has, so that order is kept. Nothing happens to one that
   * was admitted.
   *
   * @param traits of the same kind.
   */
  redirect(admission: Admission, traits: CallTraits): void {
    if (!isWaiting(admission)) return;
    admission.traits = traits;
    this.#recheck([admission]);
    this.#advance(admission);
  }

  /**
   * Lets others pass a call that goes on running: order and legs are not kept towards it any more, and the key is not
   * {@link quiet} until it ends. It is still ended by {@link leave}. Undefined where it isn't in flight.
   */
  waive(admission: Admission): ReleasedCall | undefined {
    if (admission.state !== 'in flight') return undefined;
    if (admission.traits.kind !== 'read') this.#turns.waived += 1;
    return this.#release(admission, 'waived');
  }

  /**
   * Lets others pass a transaction that has been ended from outside, after it has really ended. Calls that its work still
   * makes are refused ({@link transactionOf}). Undefined where it isn't in flight.
   */
  cut(admission: Admission): ReleasedCall | undefined {
    return admission.state === 'in flight' ? this.#release(admission, 'cut') : undefined;
  }

  /** What this key's callers were seen to rely on since the gate was made. */
  reliance(): Reliance {
    return this.#reliance.read();
  }

  /** Calls that earlier ones of the lane don't hold up any more. @internal */
  *unfinishedOf(lane: Lane): Generator<Admission, void> {
    for (const admission of this.inFlight) if (admission.lane === lane) yield admission;
    for (const admission of this.#turns.waiting) if (admission.lane === lane) yield admission;
  }

  #prepare(
    { caller, transaction }: CallContext,
    traits: CallTraits,
    nowMs: number,
    subject: unknown,
  ): Admission {
    const lane = this.#lanes.of(caller, traits);
    let parent = transaction;
    while (parent !== undefined && parent.state !== 'in flight') parent = parent.parent;
    const admission = new Admission(this, caller, traits, lane, parent, nowMs);
    admission.subject = subject;
    return admission;
  }

  #watch({ lane, subject, traits: { kind } }: Admission): void {
    const isRead = kind === 'read';
    if (lane.conflicts(isRead)) this.#reliance.add('order', subject);
    if (isRead) return;
    const others = kind === 'write' ? this.#unfinishedTransactions : this.#unfinishedWrites;
    if (others > 0) this.#reliance.add('exclusion', subject);
  }

  /** Puts a call in flight if nothing holds it up; changes nothing otherwise. */
  #begin(admission: Admission): boolean {
    const { lane, traits } = admission;
    const isRead = traits.kind === 'read';
    if (!isRead && !this.#turns.isOpen(traits)) return false;
    if (traits.order !== 'none' && lane.holdsUp(traits)) return false;
    this.#start(admission);
    return true;
  }

  /** Puts in flight what was not counted yet. Where nothing is unfinished, nothing needs to be asked before. */
  #start(admission: Admission): void {
    const isRead = admission.traits.kind === 'read';
    this.#count(admission);
    admission.lane.enter(isRead);
    this.#fly(admission, isRead);
  }

  #enqueue(admission: Admission): void {
    const { lane, traits } = admission;
    this.#heldUp.add(admission);
    this.#count(admission);
    if (traits.order !== 'none' && lane.holdsUp(traits)) {
      lane.waiting.push(admission);
      return;
    }
    admission.lane.enter(false);
    this.#turns.await(admission);
  }

  #count(admission: Admission): void {
    const { parent, traits } = admission;
    this.#unfinished += 1;
    if (traits.kind !== 'read') this.#unfinishedWrites += 1;
    if (traits.kind === 'transaction') this.#unfinishedTransactions += 1;
    if (parent !== undefined) (parent.nested ??= new Set()).add(admission);
  }

  #discount(admission: Admission): void {
    const { parent, traits } = admission;
    this.#unfinished -= 1;
    if (traits.kind !== 'read') this.#unfinishedWrites -= 1;
    if (traits.kind === 'transaction') this.#unfinishedTransactions -= 1;
    parent?.nested?.delete(admission);
  }

  #fly(admission: Admission, isRead: boolean): void {
    admission.state = 'in flight';
    if (this.#heldUp.size > 0) this.#heldUp.delete(admission);
    this.inFlight.push(admission);
    if (!isRead) this.#turns.begin(admission);
  }

  #end(admission: Admission, state: 'over' | 'waived' | 'cut'): void {
    const { lane, traits } = admission;
    const isRead = traits.kind === 'read';
    admission.state = state;
    this.inFlight.remove(admission);
    this.#discount(admission);
    lane.leave(admission, isRead);
    if (!isRead) this.#turns.end(admission);
    this.#advance(admission);
  }

  /** Lets through what nothing holds up any more: first those that had reached their turn. */
  #advance({ caller, lane }: Admission): void {
    if (this.#unfinished === 0) {
      this.#lanes.release(caller, lane);
      return;
    }
    for (let next = this.#turns.takeNext(); next !== undefined; next = this.#turns.takeNext())
      this.#admit(next, false);
    if (lane.waiting.first !== undefined) this.#advanceLane(lane);
    this.#lanes.release(caller, lane);
  }

  #advanceLane(lane: Lane): void {
    for (let next = lane.waiting.first; next !== undefined; next = lane.waiting.first) {
      if (lane.holdsUpFirst(next.traits)) return;
      const isRead = next.traits.kind === 'read';
      const isOpen = isRead || this.#turns.isOpen(next.traits);
      lane.waiting.remove(next);
      next.lane.enter(isRead);
      if (isOpen) this.#admit(next, isRead);
      else {
        this.#turns.await(next);
        this.#recheck([next, ...lane.waiting]);
      }
    }
  }

  /** The first now waits for writes that it did not wait for when it was announced, and the others wait for it. */
  #recheck(waiting: readonly Admission[]): void {
    for (const admission of waiting) {
      if (admission.parent === undefined || !isWaiting(admission)) continue;
      const error = this.#refuseDeadlock(admission);
      if (error !== undefined) admission.settle?.(error);
    }
  }

  #admit(admission: Admission, isRead: boolean): void {
    admission.sinceMs = this.#maker.clock.monotonicMs();
    this.#fly(admission, isRead);
    admission.settle?.();
  }

  /** Takes back what was announced and not made. */
  #withdraw(admission: Admission): void {
    const { lane, state, traits } = admission;
    if (state === 'in flight') {
      this.#end(admission, 'over');
      return;
    }
    admission.state = 'over';
    this.#heldUp.delete(admission);
    this.#discount(admission);
    if (state === 'waits for order') lane.waiting.remove(admission);
    else {
      this.#turns.waiting.remove(admission);
      lane.leave(admission, traits.kind === 'read');
    }
    this.#advance(admission);
  }

  /** Withdraws a call that would wait for ever, or lets it pass where that is enough. */
  #refuseDeadlock(admission: Admission): DeadlockError | undefined {
    let held = transactionWaitedFor(admission);
    if (held === undefined) return undefined;
    if (admission.state === 'waits for turn' && this.#turns.admits(admission.traits)) {
      // Only those that wait before it stand in a circle with it: it passes them.
      this.#turns.waiting.remove(admission);
      admission.sinceMs = this.#maker.clock.monotonicMs();
      this.#fly(admission, false);
      held = transactionWaitedFor(admission);
      if (held === undefined) {
        admission.settle?.();
        return undefined;
      }
    }
    this.#withdraw(admission);
    return new DeadlockError(this.key, held.gate.key);
  }

  #release(admission: Admission, state: 'waived' | 'cut'): ReleasedCall {
    const { caller, sinceMs, traits } = admission;
    const before = this.#unfinished - this.inFlight.length;
    this.#end(admission, state);
    return {
      key: this.key,
      kind: traits.kind,
      leg: traits.leg,
      origin: caller.origin,
      sinceMs,
      releasedMs: this.#maker.clock.monotonicMs(),
      admitted: before - (this.#unfinished - this.inFlight.length),
    };
  }
}
