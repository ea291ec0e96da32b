import type { LegName } from '@changeover/core';
import { type Admission, AdmissionList, type CallTraits, excludesOthers } from './admission.ts';

/**
 * Whose turn it is among the writes of one key: never on both legs at once, and none beside one that excludes others. They take turns
 * in the order in which they came here, so that a change of stage is never starved.
 */
export class WriteTurns {
  /** Those that wait for their turn. */
  readonly waiting: AdmissionList = new AdmissionList();
  /** The leg of the writes in flight, or of the last that were. */
  leg: LegName | undefined = undefined;
  /** How many are in flight and others wait for them. */
  active = 0;
  /** How many are in flight and nobody waits for them any more. */
  waived = 0;
  /** How many change what is seen here and are ordered elsewhere. */
  passing = 0;
  /** Moves whenever one begins or ends. */
  epoch = 0;
  #exclusive = false;

  /** It may begin: nothing waits before it, and the writes in flight allow it. */
  isOpen(traits: CallTraits): boolean {
    return this.waiting.first === undefined && this.admits(traits);
  }

  /** The writes in flight allow it, whoever waits. */
  admits(traits: CallTraits): boolean {
    return (
      this.active === 0 || (this.leg === traits.leg && !this.#exclusive && !excludesOthers(traits))
    );
  }

  await(admission: Admission): void {
    admission.state = 'waits for turn';
    this.waiting.push(admission);
  }

  /** Takes out the one that waits longest, where the writes in flight allow it. */
  takeNext(): Admission | undefined {
    const { first } = this.waiting;
    if (first === undefined || !this.admits(first.traits)) return undefined;
    this.waiting.remove(first);
    return first;
  }

  begin(admission: Admission): void {
    const { gate, traits } = admission;
    this.leg = traits.leg;
    this.#exclusive ||= excludesOthers(traits);
    this.active += 1;
    this.epoch += 1;
    if (traits.kind === 'transaction') gate.serial[traits.leg]?.transactions.add(admission);
  }

  end(admission: Admission): void {
    const { gate, traits } = admission;
    this.active -= 1;
    this.epoch += 1;
    if (this.active === 0) this.#exclusive = false;
    if (traits.kind === 'transaction') gate.serial[traits.leg]?.transactions.delete(admission);
  }

  /** Notes the end of one that had been waived. */
  endWaived(): void {
    this.waived -= 1;
    this.epoch += 1;
  }

  /** Notes that a write begins (1) or ends (-1) which changes what is seen here, and is ordered elsewhere. */
  pass(change: 1 | -1): void {
    this.passing += change;
    this.epoch += 1;
  }
}
