import type { LegName } from '@changeover/core';
import type Database from 'better-sqlite3';
import type { Connection } from './connection.ts';
import type { PreparedText } from './prepared-text.ts';
import type { HandleSession, Way } from './handle-session.ts';
import type { StatementTraits } from '../shared/statement-traits.ts';

type Values = readonly unknown[];

/** The driver's `explain`, which its types don't name. */
interface Explaining {
  explain(source: string): unknown;
}

/** One leg of the bridge: everything that runs a statement. */
export class StatementLeg {
  readonly #session: HandleSession;
  readonly #leg: LegName;

  constructor(session: HandleSession, leg: LegName) {
    this.#session = session;
    this.#leg = leg;
  }

  run(
    _sql: string,
    traits: StatementTraits,
    mode: number,
    params: Values,
    text: PreparedText,
  ): unknown {
    return this.#session.execute('run', this.#on(traits, 'run'), traits, mode, params, text);
  }

  get(
    _sql: string,
    traits: StatementTraits,
    mode: number,
    params: Values,
    text: PreparedText,
  ): unknown {
    return this.#session.execute('get', this.#on(traits, 'get'), traits, mode, params, text);
  }

  all(
    _sql: string,
    traits: StatementTraits,
    mode: number,
    params: Values,
    text: PreparedText,
  ): unknown {
    return this.#session.execute('all', this.#on(traits, 'all'), traits, mode, params, text);
  }

  iterate(
    _sql: string,
    traits: StatementTraits,
    mode: number,
    params: Values,
    text: PreparedText,
  ): unknown {
    return this.#session.execute(
      'iterate',
      this.#on(traits, 'iterate'),
      traits,
      mode,
      params,
      text,
    );
  }

  exec(sql: string, traits: StatementTraits): void {
    this.#session.perform(this.#on(traits, 'run'), traits, (database) => {
      database.exec(sql);
    });
  }

  pragma(
    _sql: string,
    traits: StatementTraits,
    source: string,
    options: Database.PragmaOptions | undefined,
  ): unknown {
    return this.#session.perform(this.#on(traits, 'all'), traits, (database) =>
      database.pragma(source, options),
    );
  }

  explain(_sql: string, traits: StatementTraits, source: string): unknown {
    return this.#session.perform(this.#on(traits, 'all'), traits, (database) =>
      (database as unknown as Explaining).explain(source),
    );
  }

  #on(traits: StatementTraits, way: Way): Connection {
    return this.#leg === 'legacy' ? this.#session.handle : this.#session.pooled(traits, way);
  }
}

/** The methods of a leg, without the leg. */
export type StatementMethods = Readonly<Pick<StatementLeg, keyof StatementLeg>>;
