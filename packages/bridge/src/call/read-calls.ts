import type { LegName } from '@changeover/core';
import { type Admission, type CallContext, currentContext } from '../guarantees/index.ts';
import type { PendingRead } from '../shadow/comparer.ts';
import type { Answering } from './answering.ts';
import { isPromise } from './answers.ts';
import type { AnnouncedCall, CallKind } from './call-start.ts';
import { invoke } from './invoke.ts';
import type { Call, ResolvedCall } from './resolved-call.ts';
import type { Route } from './route.ts';
import { resolvedOf } from './way-back.ts';

/** A read that was announced. */
interface Read extends AnnouncedCall {
  readonly resolved: ResolvedCall;
  readonly way: Route['read'];
}

/** What is done with the outcome of a read that was promised. */
interface PromisedRead {
  readonly args: readonly unknown[];
  readonly admission: Admission;
  readonly fallback: LegName | undefined;
  readonly comparison: PendingRead | undefined;
}

/** Answers reads by the leg that the stage says, and hands what is to be compared to the comparer. */
export class ReadCalls implements CallKind<Read> {
  readonly #answering: Answering;
  readonly #isUnavailable: ((error: unknown) => boolean) | undefined;

  constructor(answering: Answering, isUnavailable: ((error: unknown) => boolean) | undefined) {
    this.#answering = answering;
    this.#isUnavailable = isUnavailable;
  }

  announce(
    call: Call,
    args: readonly unknown[],
    resolved: ResolvedCall,
    context: CallContext,
  ): Read {
    const answering = this.#answering;
    const way = answering.routeOf(call, resolved, args).read;
    const leg = way.answers;
    const timed = answering.isTimed(call, resolved, way.shadow);
    const traits = resolved.traits[leg];
    const { gate } = resolved.state;
    // It is over before anybody else's turn, so it holds nobody up.
    if (way.shadow === undefined && way.fallback === undefined && answering.isAtOnce(call, leg)) {
      gate.passBy(context, traits, resolved);
      return { call, args, admission: undefined, timed, resolved, way };
    }
    const startMs = answering.startMs(timed);
    const admission = answering.canWait(call, leg)
      ? gate.announce(context, traits, startMs, undefined, resolved)
      : gate.announceNow(context, traits, startMs, resolved);
    return { call, args, admission, timed, resolved, way };
  }

  run(read: Read): unknown {
    return read.admission === undefined
      ? this.#runAtOnce(read)
      : this.#runAdmitted(read, read.admission);
  }

  /** A read that is not compared, on a leg that always answered it at once. */
  #runAtOnce({ call, args, resolved, timed, way }: Read): unknown {
    const answering = this.#answering;
    const { clock, legs, own } = answering.parts;
    const leg = way.answers;
    const { cell, shape } = resolved;
    cell.calls += 1;
    shape.calls += 1;
    const startMs = timed ? clock.monotonicMs() : 0;
    let result: unknown;
    try {
      result = invoke(legs[leg], call.operation, args);
    } catch (error) {
      cell.failed += 1;
      throw error;
    }
    if (isPromise(result)) {
      // It is not over, for once: from now on it has its place as any other.
      const sinceMs = timed ? startMs : clock.monotonicMs();
      const traits = resolved.traits[leg];
      const { gate } = resolved.state;
      const admission = gate.announceNow(currentContext(), traits, sinceMs, resolved);
      answering.answeredLater(call, admission, true);
      return this.#promised(
        { args, admission, fallback: undefined, comparison: undefined },
        result,
      );
    }
    if (timed) answering.tookAtOnce(call, resolved, leg, startMs);
    return own === undefined ? result : own(result);
  }

  #runAdmitted(read: Read, admission: Admission): unknown {
    const { call, args, timed } = read;
    const answering = this.#answering;
    const { comparer, own } = answering.parts;
    const resolved = resolvedOf(admission);
    const { leg } = admission.traits;
    resolved.cell.calls += 1;
    resolved.shape.calls += 1;
    // It may have been sent back to the legacy leg while it was held up.
    const { shadow, fallback } = leg === read.way.answers ? read.way : resolved.route.read;
    const comparison =
      shadow === undefined ? undefined : comparer.beginRead(resolved, shadow, args);
    const promised: PromisedRead = { args, admission, fallback, comparison };
    let result: unknown;
    try {
      result = answering.make(admission, call.operation, args);
    } catch (error) {
      return this.#failedAtOnce(promised, error);
    }
    if (isPromise(result)) {
      answering.answeredLater(call, admission, timed);
      return this.#promised(promised, result);
    }
    answering.answeredAtOnce(call, leg);
    admission.gate.leave(admission);
    if (timed) {
      const tookMs = answering.tookAtOnce(call, resolved, leg, admission.sinceMs);
      comparison?.answered(result, tookMs);
    }
    return own === undefined ? result : own(result);
  }

  #failedAtOnce({ args, admission, fallback, comparison }: PromisedRead, error: unknown): unknown {
    const resolved = resolvedOf(admission);
    if (fallback !== undefined && this.#isUnavailable?.(error) === true) {
      const { legs } = this.#answering.parts;
      comparison?.unavailable();
      this.#tellFallback(resolved, fallback, error);
      admission.gate.leave(admission);
      return this.#answering.owned(invoke(legs[fallback], resolved.operation, args));
    }
    admission.gate.leave(admission);
    resolved.cell.failed += 1;
    comparison?.failed(error);
    throw error;
  }

  /** What the caller gets of a promise: another one where something is to be done before the caller has the answer, and else the
   * leg's own, so that no hop is added. */
  #promised(read: PromisedRead, result: Promise<unknown>): Promise<unknown> {
    const { fallback, comparison } = read;
    const { own } = this.#answering.parts;
    return comparison === undefined && fallback === undefined && own === undefined
      ? this.#observe(read, result)
      : this.#later(read, result);
  }

  #observe({ admission }: PromisedRead, result: Promise<unknown>): Promise<unknown> {
    const { calls } = this.#answering.parts;
    calls.begin();
    result.then(
      () => {
        calls.end();
        this.#answered(admission);
      },
      () => {
        calls.end();
        admission.gate.leave(admission);
        resolvedOf(admission).cell.failed += 1;
      },
    );
    return result;
  }

  #later(read: PromisedRead, result: Promise<unknown>): Promise<unknown> {
    const { admission, fallback, comparison } = read;
    const { calls, own } = this.#answering.parts;
    calls.begin();
    return result.then(
      (value) => {
        calls.end();
        const tookMs = this.#answered(admission);
        comparison?.answered(value, tookMs);
        return own === undefined ? value : own(value);
      },
      (error: unknown) => {
        calls.end();
        if (fallback !== undefined && this.#isUnavailable?.(error) === true) {
          comparison?.unavailable();
          return this.#fallBack(read, fallback, error);
        }
        admission.gate.leave(admission);
        resolvedOf(admission).cell.failed += 1;
        comparison?.failed(error);
        throw error;
      },
    );
  }

  /** @returns how long it took, in ms. */
  #answered(admission: Admission): number {
    admission.gate.leave(admission);
    return this.#answering.took(resolvedOf(admission), admission.traits.leg, admission.sinceMs);
  }

  async #fallBack(
    { args, admission }: PromisedRead,
    leg: LegName,
    error: unknown,
  ): Promise<unknown> {
    const resolved = resolvedOf(admission);
    this.#tellFallback(resolved, leg, error);
    try {
      const { legs } = this.#answering.parts;
      return await this.#answering.owned(invoke(legs[leg], resolved.operation, args));
    } catch (second) {
      resolved.cell.failed += 1;
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
