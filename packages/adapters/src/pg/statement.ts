import type { Statement as Classified } from '@changeover/classify';
import type { LegName } from '@changeover/core';
import type { Caller } from '@changeover/bridge';
import type { Submittable } from 'pg';
import { type Classification, type StatementTraits, traitsOf } from '../shared/statement-traits.ts';

/** What a driver takes as the first argument of `query`: a text, or a configuration. */
export type QueryConfig = string | object;

/** The connection state that statements have in common. */
export interface Session {
  readonly key: string;
  /** No transaction is open, and nothing under way can have opened one or set something: what is read now can be read elsewhere. */
  readonly isBetween: boolean;
  /** Whether a caller's statement has to wait until another caller's transaction is over. */
  mustWait(caller: Caller, ends: boolean): boolean;
  /** Issues a statement as soon as it need not wait any more. */
  whenOpen(statement: Statement, issue: () => Promise<unknown>): Promise<unknown>;
  /** Runs a statement where the leg, or what is open, says. */
  run(leg: LegName, statement: Statement, values: unknown): Promise<unknown>;
}

/** What a statement is made of. */
export interface StatementParts {
  readonly text: string;
  readonly config: QueryConfig;
  readonly classified: Classification;
  readonly caller: Caller;
  /** The connection state that the handle's statements of this key share. */
  readonly session: Session;
  /** A cursor, a stream or the like, which takes its rows itself. */
  readonly submittable: Submittable | undefined;
  /** Learns what a pending text does. Never rejects. */
  readonly learn: (text: string) => Promise<Classified>;
}

/** One call of `query`. Its text can be seen, by which comparisons tell calls apart; the rest is hidden from them. */
export class Statement {
  readonly text: string;
  // One field each and not the parts as they came: one object fewer at every call.
  readonly #config: QueryConfig;
  readonly #classified: Classification;
  readonly #caller: Caller;
  readonly #session: Session;
  readonly #submittable: Submittable | undefined;
  readonly #learn: StatementParts['learn'];
  #traits: StatementTraits;
  #settings = 0;

  constructor(parts: StatementParts) {
    this.text = parts.text;
    this.#config = parts.config;
    this.#classified = parts.classified;
    this.#caller = parts.caller;
    this.#session = parts.session;
    this.#submittable = parts.submittable;
    this.#learn = parts.learn;
    this.#traits = traitsOf(parts.classified);
  }

  get traits(): StatementTraits {
    return this.#traits;
  }

  get config(): QueryConfig {
    return this.#config;
  }

  get caller(): Caller {
    return this.#caller;
  }

  get session(): Session {
    return this.#session;
  }

  get submittable(): Submittable | undefined {
    return this.#submittable;
  }

  /** The version of the callers' settings that it was answered under. */
  get settings(): number {
    return this.#settings;
  }

  /** Notes the version of the callers' settings when it is sent. */
  sentUnder(version: number): void {
    this.#settings = version;
  }

  /** Calls `use` with what the statement does: at once where that is known, else when it was learned. */
  whenKnown(use: (traits: StatementTraits) => void): void {
    if (this.#classified !== 'pending') {
      use(this.#traits);
      return;
    }
    void this.#learn(this.text).then((classified) => {
      use(traitsOf(classified));
    });
  }

  /** Takes over what was learned of it. Of no statement that has been sent: it was counted by what was known then. */
  adopt(traits: StatementTraits): void {
    this.#traits = traits;
  }

  /** What a driver is handed to run it once more, apart from what its caller can still change. */
  again(values: unknown): QueryConfig {
    const config = this.#config;
    if (typeof config === 'string') return { text: config, values };
    return { ...config, values };
  }
}
