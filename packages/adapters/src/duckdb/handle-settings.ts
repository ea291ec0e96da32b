import { NotComparableError } from '@changeover/core';
import type { DuckDBConnection } from '@duckdb/node-api';
import { applyFacts, sameFacts, type SessionFacts } from './session-facts.ts';

/** What callers set on the one connection that they believe to have, by value, so that it can be set on another one. */
export class HandleSettings {
  #facts: SessionFacts | undefined;
  #version = 0;

  /** Moves whenever something was set: a connection that was brought up to this has all of it. */
  get version(): number {
    return this.#version;
  }

  /** Takes what a connection is set to now. */
  note(facts: SessionFacts): void {
    if (this.#facts !== undefined && sameFacts(this.#facts, facts)) return;
    this.#facts = facts;
    this.#version += 1;
  }

  async apply(connection: DuckDBConnection): Promise<void> {
    if (this.#facts !== undefined) await applyFacts(connection, this.#facts);
  }

  /**
   * To be asked before a statement is run again for comparison, with what it was answered under still in force.
   *
   * @throws {NotComparableError} where a caller has set something since.
   */
  mustBe(version: number): void {
    if (version !== this.#version)
      throw new NotComparableError('settings of the connection were changed after the answer');
  }
}
