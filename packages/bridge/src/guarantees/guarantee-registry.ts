import { systemClock, type Clock, type LegName } from '@changeover/core';
import type { Admission } from './admission.ts';
import { beginCallersAtRequests } from './caller.ts';
import { KeyGate } from './key-gate.ts';
import type { CaptureSite, OnReliance } from './reliance.ts';

/**
 * A leg that is one queue for all its keys, as a singleton with one connection is: whatever it was given waits until the
 * transaction that runs on it has ended, which the gates of the single keys can't see.
 */
export class SerialLeg {
  /** Transactions that were let onto it and have not ended. @internal */
  readonly transactions: Set<Admission> = new Set<Admission>();
}

export interface GuaranteeRegistryOptions {
  /** Default: the machine's. Asked only where a call had to wait. */
  readonly clock?: Clock | undefined;
  /** Asked for the call site each time that a guarantee is relied on: it samples by itself. Default: none is kept. */
  readonly captureSite?: CaptureSite | undefined;
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

/**
 * Makes the gates of all bridges that a transaction may span. Hand the same one to each of them. It keeps no gate: who
 * asked for one keeps it, and may forget it while it is {@link KeyGate.idle}.
 */
export class GuaranteeRegistry {
  readonly clock: Clock;
  readonly captureSite: CaptureSite | undefined;
  #endCallers: (() => void) | undefined = undefined;

  constructor(options: GuaranteeRegistryOptions = {}) {
    this.clock = options.clock ?? systemClock;
    this.captureSite = options.captureSite;
  }

  gate(options: KeyGateOptions): KeyGate {
    return new KeyGate(this, options);
  }

  /** Makes each HTTP request a caller of its own, from the first call on that is ordered by caller. @internal */
  useCallers(): void {
    this.#endCallers ??= beginCallersAtRequests();
  }

  /** Requests are no callers of their own any more, as far as this registry made them. Its gates go on. Idempotent. */
  close(): void {
    this.#endCallers?.();
    this.#endCallers = () => undefined;
  }
}
