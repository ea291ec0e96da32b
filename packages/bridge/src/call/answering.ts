import type { Clock, HeldSnapshot, Leg, LegName } from '@changeover/core';
import { type Admission, type CallContext, currentContext } from '../guarantees/index.ts';
import type { Comparer } from '../shadow/comparer.ts';
import type { Logger } from '../log.ts';
import { isPromise } from './leg-calls.ts';
import type { CallsInFlight } from '../shadow/process-load.ts';
import type { CallResolver } from './call-resolver.ts';
import type { Call, ResolvedCall } from './resolved-call.ts';
import { type Route, routes } from './route.ts';

/** What calls are made with, shared by all that make them. */
export interface AnsweringParts {
  readonly resolver: CallResolver;
  readonly legs: Readonly<Record<LegName, Leg<object>>>;
  readonly clock: Clock;
  readonly calls: CallsInFlight;
  readonly comparer: Comparer;
  readonly logger: Logger;
  /** See the router's options. */
  readonly own: ((answer: unknown) => unknown) | undefined;
}

/** A call that was announced at its key's gate, with all that was decided about it. */
export interface AnnouncedCall {
  readonly call: Call;
  readonly args: readonly unknown[];
  readonly admission: Admission;
  /** The clock is read at its end: see {@link Answering.isTimed}. */
  readonly timed: boolean;
}

/** What is done differently for calls of one kind. */
export interface CallKind {
  /** Brings a call that joins no transaction to its key's gate, and makes it when that lets it: its answer, or a promise of it. */
  answer(
    call: Call,
    args: readonly unknown[],
    resolved: ResolvedCall,
    route: Route,
    context: CallContext,
  ): unknown;
}

/** Where the time that a leg took is counted. */
export const latencyOf = { legacy: 'legacyLatency', pooled: 'pooledLatency' } as const;

/**
 * Reading the clock twice takes as long as all else that is done for a call that answers at once. So of calls that take less than this,
 * in ms, which no server's answer does, not all are timed: the first so many of an operation on a key at a stage, and then one of
 * so many. That is a prime, because programs make their calls in pairs, fours and tens.
 */
const quickMs = 0.05;
const alwaysTimed = 1_000;
const timedOneOf = 13;

/**
 * Makes callers' calls on the answering leg. Every call that the gates order begins in {@link begin}: it is decided about, brought to
 * its key's gate, and made when that lets it. Reads and writes differ in the two steps of a {@link CallKind}; in which form the legs
 * answer and what is counted of it is said here for both.
 */
export class Answering {
  readonly parts: AnsweringParts;
  /** Operations of which it was told that they can go no further than `shadow`. */
  readonly #capped = new Set<string>();
  /** A leg may hold calls: it is asked before each. */
  readonly #mayHold: boolean;
  /** What the clock said when it was read last. */
  #lastMs = 0;

  constructor(parts: AnsweringParts) {
    this.parts = parts;
    this.#mayHold = parts.legs.legacy.holds !== undefined || parts.legs.pooled.holds !== undefined;
  }

  /** Makes one call for a caller: its answer, or a promise of it where the legs answer so. */
  begin(kind: CallKind, call: Call, args: readonly unknown[]): unknown {
    const context = currentContext();
    let resolved: ResolvedCall;
    let route: Route;
    // The transaction that the call joins instead, where it is made in one.
    let joined: Admission | undefined;
    try {
      resolved = this.parts.resolver.resolve(call, args);
      if (context.transaction !== undefined)
        joined = resolved.state.gate.transactionOf(context, resolved);
      route = this.routeOf(call, resolved, args);
    } catch (error) {
      return this.refuse(call, error);
    }
    if (joined === undefined) return kind.answer(call, args, resolved, route, context);
    return this.owned(joined.traits.leg === 'legacy' ? call.legacy(args) : call.pooled(args));
  }

  /** Whether a call's time is to be counted. That of a call that may be compared always is. */
  isTimed(call: Call, { cell }: ResolvedCall, shadow: LegName | undefined): boolean {
    if (!call.quick || shadow !== undefined) return true;
    return cell.calls < alwaysTimed || cell.calls % timedOneOf === 0;
  }

  /** When a call began. Of one that isn't timed only roughly: when the one before it did that was. */
  startMs(isTimed: boolean): number {
    if (isTimed) this.#lastMs = this.parts.clock.monotonicMs();
    return this.#lastMs;
  }

  /** Counts how long an answered call took.
   *
   * @returns in ms. */
  took(call: Call, { cell }: ResolvedCall, leg: LegName, sinceMs: number): number {
    const tookMs = this.parts.clock.monotonicMs() - sinceMs;
    cell[latencyOf[leg]].record(tookMs);
    call.quick = tookMs < quickMs;
    return tookMs;
  }

