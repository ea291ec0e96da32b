import { type Clock, systemClock } from '@changeover/core';
import { beginCallersAtRequests } from './caller.ts';
import { type GateMaker, KeyGate, type KeyGateOptions } from './key-gate.ts';
import type { CaptureSite } from './reliance.ts';

export interface GuaranteeRegistryOptions {
  /** Default: the machine's. Asked only where a call had to wait. */
  readonly clock?: Clock | undefined;
  /** Asked for the call site each time that a guarantee is relied on: it samples by itself. Default: none is kept. */
  readonly captureSite?: CaptureSite | undefined;
}

/**
 * Makes the gates of all bridges that a transaction may span. Hand the same one to each of them. It keeps no gate: who
 * asked for one keeps it, and may forget it while it is {@link KeyGate.idle}.
 */
export class GuaranteeRegistry implements GateMaker {
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
