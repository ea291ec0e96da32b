import type { Clock, Leg, LegName } from '@changeover/core';
import type { Admission } from '../guarantees/index.ts';
import type { Comparer } from '../shadow/comparer.ts';
import type { AnswerStyle } from '../shadow/loop-budget.ts';
import type { Logger } from '../log.ts';
import { isPromise } from './answers.ts';
import type { CallsInFlight } from './calls-in-flight.ts';
import { invoke } from './invoke.ts';
import type { Call, ResolvedCall } from './resolved-call.ts';
import { type Route, routes } from './route.ts';

/** What calls are made with, shared by all that make them. */
export interface AnsweringParts {
  readonly legs: Readonly<Record<LegName, Leg<object>>>;
  readonly clock: Clock;
  readonly calls: CallsInFlight;
  readonly comparer: Comparer;
  readonly logger: Logger;
  /** See the router's options. */
  readonly mayAnswerAtOnce:
    ((operation: string) => 'legacy-alone' | 'both' | 'neither') | undefined;
}

/** Where the time that a leg took is counted. */
export const latencyOf = { legacy: 'legacyLatency', pooled: 'pooledLatency' } as const;

/** Makes callers' calls on the answering leg: when they may be made, in which form they answer, and what is counted of them. */
export class Answering {
  readonly parts: AnsweringParts;
  /** Operations of which it was told that they can go no further than `shadow`. */
  readonly #capped = new Set<string>();

  constructor(parts: AnsweringParts) {
    this.parts = parts;
  }

  /**
   * The route of a call's stage, held at what the legs can do: a pooled leg that answers with a promise can't stand in for a
   * legacy leg that answers at once, so such an operation goes no further than `shadow`. Until it was seen how the legacy leg
   * answers, it answers.
   */
  routeOf(call: Call, resolved: ResolvedCall, args: readonly unknown[]): Route {
    const { stage } = resolved.decision;
    const { comparer, legs, mayAnswerAtOnce } = this.parts;
    const { answers } = resolved.route.write;
    const other = answers === 'legacy' ? 'pooled' : 'legacy';
    if (legs[other].holds?.(call.operation, args) === true) return routes[other];
    if (stage === 'legacy') return resolved.route;
    if (legs[answers].holds?.(call.operation, args) === true) return routes[answers];
    if (mayAnswerAtOnce === undefined || stage === 'shadow') return resolved.route;
    const promises =
      comparer.styleOf('pooled', call.operation) === 'later' ||
      mayAnswerAtOnce(call.operation) === 'legacy-alone';
    if (!promises || call.style === 'later') return resolved.route;
    if (call.style === 'at-once') this.#tellCapped(resolved);
    return routes.shadow;
  }

  /** A call that could not be resolved fails as the leg's own failures do: at once, unless the legs answer promises. */
  refuse(call: Call, error: unknown): Promise<never> {
    if (this.parts.mayAnswerAtOnce === undefined || call.style === 'later')
      return Promise.reject(error);
    throw error;
  }

  /** Whether a leg is known to answer an operation with a promise, so that the caller can be given one before. */
  canWait(call: Call, leg: LegName): boolean {
    const { mayAnswerAtOnce } = this.parts;
    if (mayAnswerAtOnce === undefined) return true;
    const style = leg === 'legacy' ? call.style : (call.pooledStyle ?? call.style);
    return style === undefined ? mayAnswerAtOnce(call.operation) === 'neither' : style === 'later';
  }

  /** Makes an admitted call on its leg. */
  make(admission: Admission, operation: string, args: readonly unknown[]): unknown {
    const { leg } = admission.traits;
    const answering = this.parts.legs[leg];
    if (leg === 'legacy') admission.gate.handOver(admission);
    else if (answering.endable !== undefined && admission.traits.kind !== 'read') {
      const made = answering.endable(() => invoke(answering, operation, args));
      admission.end = (reason) => made.end(reason);
      return made.answer;
    }
    return invoke(answering, operation, args);
  }

  /** Notes in which form a leg answered a caller. */
  noteStyle(call: Call, leg: LegName, result: unknown): void {
    if (leg === 'legacy') call.style = styleOf(call.style, result);
    else call.pooledStyle = styleOf(call.pooledStyle, result);
  }

  /** Counts without standing between the leg's promise and the caller: no hop is added. */
  observe(resolved: ResolvedCall, admission: Admission, result: Promise<unknown>): unknown {
    const { calls, clock } = this.parts;
    calls.begin();
    result.then(
      () => {
        calls.end();
        admission.gate.leave(admission);
        resolved.cell[latencyOf[admission.traits.leg]].record(
          clock.monotonicMs() - admission.sinceMs,
        );
      },
      () => {
        calls.end();
        admission.gate.leave(admission);
        resolved.cell.failed += 1;
      },
    );
    return result;
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

function styleOf(seen: AnswerStyle, result: unknown): AnswerStyle {
  return isPromise(result) ? (seen ?? 'later') : 'at-once';
}
