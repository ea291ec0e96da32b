import type { LegName } from '@changeover/core';
import { type Admission, type CallContext, currentContext } from '../guarantees/index.ts';
import type { PendingRead } from '../shadow/comparer.ts';
import { type AnnouncedCall, type Answering, type CallKind, resolvedOf } from './answering.ts';
import { invoke, isPromise } from './leg-calls.ts';
import { type Call, type ResolvedCall } from './resolved-call.ts';
import type { Route } from './route.ts';

/** A read that was announced. */
interface Read extends AnnouncedCall {
  /** Changed where the read was sent back to the legacy leg while it was held up. */
  way: Route['read'];
  comparison: PendingRead | undefined;
}

/** Answers reads by the leg that the stage says, and hands what is to be compared to the comparer. */
export class ReadCalls implements CallKind {
  readonly #answering: Answering;
  readonly #isUnavailable: ((error: unknown) => boolean) | undefined;

  constructor(answering: Answering, isUnavailable: ((error: unknown) => boolean) | undefined) {
    this.#answering = answering;
    this.#isUnavailable = isUnavailable;
  }

  answer(
    call: Call,
    args: readonly unknown[],
    resolved: ResolvedCall,
    { read: way }: Route,
    context: CallContext,
  ): unknown {
    const answering = this.#answering;
    const leg = way.answers;
    const timed = answering.isTimed(call, resolved, way.shadow);
    const traits = leg === 'legacy' ? resolved.traits.legacy : resolved.traits.pooled;
    const { gate } = resolved.state;
    // It is over before anybody else's turn, so it holds nobody up.
    if (way.shadow === undefined && way.fallback === undefined && answering.isAtOnce(call, leg)) {
      gate.passBy(context, traits, resolved);
      return this.#atOnce(call, args, resolved, way, timed);
    }
    const startMs = answering.startMs(timed);
    let admission: Admission;
    try {
      admission = answering.canWait(call, leg)
        ? gate.announce(context, traits, startMs, undefined, resolved)
        : gate.announceNow(context, traits, startMs, resolved);
    } catch (error) {
      return answering.refuse(call, error);
    }
    const read: Read = { call, args, admission, timed, way, comparison: undefined };
    return admission.ready === undefined
      ? this.#run(read)
      : admission.ready.then(() => this.#run(read));
  }

  /** A read that is not compared, on a leg that always answered it at once. */
  #atOnce(
    call: Call,
    args: readonly unknown[],
    resolved: ResolvedCall,
    way: Route['read'],
    timed: boolean,
  ): unknown {
    const answering = this.#answering;
    const { clock, own } = answering.parts;
    const leg = way.answers;
    const { cell, shape } = resolved;
    cell.calls += 1;
    shape.calls += 1;
    const startMs = timed ? clock.monotonicMs() : 0;
    let result: unknown;
    try {
      result = leg === 'legacy' ? call.legacy(args) : call.pooled(args);
    } catch (error) {
      cell.failed += 1;
      shape.failed += 1;
      throw error;
    }
    if (isPromise(result)) {
      // It is not over, for once: from now on such calls have their place as any other.
      answering.answeredLater(call, leg);
      const { gate } = resolved.state;
      const traits = resolved.traits[leg];
      const admission = gate.announceNow(currentContext(), traits, startMs, resolved);
      return this.#promised({ call, args, admission, timed, way, comparison: undefined }, result);
    }
    if (timed) answering.took(call, resolved, leg, startMs);
    return own === undefined ? result : own(result);
  }

  #run(read: Read): unknown {
    const { call, args, admission } = read;
    const answering = this.#answering;
    const { comparer, own } = answering.parts;
    const resolved = resolvedOf(admission);
    const { leg } = admission.traits;
    resolved.cell.calls += 1;
    resolved.shape.calls += 1;
    if (leg !== read.way.answers) read.way = resolved.route.read;
    const { shadow } = read.way;
    if (shadow !== undefined) read.comparison = comparer.beginRead(resolved, shadow, args);
    let result: unknown;
    try {
      const { hold } = read.comparison ?? {};
      result =
        hold === undefined || leg === 'legacy'
          ? answering.make(admission, call, args)
          : answering.makeInSnapshot(call, args, hold);
    } catch (error) {
      return this.#failedAtOnce(read, error);
    }
    if (isPromise(result)) {
      answering.answeredLater(call, leg);
      return this.#promised(read, result);
    }
    answering.answeredAtOnce(call, leg);
    this.#answered(read, result);
    return own === undefined ? result : own(result);
  }

  #failedAtOnce(read: Read, error: unknown): unknown {
    const { args, admission, comparison } = read;
    const { fallback } = read.way;
    const resolved = resolvedOf(admission);
    if (fallback !== undefined && this.#isUnavailable?.(error) === true) {
      const { legs } = this.#answering.parts;
      comparison?.unavailable();
      this.#tellFallback(resolved, fallback, error);
      admission.gate.leave(admission);
      return this.#answering.owned(invoke(legs[fallback], resolved.operation, args));
    }
    this.#failed(read);
    comparison?.failed(error);
    throw error;
  }

  /** What the caller gets of a promise is another one, which nobody has looked at: a rejection that the caller doesn't handle is told by
   * Node as it was without a bridge. */
  #promised(read: Read, result: Promise<unknown>): Promise<unknown> {
    const { calls, own } = this.#answering.parts;
    calls.begin();
    return result.then(
      (value) => {
        calls.end();
        this.#answered(read, value);
        return own === undefined ? value : own(value);
      },
      (error: unknown) => {
        const { fallback } = read.way;
        calls.end();
        if (fallback !== undefined && this.#isUnavailable?.(error) === true) {
          read.comparison?.unavailable();
          return this.#fallBack(read, fallback, error);
        }
        this.#failed(read);
        read.comparison?.failed(error);
        throw error;
      },
    );
  }

  #answered({ call, admission, timed, comparison }: Read, value: unknown): void {
    admission.gate.leave(admission);
    if (!timed) return;
    const { leg } = admission.traits;
    const tookMs = this.#answering.took(call, resolvedOf(admission), leg, admission.sinceMs);
    comparison?.answered(value, tookMs);
  }

  #failed({ admission }: Read): void {
    admission.gate.leave(admission);
    const { cell, shape } = resolvedOf(admission);
    cell.failed += 1;
    shape.failed += 1;
  }

  async #fallBack({ args, admission }: Read, leg: LegName, error: unknown): Promise<unknown> {
    const resolved = resolvedOf(admission);
    this.#tellFallback(resolved, leg, error);
    try {
      const { legs } = this.#answering.parts;
      return await this.#answering.owned(invoke(legs[leg], resolved.operation, args));
    } catch (second) {
      resolved.cell.failed += 1;
      resolved.shape.failed += 1;
      throw second;
    } finally {
      admission.gate.leave(admission);
    }
  }

  #tellFallback(resolved: ResolvedCall, leg: LegName, error: unknown): void {
    resolved.cell.fallbacks += 1;
    const { backend, key, operation } = resolved;
    this.#answering.parts.logger.warn(
      { backend, dataset: key, operation, err: error },
      `the pooled leg had no connection; this read is answered by ${leg}`,
    );
  }
}
