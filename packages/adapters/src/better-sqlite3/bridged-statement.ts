import type Database from 'better-sqlite3';
import type { HandleSession } from './handle-session.ts';
import type { PreparedText } from './prepared-text.ts';
import type { StatementLeg, StatementMethods } from './statement-leg.ts';

type Values = readonly unknown[];

/** What statements are executed with. */
export interface Executor {
  readonly session: HandleSession;
  /** The bridge's own object, for what stands behind it. */
  readonly bridged: StatementLeg;
  /** Its methods, taken from it once: looking one up costs as much as a tenth of a point read. */
  readonly methods: StatementMethods;
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
  readonly #methods: StatementMethods;

  constructor(text: PreparedText, database: object, { session, methods }: Executor) {
    this.#text = text;
    this.#session = session;
    this.#methods = methods;
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
      return this.#methods.run(text.sql, text.traits, text.mode, params, text);
    } finally {
      session.calling -= 1;
    }
  }

  get(...params: Values): unknown {
    const session = this.#session;
    const text = this.#text;
    session.calling += 1;
    try {
      return this.#methods.get(text.sql, text.traits, text.mode, params, text);
    } finally {
      session.calling -= 1;
    }
  }

  all(...params: Values): unknown {
    const session = this.#session;
    const text = this.#text;
    session.calling += 1;
    try {
      return this.#methods.all(text.sql, text.traits, text.mode, params, text);
    } finally {
      session.calling -= 1;
    }
  }

  iterate(...params: Values): unknown {
    const session = this.#session;
    const text = this.#text;
    session.calling += 1;
    try {
      const rows = this.#methods.iterate(text.sql, text.traits, text.mode, params, text);
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
