import type { LegName } from '@changeover/core';
import { type Admission, type CallContext, currentContext } from '../guarantees/index.ts';
import type { Answering } from './answering.ts';
import type { CallResolver } from './call-resolver.ts';
import { invoke } from './invoke.ts';
import type { Call, ResolvedCall } from './resolved-call.ts';

/** A call that was announced at its key's gate, with all that was decided about it. */
export interface AnnouncedCall {
  readonly call: Call;
  readonly args: readonly unknown[];
  /** Undefined where the call has no place there, and needs none. */
  readonly admission: Admission | undefined;
  /** The clock is read at its end: see {@link Answering.isTimed}. */
  readonly timed: boolean;
}

/** What is done differently for calls of one kind. */
export interface CallKind<Announced extends AnnouncedCall> {
  /** Brings a call that joins no transaction to its key's gate. What it throws is the call's error. */
  announce(
    call: Call,
    args: readonly unknown[],
    resolved: ResolvedCall,
    context: CallContext,
  ): Announced;
  /** Makes an admitted call: its answer, or a promise of it where the leg answers so. */
  run(announced: Announced): unknown;
}

/** How every call begins that the gates order: decided about, brought to its key's gate, and made when that lets it. */
export class CallStart {
  readonly #resolver: CallResolver;
  readonly #answering: Answering;

  constructor(resolver: CallResolver, answering: Answering) {
    this.#resolver = resolver;
    this.#answering = answering;
  }

  /** Makes one call for a caller: its answer, or a promise of it where the legs answer so. */
  begin<Announced extends AnnouncedCall>(
    kind: CallKind<Announced>,
    call: Call,
    args: readonly unknown[],
  ): unknown {
    let announced: Announced | LegName;
    try {
      announced = this.#announce(kind, call, args);
    } catch (error) {
      return this.#answering.refuse(call, error);
    }
    if (typeof announced === 'string')
      return this.#answering.owned(
        invoke(this.#answering.parts.legs[announced], call.operation, args),
      );
    const ready = announced.admission?.ready;
    if (ready === undefined) return kind.run(announced);
    const admitted = announced;
    return ready.then(() => kind.run(admitted));
  }

  /** The leg of the transaction that the call joins instead where it is made in one. */
  #announce<Announced extends AnnouncedCall>(
    kind: CallKind<Announced>,
    call: Call,
    args: readonly unknown[],
  ): Announced | LegName {
    const resolved = this.#resolver.resolve(call, args);
    const context = currentContext();
    const joined =
      context.transaction === undefined
        ? undefined
        : resolved.state.gate.transactionOf(context, resolved);
    return joined === undefined ? kind.announce(call, args, resolved, context) : joined.traits.leg;
  }
}
