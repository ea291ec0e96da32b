import type { LegName } from '@changeover/core';
import { type Admission, currentContext } from '../guarantees/index.ts';
import type { PendingRead } from '../shadow/comparer.ts';
import { type Answering, latencyOf } from './answering.ts';
import { isPromise } from './answers.ts';
import type { CallResolver } from './call-resolver.ts';
import { invoke } from './invoke.ts';
import type { Call, ResolvedCall } from './resolved-call.ts';
import type { Route } from './route.ts';
import { resolvedOf } from './way-back.ts';

/** A read that was admitted, with all that was decided about it. */
interface Read {
  readonly call: Call;
  readonly args: readonly unknown[];
  readonly admission: Admission;
  way: Route['read'];
}

/** Answers reads by the leg that the stage says, and hands what is to be compared to the comparer. */
export class ReadCalls {
  readonly #resolver: CallResolver;
  readonly #answering: Answering;
  readonly #isUnavailable: ((error: unknown) => boolean) | undefined;

  constructor(
    resolver: CallResolver,
    answering: Answering,
    isUnavailable: ((error: unknown) => boolean) | undefined,
  ) {
    this.#resolver = resolver;
    this.#answering = answering;
    this.#isUnavailable = isUnavailable;
  }

  /** Makes one read for a caller: its answer, or a promise of it where the legs answer so. */
  read(call: Call, args: readonly unknown[]): unknown {
    let read: Read | LegName;
    try {
      read = this.#announce(call, args);
    } catch (error) {
      return this.#answering.refuse(call, error);
    }
    if (typeof read === 'string')
      return invoke(this.#answering.parts.legs[read], call.operation, args);
    const { ready } = read.admission;
    if (ready === undefined) return this.#run(read);
    const admitted = read;
    return ready.then(() => {
      const { route } = resolvedOf(admitted.admission);
      // It was sent back to the legacy leg while it was held up.
      if (admitted.admission.traits.leg !== admitted.way.answers) admitted.way = route.read;
      return this.#run(admitted);
    });
  }

  /** Brings a read to its key's gate; the leg of the transaction that it joins instead where it is made in one. */
  #announce(call: Call, args: readonly unknown[]): Read | LegName {
    const nowMs = this.#answering.parts.clock.monotonicMs();
    const resolved = this.#resolver.resolve(call, args, nowMs);
    const { gate } = resolved.state;
    const context = currentContext();
    const joined = gate.transactionOf(context, resolved);
    if (joined !== undefined) return joined.traits.leg;
    const way = this.#answering.routeOf(call, resolved, args).read;
    const traits = resolved.traits[way.answers];
    const admission = this.#answering.canWait(call, way.answers)
      ? gate.announce(context, traits, nowMs, undefined, resolved)
      : gate.announceNow(context, traits, nowMs, resolved);
    return { call, args, admission, way };
  }

  #run(read: Read): unknown {
    const { call, args, admission, way } = read;
    const { clock, comparer } = this.#answering.parts;
    const resolved = resolvedOf(admission);
    resolved.cell.calls += 1;
    resolved.shape.calls += 1;
    const comparison =
      way.shadow === undefined ? undefined : comparer.beginRead(resolved, way.shadow, args);
    const { leg } = admission.traits;
    let result: unknown;
    try {
      result = this.#answering.make(admission, call.operation, args);
    } catch (error) {
      return this.#failedAtOnce(read, comparison, error);
    }
    this.#answering.noteStyle(call, leg, result);
    if (isPromise(result)) {
      if (comparison === undefined && way.fallback === undefined)
        return this.#answering.observe(resolved, admission, result);
      return this.#later(read, comparison, result);
    }
    admission.gate.leave(admission);
    const tookMs = clock.monotonicMs() - admission.sinceMs;
    resolved.cell[latencyOf[leg]].record(tookMs);
    comparison?.answered(result, tookMs);
    return result;
  }

  #failedAtOnce(read: Read, comparison: PendingRead | undefined, error: unknown): unknown {
    const { call, args, admission, way } = read;
    const { fallback } = way;
    const resolved = resolvedOf(admission);
    if (fallback !== undefined && this.#isUnavailable?.(error) === true) {
      comparison?.unavailable();
      this.#tellFallback(resolved, fallback, error);
      admission.gate.leave(admission);
      return invoke(this.#answering.parts.legs[fallback], call.operation, args);
    }
    admission.gate.leave(admission);
    resolved.cell.failed += 1;
    comparison?.failed(error);
    throw error;
  }

  /** Waits for the answer, for what is to be done with it before the caller has it. */
  #later(
    read: Read,
    comparison: PendingRead | undefined,
    result: Promise<unknown>,
  ): Promise<unknown> {
    const { admission, way } = read;
    const { fallback } = way;
    const { calls, clock } = this.#answering.parts;
    const { cell } = resolvedOf(admission);
    calls.begin();
    return result.then(
      (value) => {
        calls.end();
        admission.gate.leave(admission);
        const tookMs = clock.monotonicMs() - admission.sinceMs;
        cell[latencyOf[admission.traits.leg]].record(tookMs);
        comparison?.answered(value, tookMs);
        return value;
      },
      (error: unknown) => {
        calls.end();
        if (fallback !== undefined && this.#isUnavailable?.(error) === true) {
          comparison?.unavailable();
          return this.#fallBack(read, fallback, error);
        }
        admission.gate.leave(admission);
        cell.failed += 1;
        comparison?.failed(error);
        throw error;
      },
    );
  }

  async #fallBack(read: Read, leg: LegName, error: unknown): Promise<unknown> {
    const { args, admission } = read;
    const resolved = resolvedOf(admission);
    this.#tellFallback(resolved, leg, error);
    try {
      return await invoke(this.#answering.parts.legs[leg], resolved.operation, args);
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
