import type Database from 'better-sqlite3';
import type { BridgedDatabase } from './bridged-database.ts';
import type { HandleSession } from './handle-session.ts';
import type { PreparedText } from './prepared-text.ts';
import type { StatementLeg } from './statement-leg.ts';

type Values = readonly unknown[];

/** What a statement is executed with. */
export interface Executor {
  readonly session: HandleSession;
  readonly bridged: StatementLeg;
}

/**
 * A statement in the place of the driver's: the same members, executed through the bridge. Those that execute nothing (`columns`,
 * `bind`, `pluck` and the like) are those of the connection that it was used on last.
 */
export class BridgedStatement {
  declare readonly source: string;
  declare readonly reader: boolean;
  declare readonly readonly: boolean;
  declare readonly database: Database.Database;
  declare readonly busy: boolean;
  readonly #text: PreparedText;
  readonly #session: HandleSession;
  readonly #bridged: StatementLeg;

  constructor(text: PreparedText, database: BridgedDatabase, { session, bridged }: Executor) {
    this.#text = text;
    this.#session = session;
    this.#bridged = bridged;
    const { reader, readonly, source } = text.latest;
    Object.defineProperties(this, {
      reader: { value: reader, enumerable: true },
      readonly: { value: readonly, enumerable: true },
      source: { value: source, enumerable: true },
      database: { value: database, enumerable: true },
      busy: { get: () => text.latest.busy, enumerable: true },
    });
  }

  run(...params: Values): unknown {
    const session = this.#session;
    const text = this.#text;
    session.calling += 1;
    try {
      return this.#bridged.run(text.sql, text.traits, text.mode, params, text);
    } finally {
      session.calling -= 1;
    }
  }

  get(...params: Values): unknown {
    const session = this.#session;
    const text = this.#text;
    session.calling += 1;
    try {
      return this.#bridged.get(text.sql, text.traits, text.mode, params, text);
    } finally {
      session.calling -= 1;
    }
  }

  all(...params: Values): unknown {
    const session = this.#session;
    const text = this.#text;
    session.calling += 1;
    try {
      return this.#bridged.all(text.sql, text.traits, text.mode, params, text);
    } finally {
      session.calling -= 1;
    }
  }

  iterate(...params: Values): unknown {
    const session = this.#session;
    const text = this.#text;
    session.calling += 1;
    try {
      const rows = this.#bridged.iterate(text.sql, text.traits, text.mode, params, text);
      return Object.defineProperty(rows, 'statement', { value: this, enumerable: true });
    } finally {
      session.calling -= 1;
    }
  }

  bind(...params: Values): this {
    this.#text.bind(params);
    return this;
  }

  pluck(...toggle: Values): this {
    this.#text.shape('pluck', toggle);
    return this;
  }

  expand(...toggle: Values): this {
    this.#text.shape('expand', toggle);
    return this;
  }

  raw(...toggle: Values): this {
    this.#text.shape('raw', toggle);
    return this;
  }

  safeIntegers(...toggle: Values): this {
    this.#text.integers(toggle);
    return this;
  }

  columns(): Database.ColumnDefinition[] {
    return this.#text.latest.columns();
  }

  toString(): string {
    return this.#text.expanded;
  }
}
