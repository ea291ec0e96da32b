import { digestValue } from '@changeover/compare';
import type { ResolvedCall } from '../call/resolved-call.ts';
import type { Outcome } from './shadow-caller.ts';

/** Calls under suspicion that are remembered; beyond it the oldest are forgotten. */
const maxRemembered = 1_000;

/**
 * What the legacy leg said to calls on which the legs differed. Where the leg is too busy to be asked again, the same
 * call made again by a caller is as good a witness: if legacy says the same twice and the pooled leg differs twice, the
 * difference is real, and a query that isn't determined has been ruled out.
 */
export class SeenDifferences {
  readonly #said = new Map<string, { readonly outcome: Outcome; readonly judgedMs: number }>();

  /** Nothing is under suspicion: nothing needs to be looked up. */
  get none(): boolean {
    return this.#said.size === 0;
  }

  /** The same for calls of the same operation with the same arguments. */
  key({ key, operation }: ResolvedCall, args: readonly unknown[]): string {
    return `${key}\0${operation}\0${digestValue(args.filter((argument) => typeof argument !== 'function')).ordered}`;
  }

  /** What legacy said to such a call that was judged before this one began: two that ran at once saw the same moment, and one
   * write between them and their shadows explains both.
   *
   * @param startedMs when this call began, by the monotonic clock. */
  recall(key: string, startedMs: number): Outcome | undefined {
    const said = this.#said.get(key);
    return said !== undefined && said.judgedMs < startedMs ? said.outcome : undefined;
  }

  note(key: string, legacy: Outcome, judgedMs: number): void {
    this.#said.delete(key);
    this.#said.set(key, { outcome: legacy, judgedMs });
    const [oldest] = this.#said.keys();
    if (this.#said.size > maxRemembered && oldest !== undefined) this.#said.delete(oldest);
  }

  forget(key: string): void {
    this.#said.delete(key);
  }
}
