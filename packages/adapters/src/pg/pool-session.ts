import type { LegName } from '@changeover/core';
import type { Line } from './line.ts';
import type { PooledConnections } from './pooled-connections.ts';
import { send } from './send.ts';
import type { Settings } from './settings.ts';
import type { Session, Statement } from './statement.ts';

/** The statements that a pool is given itself: each on any connection, so that none leaves anything for the next. */
export class PoolSession implements Session {
  readonly key: string;
  readonly isBetween = true;
  readonly #raw: object;
  readonly #pooled: PooledConnections;

  /** @param raw runs statements as the pool itself does, whatever stands in its place by now. */
  constructor(key: string, raw: object, pooled: PooledConnections) {
    this.key = key;
    this.#raw = raw;
    this.#pooled = pooled;
  }

  mustWait(): boolean {
    return false;
  }

  whenOpen(_statement: unknown, issue: () => Promise<unknown>): Promise<unknown> {
    return issue();
  }

  run(leg: LegName, statement: Statement, values: unknown): Promise<unknown> {
    // What takes its rows itself is the configuration, and is called back when it has ended.
    const { config } = statement;
    return leg === 'pooled' ? this.#pooled.query(config, values) : send(this.#raw, config, values);
  }
}

/** The statements of one client that was taken out of a pool: all on its connection, whatever the stage is by then. */
export class CheckedOutSession implements Session {
  readonly key: string;
  readonly #line: Line;
  readonly #settings: Settings;
  /** It was left something that no other connection has. */
  #isMarked = false;

  constructor(key: string, line: Line, settings: Settings) {
    this.key = key;
    this.#line = line;
    this.#settings = settings;
  }

  get isBetween(): boolean {
    return this.#line.isBetween && this.#settings.isEmpty && !this.#isMarked;
  }

  mustWait(): boolean {
    return false;
  }

  whenOpen(_statement: unknown, issue: () => Promise<unknown>): Promise<unknown> {
    return issue();
  }

  run(_leg: LegName, statement: Statement, values: unknown): Promise<unknown> {
    statement.whenKnown(({ leaves }) => {
      if (leaves !== 'nothing') this.#isMarked = true;
    });
    const answer = this.#line.run(statement, values);
    // Its caller reads a cursor or a stream when it likes, and may ask the pool for something between: this connection is its own.
    return statement.submittable === undefined ? answer : Promise.race([answer, Promise.resolve()]);
  }
}
