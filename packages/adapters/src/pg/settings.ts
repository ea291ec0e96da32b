import { NotComparableError } from '@changeover/core';
import type { Statement } from './statement.ts';

/** One statement that set something on a connection, with what it was sent with. */
export interface Setting {
  readonly statement: Statement;
  readonly values: unknown;
  /** Of LISTEN: the connection that hears. While it is there no other need listen, or the program is told twice. */
  listener: { readonly isOver: boolean } | undefined;
}

/** Settings kept; beyond it the oldest are forgotten. A program sets a handful, by names that repeat. */
const maxSettings = 1_000;

/**
 * What callers set on the one connection that they believe to have, in its order, so that it can be set on another one before
 * that stands in for the first. Of statements with the same text and values the last counts.
 */
export class Settings {
  readonly #entries = new Map<string, { readonly at: number; readonly setting: Setting }>();
  #last = 0;

  /** Grows with each setting: a connection that was brought up to this has all of them. */
  get version(): number {
    return this.#last;
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  add(setting: Setting): number {
    const key = `${setting.statement.text}\0${JSON.stringify(setting.values ?? null)}`;
    this.#last += 1;
    this.#entries.delete(key);
    this.#entries.set(key, { at: this.#last, setting });
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > maxSettings && oldest !== undefined) this.#entries.delete(oldest);
    return this.#last;
  }

  /**
   * To be asked before a statement is run again for comparison, with what it was answered under still in force.
   *
   * @throws {NotComparableError} where a caller has set something since.
   */
  mustBe(version: number): void {
    if (version !== this.#last)
      throw new NotComparableError('settings of the connection were changed after the answer');
  }

  /** Those that came after a version, in their order. */
  *since(version: number): Generator<Setting, void> {
    for (const { at, setting } of this.#entries.values()) if (at > version) yield setting;
  }
}
