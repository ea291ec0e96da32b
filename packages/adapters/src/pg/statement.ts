import type { Statement as Classified } from '@changeover/classify';
import type { LegName, Undetermined } from '@changeover/core';
import type { Caller } from '@changeover/bridge';
import type { Submittable } from 'pg';

/** What a classifier said of a text, or that it does not know it yet. */
export type Classification = Classified | 'pending';

/** What is asked of a statement call by call; told once for each text. */
export interface StatementTraits {
  /** It reads, and any connection that stands on the same settings answers the same: it can be run by a pool, and twice. */
  readonly reads: boolean;
  /** It may begin or end a transaction, as far as its text tells. Whether it did is asked of the connection. */
  readonly unclear: boolean;
  /** It is known to begin one. */
  readonly begins: boolean;
  /** It is known to end one: it reaches the open transaction whoever issues it. */
  readonly ends: boolean;
  /** It sets what can be set again on another connection: SET, LISTEN, `set_config`. */
  readonly sets: boolean;
  /** Of what sets: it is LISTEN. */
  readonly listens: boolean;
  /** It leaves what no other connection can be given: temporary objects, locks. */
  readonly leaves: boolean;
  readonly changesSchema: boolean;
  readonly ordered: boolean;
  readonly undetermined: Undetermined | undefined;
}

const known = new WeakMap<Classified, StatementTraits>();

/** Of a text that is not known yet: it may do anything but answer for itself. */
const unknownTraits: StatementTraits = Object.freeze({
  reads: false,
  unclear: true,
  begins: false,
  ends: false,
  sets: false,
  listens: false,
  leaves: false,
  changesSchema: false,
  ordered: false,
  undetermined: undefined,
});

/** The traits of a classified text. Costs one look-up. */
export function traitsOf(classified: Classification): StatementTraits {
  if (classified === 'pending') return unknownTraits;
  let traits = known.get(classified);
  if (traits === undefined) {
    traits = Object.freeze(look(classified));
    known.set(classified, traits);
  }
  return traits;
}

function look(classified: Classified): StatementTraits {
  const { effect, acts, session, transaction, connectionFacts } = classified;
  const does = (kind: (typeof acts)[number]['kind']): boolean =>
    acts.some((act) => act.kind === kind);
  const several = does('several statements');
  // `set_config` is told as a function that acts, and as nothing else.
  const onlySets = acts.every(
    ({ kind, detail }) => kind === 'sets the session' || /\bset_config$/.test(detail),
  );
  return {
    reads:
      effect === 'reads' &&
      !classified.readsLastWrite &&
      (session === 'none' || session === 'reads') &&
      connectionFacts.length === 0,
    unclear:
      effect === 'unknown' || several || (transaction !== undefined && transaction !== 'settings'),
    begins: transaction === 'begin',
    ends: !several && (transaction === 'commit' || transaction === 'rollback'),
    sets: session === 'sets' && onlySets,
    listens: acts.some(({ detail }) => detail === 'Listen'),
    leaves: session === 'temporary' || session === 'locks' || (session === 'sets' && !onlySets),
    changesSchema: does('changes the schema') || several || effect === 'unknown',
    ordered: classified.order === 'total',
    undetermined: undeterminedOf(classified),
  };
}

function undeterminedOf({ undetermined }: Classified): Undetermined | undefined {
  const [first] = undetermined;
  if (first === undefined) return undefined;
  const causes = new Set(undetermined.map(({ what }) => what));
  const reason = [...causes].join(', ');
  if ([...causes].every((what) => what === 'rounding')) return { kind: 'rounding', reason };
  const chosen = new Set(['order of rows', 'choice of rows', 'rounding']);
  return { kind: [...causes].every((what) => chosen.has(what)) ? 'choice' : 'volatile', reason };
}

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
  readonly #parts: StatementParts;
  #traits: StatementTraits;
  #settings = 0;

  constructor(parts: StatementParts) {
    this.text = parts.text;
    this.#parts = parts;
    this.#traits = traitsOf(parts.classified);
  }

  get traits(): StatementTraits {
    return this.#traits;
  }

  get config(): QueryConfig {
    return this.#parts.config;
  }

  get caller(): Caller {
    return this.#parts.caller;
  }

  get session(): Session {
    return this.#parts.session;
  }

  get submittable(): Submittable | undefined {
    return this.#parts.submittable;
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
    if (this.#parts.classified !== 'pending') {
      use(this.#traits);
      return;
    }
    void this.#parts.learn(this.text).then((classified) => {
      use(traitsOf(classified));
    });
  }

  /** Takes over what was learned of it. Of no statement that has been sent: it was counted by what was known then. */
  adopt(traits: StatementTraits): void {
    this.#traits = traits;
  }

  /** What a driver is handed to run it once more, apart from what its caller can still change. */
  again(values: unknown): QueryConfig {
    const { config } = this.#parts;
    if (typeof config === 'string') return { text: config, values };
    return { ...config, values };
  }
}
