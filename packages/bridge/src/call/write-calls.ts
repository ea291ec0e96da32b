import type { LegName, WriteDefinition } from '@changeover/core';
import {
  type Admission,
  type CallContext,
  type KeyGate,
  runInTransaction,
} from '../guarantees/index.ts';
import { type AnnouncedCall, type Answering, type CallKind, resolvedOf } from './answering.ts';
import { isPromise } from './leg-calls.ts';
import { type Method } from './members.ts';
import { noteLegacyCost } from './call-costs.ts';
import { type Call, type ResolvedCall } from './resolved-call.ts';
import type { Route } from './route.ts';
import type { WayBack } from './way-back.ts';

/** A write that was announced. */
interface Write extends AnnouncedCall {
  readonly definition: WriteDefinition;
  /** The leg that it is compared with. */
  readonly shadow: LegName | undefined;
  /** What the caller's own function threw: a transaction that it gave up is no failure of the storage. */
  thrown: unknown;
}

/** Makes writes, each once and on one leg, with what is compared of them at `shadow`. */
export class WriteCalls implements CallKind {
  readonly #answering: Answering;
  readonly #wayBack: WayBack;

  constructor(answering: Answering, wayBack: WayBack) {
    this.#answering = answering;
    this.#wayBack = wayBack;
  }

  answer(
    call: Call,
    args: readonly unknown[],
    resolved: ResolvedCall,
    route: Route,
    context: CallContext,
  ): unknown {
    let write: Write;
    try {
      write = this.#announce(call, args, resolved, route.write, context);
    } catch (error) {
      return this.#answering.refuse(call, error);
    }
    const { ready } = write.admission;
    return ready === undefined ? this.#run(write) : ready.then(() => this.#run(write));
  }

  #announce(
    call: Call,
    args: readonly unknown[],
    resolved: ResolvedCall,
    { answers, shadow }: Route['write'],
    context: CallContext,
  ): Write {
    const answering = this.#answering;
    const definition = call.definition as WriteDefinition;
    // Inside a transaction on another key the legacy leg does what it always did: nothing is rehearsed before.
    const isNested = answers === 'legacy' && context.transaction?.state === 'in flight';
    const comparedWith = isNested ? undefined : shadow;
    // Since when a write that goes on is in flight is told where a key moves back.
    const timed = call.mayPromise || answering.isTimed(call, resolved, comparedWith);
    const startMs = answering.startMs(timed);
    const { gate } = resolved.state;
    let admission: Admission;
    if (answering.canWait(call, answers) || isCompared(call, definition, comparedWith)) {
      const traits = resolved.traits[comparedWith === undefined ? answers : 'compared'];
      admission = gate.announce(context, traits, startMs, undefined, resolved);
    } else {
      // What answers at once can't wait: it stays on the leg that the writes in flight are on.
      const traits = resolved.traits[gate.legInFlight ?? answers];
      admission = gate.announceNow(context, traits, startMs, resolved);
    }
    return { call, args, admission, timed, definition, shadow: comparedWith, thrown: undefined };
  }

  #run(write: Write): unknown {
    const { calls, own } = this.#answering.parts;
    const { cell, shape } = resolvedOf(write.admission);
    cell.calls += 1;
    shape.calls += 1;
    this.#everywhere(write)?.pass();
    let result: unknown;
    try {
      result = this.#make(write);
    } catch (error) {
      this.#failed(write, error);
      throw error;
    }
    if (!isPromise(result)) {
      this.#answering.answeredAtOnce(write.call, write.admission.traits.leg);
      this.#succeeded(write);
      return own === undefined ? result : own(result);
    }
    this.#answering.answeredLater(write.call, write.admission.traits.leg);
    calls.begin();
    // Before the caller's own continuation, so that its next call finds the gate open. Nobody has looked at this promise: a rejection
    // that the caller doesn't handle is told by Node as it was without a bridge.
    return result.then(
      (value) => {
        calls.end();
        this.#succeeded(write);
        return own === undefined ? value : own(value);
      },
      (error: unknown) => {
        calls.end();
        this.#failed(write, error);
        throw error;
      },
    );
  }

  #succeeded(write: Write): void {
    const { call, definition, args, admission, shadow, timed } = write;
    const resolved = resolvedOf(admission);
    this.#end(write, false);
    // At `shadow` the comparison measures the leg alone, without the rehearsal before it.
    if (!isCompared(call, definition, shadow) && timed) {
      const { leg } = admission.traits;
      const tookMs = this.#answering.took(call, resolved, leg, admission.sinceMs);
      if (admission.traits.leg === 'legacy') noteLegacyCost(resolved.cost, tookMs);
    }
    if (shadow !== undefined && definition.comparison === 'observed')
      this.#answering.parts.comparer.observedWrite(resolved, definition.read, args);
  }

  #failed(write: Write, error: unknown): void {
    this.#end(write, true);
    if (error === write.thrown) return;
    const { cell, shape } = resolvedOf(write.admission);
    cell.failed += 1;
    shape.failed += 1;
  }

  #end(write: Write, failed: boolean): void {
    this.#everywhere(write)?.passed();
    this.#wayBack.ended(write.admission, failed);
  }

  /** The gate of calls about no key, if this write changes what they see. */
  #everywhere({ definition }: Write): KeyGate | undefined {
    return definition.removesKey === true || definition.addsKey === true
      ? this.#answering.parts.resolver.everywhere.gate
      : undefined;
  }

  #make(write: Write): unknown {
    const { definition, args, admission } = write;
    const resolved = resolvedOf(admission);
    const run = (given: readonly unknown[]): unknown =>
      this.#answering.make(admission, write.call, scoped(write, given));
    if (definition.removesKey === true) return this.#remove(write, run);
    if (!isCompared(write.call, definition, write.shadow)) return run(args);
    return this.#answering.parts.comparer.shadowWrite(resolved, definition, args, async (given) =>
      run(given),
    );
  }

  /** What the other leg holds open of a key would be a deleted file to it, or keep it from being removed. */
  async #remove(
    { args, admission }: Write,
    run: (args: readonly unknown[]) => unknown,
  ): Promise<unknown> {
    const other =
      this.#answering.parts.legs[admission.traits.leg === 'legacy' ? 'pooled' : 'legacy'];
    const remove = async (): Promise<unknown> => await run(args);
    return other.closedWhile === undefined
      ? await remove()
      : await other.closedWhile(resolvedOf(admission).key, remove);
  }
}

/** Whether a write at `shadow` is made through the comparer: what is only observed afterwards is not. */
function isCompared(call: Call, definition: WriteDefinition, shadow: LegName | undefined): boolean {
  if (shadow === undefined || call.style === 'at-once') return false;
  return definition.comparison !== 'none' && definition.comparison !== 'observed';
}

/** Functions among the arguments run inside the write, so that the calls they make join it. What answers at once still does. */
function scoped(write: Write, args: readonly unknown[]): readonly unknown[] {
  if (!args.some((argument) => typeof argument === 'function')) return args;
  const noted = (error: unknown): never => {
    write.thrown = error;
    throw error;
  };
  return args.map((argument) => {
    if (typeof argument !== 'function') return argument;
    const work = argument as Method;
    return function (this: unknown, ...given: readonly unknown[]): unknown {
      let result: unknown;
      try {
        result = runInTransaction(write.admission, () => Reflect.apply(work, this, given));
      } catch (error) {
        return noted(error);
      }
      return isPromise(result) ? result.then(undefined, noted) : result;
    };
  });
}
