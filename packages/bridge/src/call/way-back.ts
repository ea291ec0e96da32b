import { type Clock, type LegName, MovedBackError, type Timer } from '@changeover/core';
import type { Admission } from '../guarantees/index.ts';
import type { Logger } from '../log.ts';
import type { KeyState } from './key-state.ts';
import { type ResolvedCall } from './resolved-call.ts';
import { resolvedOf } from './answering.ts';

/** A write that the others don't wait for any more, because its key moved back and it had not ended in time. */
export interface PassedWrite {
  readonly backend: string;
  readonly key: string;
  readonly operation: string;
  /** `cut`: it was ended and its caller told. `waived`: it goes on running, and order and legs are not kept towards it. */
  readonly how: 'cut' | 'waived';
  /** How long it had been in flight, in ms. */
  readonly ranMs: number;
}

export interface WayBackOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long the calls in flight are waited for, in ms. */
  readonly withinMs: number;
  /** What holds for a call of the same kind that is made now. */
  readonly again: (resolved: ResolvedCall) => ResolvedCall;
  readonly onPassed: ((passed: PassedWrite) => void) | undefined;
}

/** How long calls in flight are waited for where nothing else is said. */
export const defaultBackWithinMs = 1_000;
/** How long a leg may take to end a call that it said it ends. */
const endingMs = 5_000;

/**
 * Keeps the way back free. When a key moves from the pooled leg back to the legacy one, calls that were held up go straight to
 * the legacy leg, in the places that they have. Those in flight are waited for up to a bound. Then a write that the leg can end
 * is ended, and its caller told; any other goes on running and is passed. On the way forward everything is waited for.
 */
export class WayBack {
  readonly #options: WayBackOptions;
  readonly #timers = new Map<KeyState, Timer>();
  /** When each call in flight that was left behind stops being waited for. */
  readonly #dueMs = new WeakMap<Admission, number>();

  constructor(options: WayBackOptions) {
    this.#options = options;
  }

  /** To be told when the stage of a key may have changed. */
  changed(state: KeyState): void {
    for (const admission of state.gate.heldUp()) this.#redirect(admission);
    // A call that a move forward took along again has its whole time the next time.
    for (const admission of state.gate.inFlight)
      if (this.#movedBack(admission) === undefined) this.#dueMs.delete(admission);
      else this.#due(admission);
    this.#watch(state);
  }

  /** A write has ended: so has everything of a transaction that was cut. */
  ended(admission: Admission, failed: boolean): void {
    const { gate } = admission;
    if (admission.ending && failed && gate.cut(admission) !== undefined)
      this.#tell(admission, 'cut');
    else gate.leave(admission);
  }

  /** Waits for nothing any more. Idempotent. */
  close(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  #redirect(admission: Admission): void {
    const now = this.#movedBack(admission);
    if (now === undefined) return;
    admission.subject = now;
    admission.gate.redirect(admission, now.traits.legacy);
  }

  /** In flight on a leg that such a call would not take any more. */
  #left({ gate }: KeyState): readonly Admission[] {
    return [...gate.inFlight].filter((admission) => this.#movedBack(admission) !== undefined);
  }

  #movedBack(admission: Admission): ResolvedCall | undefined {
    if (admission.traits.leg !== 'pooled' || admission.subject === undefined) return undefined;
    const now = this.#options.again(resolvedOf(admission));
    return answeringLeg(now) === 'legacy' ? now : undefined;
  }

  /** Waits for the first of those left behind whose time is over. */
  #watch(state: KeyState): void {
    if (this.#timers.has(state)) return;
    const { clock } = this.#options;
    const dueMs = Math.min(...this.#left(state).map((admission) => this.#due(admission)));
    if (!Number.isFinite(dueMs)) return;
    const atBound = (): void => {
      this.#timers.delete(state);
      this.#atBound(state);
      this.#watch(state);
    };
    this.#timers.set(state, clock.after(Math.max(0, dueMs - clock.monotonicMs()), atBound));
  }

  #due(admission: Admission): number {
    const dueMs =
      this.#dueMs.get(admission) ?? this.#options.clock.monotonicMs() + this.#options.withinMs;
    this.#dueMs.set(admission, dueMs);
    return dueMs;
  }

  #atBound(state: KeyState): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const admission of this.#left(state)) {
      if (this.#due(admission) > nowMs) continue;
      if (admission.traits.kind === 'read') admission.gate.waive(admission);
      else if (admission.ending || !this.#end(admission)) this.#waive(admission);
      // Where it is being ended, as long as the leg may take for that.
      this.#dueMs.set(admission, nowMs + endingMs);
    }
  }

  #end(admission: Admission): boolean {
    const { backend, key } = resolvedOf(admission);
    const { withinMs } = this.#options;
    // First, so that nothing of its work is let through meanwhile.
    admission.ending = true;
    admission.ending = admission.end?.(new MovedBackError(backend, key, withinMs)) === true;
    return admission.ending;
  }

  #waive(admission: Admission): void {
    if (admission.gate.waive(admission) !== undefined) this.#tell(admission, 'waived');
  }

  #tell(admission: Admission, how: PassedWrite['how']): void {
    const { clock, logger, onPassed } = this.#options;
    const { backend, key, operation } = resolvedOf(admission);
    const ranMs = Math.round(clock.monotonicMs() - admission.sinceMs);
    const passed: PassedWrite = { backend, key, operation, how, ranMs };
    logger.warn({ event: 'way-back', backend, dataset: key, operation, how, ranMs }, texts[how]);
    onPassed?.(passed);
  }
}

const texts = {
  cut: 'moved back: a write that had not ended in time was ended, and its caller told',
  waived:
    'moved back: a write that had not ended in time goes on running on the pooled leg, and others pass it',
} as const;

/** For the ledger. */
export function passedText({ operation, how, ranMs }: PassedWrite): string {
  return how === 'cut'
    ? `${operation} was cut after ${ranMs} ms`
    : `order was waived towards ${operation}, which had run for ${ranMs} ms`;
}

function answeringLeg({ definition, route }: ResolvedCall): LegName {
  return definition.kind === 'read' ? route.read.answers : route.write.answers;
}