  /**
   * The route of a call's stage, held at what the legs can do: a pooled leg that answers with a promise can't stand in for a
   * legacy leg that answers at once, so such an operation goes no further than `shadow`. Until it was seen how the legacy leg
   * answers, it answers.
   */
  routeOf(call: Call, resolved: ResolvedCall, args: readonly unknown[]): Route {
    const { legs } = this.parts;
    const { mayAnswerAtOnce } = call;
    const { stage } = resolved.decision;
    if (this.#mayHold) {
      const { answers } = resolved.route.write;
      const other = answers === 'legacy' ? 'pooled' : 'legacy';
      if (legs[other].holds?.(call.operation, args) === true) return routes[other];
      if (stage !== 'legacy' && legs[answers].holds?.(call.operation, args) === true)
        return routes[answers];
    }
    if (stage === 'legacy' || stage === 'shadow' || mayAnswerAtOnce === undefined)
      return resolved.route;
    if (call.style === 'later') return resolved.route;
    const promises = call.shadowStyles.pooled === 'later' || mayAnswerAtOnce.legacyAlone();
    if (!promises) return resolved.route;
    if (call.style === 'at-once') this.#tellCapped(resolved);
    return routes.shadow;
  }

  /** A call that could not be resolved fails as the leg's own failures do: at once, unless the legs answer promises. */
  refuse(call: Call, error: unknown): Promise<never> {
    if (call.mayAnswerAtOnce === undefined || call.style === 'later') return Promise.reject(error);
    throw error;
  }

  /** Whether a leg is known to answer an operation with a promise, so that the caller can be given one before. */
  canWait(call: Call, leg: LegName): boolean {
    const { mayAnswerAtOnce } = call;
    if (mayAnswerAtOnce === undefined) return true;
    const style = leg === 'legacy' ? call.style : (call.pooledStyle ?? call.style);
    return style === undefined ? !mayAnswerAtOnce.legacy() : style === 'later';
  }

  /** Whether a leg was seen to answer an operation at once, and never otherwise. */
  isAtOnce(call: Call, leg: LegName): boolean {
    return !call.mayPromise && (leg === 'legacy' ? call.style : call.pooledStyle) === 'at-once';
  }

  /** Makes an admitted call on its leg. */
  make(admission: Admission, call: Call, args: readonly unknown[]): unknown {
    const { leg } = admission.traits;
    const answering = this.parts.legs[leg];
    if (leg === 'legacy') admission.gate.handOver(admission);
    else if (answering.endable !== undefined && admission.traits.kind !== 'read') {
      const { legKeepsOrder } = admission.traits;
      const caller = legKeepsOrder ? admission.lane : undefined;
      const made = answering.endable(() => call.pooled(args), caller);
      admission.end = (reason) => made.end(reason);
      if (legKeepsOrder) admission.gate.handOver(admission);
      return made.answer;
    }
    return leg === 'legacy' ? call.legacy(args) : call.pooled(args);
  }

  /** Makes an admitted read on the pooled leg, which may hold what it is answered in. */
  makeInSnapshot(
    call: Call,
    args: readonly unknown[],
    hold: (snapshot: Promise<HeldSnapshot | undefined>) => void,
  ): unknown {
    const { pooled } = this.parts.legs;
    const made = pooled.answerInSnapshot?.(() => call.pooled(args));
    if (made === undefined) return call.pooled(args);
    hold(made.snapshot);
    return made.answer;
  }

  /** Notes that a leg answered a caller at once. */
  answeredAtOnce(call: Call, leg: LegName): void {
    if (leg === 'legacy') call.style = 'at-once';
    else call.pooledStyle = 'at-once';
  }

  /** Notes that a leg answered a caller with a promise. */
  answeredLater(call: Call, leg: LegName): void {
    if (leg === 'legacy') call.style ??= 'later';
    else call.pooledStyle ??= 'later';
    call.mayPromise = true;
  }

  /** A leg's answer as its caller gets it. */
  owned(answer: unknown): unknown {
    const { own } = this.parts;
    if (own === undefined) return answer;
    return isPromise(answer) ? answer.then(own) : own(answer);
  }

  #tellCapped({ backend, operation, key, decision }: ResolvedCall): void {
    if (this.#capped.has(operation)) return;
    this.#capped.add(operation);
    this.parts.logger.error(
      { backend, operation, dataset: key, stage: decision.stage },
      `${operation} stays at shadow: the legacy leg answers it at once and the pooled leg with a promise. ` +
        'Make it read({ async: true }) and let its callers await, or give the pooled leg a synchronous method.',
    );
  }
}

/** What was decided about an announced call. */
export function resolvedOf(admission: Admission): ResolvedCall {
  return admission.subject as ResolvedCall;
}
