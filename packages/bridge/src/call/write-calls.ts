import type { LegName, WriteDefinition } from '@changeover/core';
import {
  type Admission,
  currentContext,
  type KeyGate,
  runInTransaction,
} from '../guarantees/index.ts';
import { type Answering, latencyOf } from './answering.ts';
import { isPromise } from './answers.ts';
import type { CallResolver } from './call-resolver.ts';
import { noteLegacyCost } from './call-costs.ts';
import { invoke, type Method } from './invoke.ts';
import type { Call } from './resolved-call.ts';
import { resolvedOf, type WayBack } from './way-back.ts';

/** A write that was admitted, with all that was decided about it. */
interface Write {
  readonly call: Call;
  readonly definition: WriteDefinition;
  readonly args: readonly unknown[];
  readonly admission: Admission;
  /** The leg that it is compared with. */
  readonly shadow: LegName | undefined;
  /** What the caller's own function threw: a transaction that it gave up is no failure of the storage. */
  thrown: unknown;
}

/** Makes writes, each once and on one leg, with what is compared of them at `shadow`. */
export class WriteCalls {
  readonly #resolver: CallResolver;
  readonly #answering: Answering;
  readonly #wayBack: WayBack;

  constructor(resolver: CallResolver, answering: Answering, wayBack: WayBack) {
    this.#resolver = resolver;
    this.#answering = answering;
    this.#wayBack = wayBack;
  }

  /** Makes one write for a caller: its answer, or a promise of it where the legs answer so. */
  write(call: Call, args: readonly unknown[]): unknown {
    let write: Write | LegName;
    try {
      write = this.#announce(call, args);
    } catch (error) {
      return this.#answering.refuse(call, error);
    }
    if (typeof write === 'string')
      return invoke(this.#answering.parts.legs[write], call.operation, args);
    const { ready } = write.admission;
    if (ready === undefined) return this.#run(write);
    const admitted = write;
    return ready.then(() => this.#run(admitted));
  }

  /** Brings a write to its key's gate; the leg of the transaction that it joins instead where it is made in one. */
  #announce(call: Call, args: readonly unknown[]): Write | LegName {
    const nowMs = this.#answering.parts.clock.monotonicMs();
    const resolved = this.#resolver.resolve(call, args, nowMs);
    const { gate } = resolved.state;
    const context = currentContext();
    const joined = gate.transactionOf(context, resolved);
    if (joined !== undefined) return joined.traits.leg;
    const { answers, shadow } = this.#answering.routeOf(call, resolved, args).write;
    const definition = call.definition as WriteDefinition;
    // Inside a transaction on another key the legacy leg does what it always did: nothing is rehearsed before.
    const isNested = answers === 'legacy' && context.transaction?.state === 'in flight';
    const comparedWith = isNested ? undefined : shadow;
    let admission: Admission;
    if (this.#answering.canWait(call, answers) || isCompared(call, definition, comparedWith)) {
      const traits = resolved.traits[comparedWith === undefined ? answers : 'compared'];
      admission = gate.announce(context, traits, nowMs, undefined, resolved);
    } else {
      // What answers at once can't wait: it stays on the leg that the writes in flight are on.
      const traits = resolved.traits[gate.legInFlight ?? answers];
      admission = gate.announceNow(context, traits, nowMs, resolved);
    }
    return { call, definition, args, admission, shadow: comparedWith, thrown: undefined };
  }

  #run(write: Write): unknown {
    const { calls } = this.#answering.parts;
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
    this.#answering.noteStyle(write.call, write.admission.traits.leg, result);
    if (!isPromise(result)) {
      this.#succeeded(write);
      return result;
    }
    calls.begin();
    // Before the caller's own continuation, so that its next call finds the gate open.
    result.then(
      () => {
        calls.end();
        this.#succeeded(write);
      },
      (error: unknown) => {
        calls.end();
        this.#failed(write, error);
      },
    );
    return result;
  }

  #succeeded(write: Write): void {
    const { call, definition, args, admission, shadow } = write;
    const { clock, comparer } = this.#answering.parts;
    const resolved = resolvedOf(admission);
    this.#end(write, false);
    // At `shadow` the comparison measures the leg alone, without the rehearsal before it.
    if (!isCompared(call, definition, shadow)) {
      const tookMs = clock.monotonicMs() - admission.sinceMs;
      resolved.cell[latencyOf[admission.traits.leg]].record(tookMs);
      if (admission.traits.leg === 'legacy') noteLegacyCost(resolved.cost, tookMs);
    }
    if (shadow !== undefined && definition.comparison === 'observed')
      comparer.observedWrite(resolved, definition.read, args);
  }

  #failed(write: Write, error: unknown): void {
    this.#end(write, true);
    if (error !== write.thrown) resolvedOf(write.admission).cell.failed += 1;
  }

  #end(write: Write, failed: boolean): void {
    this.#everywhere(write)?.passed();
    this.#wayBack.ended(write.admission, failed);
  }

  /** The gate of calls about no key, if this write changes what they see. */
  #everywhere({ definition }: Write): KeyGate | undefined {
    return definition.removesKey === true || definition.addsKey === true
      ? this.#resolver.everywhere.gate
      : undefined;
  }

  #make(write: Write): unknown {
    const { definition, args, admission } = write;
    const resolved = resolvedOf(admission);
    const run = (given: readonly unknown[]): unknown =>
      this.#answering.make(admission, resolved.operation, scoped(write, given));
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
