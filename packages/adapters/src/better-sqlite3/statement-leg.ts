import type { LegName } from '@changeover/core';
import type Database from 'better-sqlite3';
import type { Connection } from './connection.ts';
import type { HandleSession, StatementArguments, Way } from './handle-session.ts';
import type { StatementTraits } from '../shared/statement-traits.ts';

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

  run(...args: StatementArguments): unknown {
    return this.#execute('run', args);
  }

  get(...args: StatementArguments): unknown {
    return this.#execute('get', args);
  }

  all(...args: StatementArguments): unknown {
    return this.#execute('all', args);
  }

  iterate(...args: StatementArguments): unknown {
    return this.#execute('iterate', args);
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

  #execute(way: Way, args: StatementArguments): unknown {
    return this.#session.execute(way, this.#on(args[1], way), args);
  }

  #on(traits: StatementTraits, way: Way): Connection {
    return this.#leg === 'legacy' ? this.#session.handle : this.#session.pooled(traits, way);
  }
}

/** The methods of a leg, without the leg. */
export type StatementMethods = Readonly<Pick<StatementLeg, keyof StatementLeg>>;
