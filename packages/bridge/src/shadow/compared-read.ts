import { findDifference } from '@changeover/compare';
import type {
  AnswerFacts,
  OpenParts,
  ReadDefinition,
  ShadowCall,
  Undetermined,
} from '@changeover/core';
import type { ResolvedCall } from '../call/resolved-call.ts';
import type { ShadowCaller } from './shadow-caller.ts';

/** Both legs' results of one run. */
export interface Results {
  readonly legacy: unknown;
  readonly pooled: unknown;
}

/** One read that is compared: how it is asked again, what is known of its answer, and whether anybody wrote since it was made. */
export class ComparedRead {
  readonly resolved: ResolvedCall;
  readonly args: readonly unknown[];
  readonly #caller: ShadowCaller;
  readonly #epoch: number;
  readonly #quiet: boolean;
  readonly #version: string | undefined;
  #facts: AnswerFacts | undefined;

  /** To be made before the read is. */
  constructor(caller: ShadowCaller, resolved: ResolvedCall, args: readonly unknown[]) {
    const { gate } = resolved.state;
    this.resolved = resolved;
    this.args = args;
    this.#caller = caller;
    this.#epoch = gate.epoch;
    this.#quiet = gate.quiet;
    this.#version = caller.version(resolved.key);
  }

  /**
   * Asks what is known of the call's answer; undefined where nobody is to be asked. Resolves to false where the call must not be made
   * again. Never rejects.
   */
  learn(): Promise<boolean> | undefined {
    const { facts } = this.resolved.definition as {
      facts?: (...args: readonly unknown[]) => Promise<AnswerFacts>;
    };
    return facts?.(...this.args).then(
      (known) => {
        this.#facts = known;
        return known.acts === undefined;
      },
      () => false,
    );
  }

  /** The read as a leg is asked for it once more. */
  call(signal: AbortSignal): ShadowCall {
    const { compareAs } = this.resolved.definition as ReadDefinition;
    return { operation: this.resolved.operation, args: this.args, signal, compareAs };
  }

  get resultKind(): 'rows' | 'value' {
    return (this.resolved.definition as ReadDefinition).result ?? 'value';
  }

  /** The call promises the order of its rows. */
  get ordered(): boolean {
    if (this.#facts !== undefined) return this.#facts.ordered;
    const { ordered } = this.resolved.definition as {
      ordered?: (...args: readonly unknown[]) => boolean;
    };
    return ordered?.(...this.args) ?? false;
  }

  /** Rows come in an order, be it but for those that are equal in it. */
  get comesInOrder(): boolean {
    return this.ordered || (this.open !== undefined && this.open.sortedBy.length > 0);
  }

  /** What the call leaves open. */
  get open(): OpenParts | undefined {
    return this.#facts?.open;
  }

  /** Why the call's answer may differ from run to run. */
  get undetermined(): Undetermined | undefined {
    if (this.#facts !== undefined) return this.#facts.undetermined;
    const { undetermined } = this.resolved.definition as {
      undetermined?: (...args: readonly unknown[]) => Undetermined | undefined;
    };
    return undetermined?.(...this.args);
  }

  /** No write of this process began or ended since before the read. */
  get stillQuiet(): boolean {
    return this.#quiet && this.resolved.state.gate.epoch === this.#epoch;
  }

  /** Nobody at all wrote since then; undefined where the engine can't tell. */
  get foreignQuiet(): boolean | undefined {
    if (this.#version === undefined) return undefined;
    return this.#caller.version(this.resolved.key) === this.#version;
  }

  /** A rule explains how the results differ. */
  passesByRule({ legacy, pooled }: Results): boolean {
    const { key, operation, rules: book } = this.resolved;
    const rules = book?.for(operation, key);
    if (rules === undefined) return false;
    const difference = findDifference(legacy, pooled, this.ordered, rules);
    if (difference === undefined) return true;
    if (difference.class !== 'order' || !rules.orderFree) return false;
    rules.usedOrderFree();
    return true;
  }
}
