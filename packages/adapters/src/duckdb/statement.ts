import type { Caller } from '@changeover/bridge';
import type { Statement as Classified } from '@changeover/classify';
import type { LegName } from '@changeover/core';
import type { DuckDBConnection } from '@duckdb/node-api';
import { type Classification, type StatementTraits, traitsOf } from '../shared/statement-traits.ts';
import { type Control, controlsIn } from './statement-texts.ts';

/**
 * Runs a statement on a connection.
 *
 * @param values what it is run with: for a comparison a copy of what the caller gave.
 * @param again true for a comparison, which must leave what the caller holds as it is.
 */
export type Work = (
  connection: DuckDBConnection,
  values: unknown,
  again: boolean,
) => Promise<unknown>;

/** What the statements of one key have in common. */
export interface Session {
  readonly key: string;
  /** No transaction is open, and nothing under way can have opened one or set something: what is read now can be read elsewhere. */
  readonly isBetween: boolean;
  /** Whether a caller's statement has to wait until another caller's transaction is over. */
  mustWait(statement: Statement): boolean;
  /** Issues a statement as soon as it need not wait any more. */
  whenOpen(statement: Statement, issue: () => Promise<unknown>): Promise<unknown>;
  /** It goes to a leg whatever the stage is: a transaction is open there, or what it may need was left there. */
  holds(leg: LegName, statement: Statement): boolean;
  /** Runs a statement where the leg, or what is open, says. */
  run(leg: LegName, statement: Statement, values: unknown): Promise<unknown>;
}

/** What a statement is made of. */
export interface StatementParts {
  /** Empty for what has none: an appender. */
  readonly text: string;
  readonly classified: Classification;
  readonly caller: Caller;
  readonly session: Session;
  readonly work: Work;
  /** What is handed out goes on reading from the connection, or has not been run yet: a stream, a pending result. */
  readonly opens: 'nothing' | 'stream' | 'pending';
  /** It executes nothing: it is compiled, or an appender is made. */
  readonly prepares: boolean;
  /** The leg that it has to run on, whatever the stage. */
  readonly only: LegName | undefined;
  /** Learns what a pending text does. Never rejects. */
  readonly learn: (text: string) => Promise<Classified>;
}

const none: readonly Control[] = Object.freeze([]);

/** One execution of a statement. Its text can be seen, by which comparisons tell calls apart; the rest is hidden from them. */
export class Statement {
  readonly text: string;
  // One field each and not the parts as they came: one object fewer at every call.
  readonly #classified: Classification;
  readonly #caller: Caller;
  readonly #session: Session;
  readonly #work: Work;
  readonly #opens: StatementParts['opens'];
  readonly #prepares: boolean;
  readonly #only: LegName | undefined;
  readonly #learn: StatementParts['learn'];
  readonly #traits: StatementTraits;
  readonly #controls: readonly Control[];
  #settings = 0;

  constructor(parts: StatementParts) {
    this.text = parts.text;
    this.#classified = parts.classified;
    this.#caller = parts.caller;
    this.#session = parts.session;
    this.#work = parts.work;
    this.#opens = parts.opens;
    this.#prepares = parts.prepares;
    this.#only = parts.only;
    this.#learn = parts.learn;
    const traits = traitsOf(parts.classified);
    this.#traits = traits;
    // What the engine has said of most texts is answer enough: they are not looked through at each call.
    this.#controls = parts.prepares || !traits.mayControl ? none : controlsIn(parts.text);
  }

  get traits(): StatementTraits {
    return this.#traits;
  }

  get caller(): Caller {
    return this.#caller;
  }

  get session(): Session {
    return this.#session;
  }

  get work(): Work {
    return this.#work;
  }

  get opens(): StatementParts['opens'] {
    return this.#opens;
  }

  get prepares(): boolean {
    return this.#prepares;
  }

  get only(): LegName | undefined {
    return this.#only;
  }

  /** What it does to the transaction around it, statement by statement. */
  get controls(): readonly Control[] {
    return this.#controls;
  }

  /** It ends the open transaction, whoever issues it. */
  get ends(): boolean {
    return this.#controls[0] === 'end';
  }

  /** It reads, any connection answers alike, and nothing of the answer is left on the connection. */
  get isPlainRead(): boolean {
    return (
      this.#traits.reads && this.opens === 'nothing' && !this.prepares && this.only === undefined
    );
  }

  /** The version of the callers' settings that it was answered under. */
  get settings(): number {
    return this.#settings;
  }

  /** Notes the version of the callers' settings when it is sent. */
  sentUnder(version: number): void {
    this.#settings = version;
  }

  /** What the statement does: at once where that is known, else when it was learned. */
  whenKnown(use: (traits: StatementTraits, statement: Classified) => void): void {
    const classified = this.#classified;
    if (classified !== 'pending') use(this.#traits, classified);
    else
      void this.#learn(this.text).then((learned) => {
        use(traitsOf(learned), learned);
      });
  }
}
