import type {
  Act,
  ActKind,
  Cause,
  Limited,
  OrderPromise,
  SessionUse,
  Statement,
  TableUse,
  TransactionControl,
  Undetermined,
} from './statement.ts';

const strength: Readonly<Record<SessionUse, number>> = {
  none: 0,
  reads: 1,
  sets: 2,
  temporary: 3,
  locks: 4,
};

/** What a statement does of these kinds a rollback takes back, or the engine refuses it. */
const undone: ReadonlySet<ActKind> = new Set<ActKind>([
  'writes rows',
  'returns rows of a write',
  'locks rows',
  'changes the schema',
  'sets the session',
  'controls a transaction',
  'not understood',
]);
/** Of these, what a function or a trigger does beside a statement is not known to be undone with it. */
const unsureInside: ReadonlySet<ActKind> = new Set<ActKind>([
  'changes the schema',
  'sets the session',
  'controls a transaction',
  'not understood',
]);

interface IncludeOptions {
  readonly onlyPlanned?: boolean;
  readonly isDefault?: boolean;
}

/** What is found while a statement's tree is walked; becomes a `Statement` at the end. */
export class Findings {
  readonly #acts: Act[] = [];
  readonly #tables = new Map<string, TableUse>();
  readonly #reached = new Set<TableUse>();
  readonly #facts = new Set<string>();
  readonly #lasting = new Set<string>();
  readonly #code = new Set<string>();
  readonly #anew = new Set<Cause>();
  readonly #anewInside = new Set<Cause>();
  #session: SessionUse = 'none';
  #readsLastWrite = false;
  #opaque = false;
  transaction: TransactionControl | undefined;

  get acts(): readonly Act[] {
    return this.#acts;
  }

  /**
   * Notes what it does.
   *
   * @param isUndone a rollback takes it back. Default: by its kind.
   */
  act(kind: ActKind, detail: string, isUndone: boolean = undone.has(kind)): void {
    // A generated statement may do the same thing ten thousand times.
    if (this.#acts.length < 100) this.#acts.push({ kind, detail });
    if (!isUndone) this.lasts(`${kind}: ${detail}`);
  }

  /** A rollback does not take something back, or nobody can tell. */
  lasts(reason: string): void {
    if (this.#lasting.size < 100) this.#lasting.add(reason);
  }

  /** Code of a user's that it runs was looked into, as it is in this version. */
  runsCode(version: string): void {
    this.#code.add(version);
  }

  uses(session: SessionUse): void {
    if (strength[session] > strength[this.#session]) this.#session = session;
  }

  readsLastWrite(): void {
    this.#readsLastWrite = true;
  }

  runsOpaqueCode(): void {
    this.#opaque = true;
  }

  /** It calls what answers differently from run to run. */
  answersAnew(cause: Cause): void {
    this.#anew.add(cause);
  }

  connectionFact(name: string): void {
    this.#facts.add(name);
  }

  table(name: string, schema: string | undefined, written: boolean): void {
    const key = JSON.stringify([schema, name]);
    const known = this.#tables.get(key);
    this.#tables.set(key, {
      ...(schema === undefined ? {} : { schema }),
      name,
      written: written || known?.written === true,
    });
  }

  /**
   * Takes over what another walk found. Its tables are not named by the statement, but reached by it.
   *
   * @param how `onlyPlanned`: it is not run, and only the calls that planning may make are. `isDefault`: a default of a column, whose
   * values are known to be made anew.
   */
  include(
    other: Findings,
    through: string,
    { onlyPlanned = false, isDefault = false }: IncludeOptions = {},
  ): void {
    for (const table of [...other.#tables.values(), ...other.#reached]) this.#reached.add(table);
    for (const { kind, detail } of other.#acts) {
      const happens =
        !onlyPlanned || kind === 'calls a function that acts' || kind === 'not understood';
      if (!happens) continue;
      this.act(
        kind === 'not understood' ? kind : 'calls a function that acts',
        `${through}: ${detail}`,
        true,
      );
      if (unsureInside.has(kind)) this.lasts(`${kind}: ${through}: ${detail}`);
    }
    for (const reason of other.#lasting) this.lasts(`${through}: ${reason}`);
    for (const version of other.#code) this.runsCode(version);
    this.uses(other.#session);
    if (other.#readsLastWrite) this.readsLastWrite();
    if (other.#opaque) this.runsOpaqueCode();
    if (!isDefault)
      for (const cause of [...other.#anew, ...other.#anewInside]) this.#anewInside.add(cause);
    for (const fact of other.#facts) this.connectionFact(fact);
  }

  statement(rest: {
    readonly order?: OrderPromise;
    readonly sortedBy?: readonly (number | string)[];
    /** Makes `sqlWithPlaces`, once it is asked for. */
    readonly places?: (() => string | undefined) | undefined;
    readonly limited?: Limited | undefined;
    readonly undetermined?: readonly Undetermined[];
    /** Or how it is made, once it is asked for. */
    readonly shape: string | (() => string);
  }): Statement {
    let made: string | undefined;
    let placed: { readonly sql: string | undefined } | undefined;
    const isSteady = this.#anewInside.size === 0 && this.#facts.size === 0;
    const acts = Object.freeze(this.#acts.map((act) => Object.freeze(act)));
    return Object.freeze({
      effect:
        acts.length === 0
          ? 'reads'
          : acts.every(({ kind }) => kind === 'not understood')
            ? 'unknown'
            : 'acts',
      acts,
      session: this.#session,
      readsLastWrite: this.#readsLastWrite,
      opaque: this.#opaque,
      anewInside: Object.freeze([...this.#anewInside]),
      lasting: Object.freeze([...this.#lasting]),
      code: Object.freeze([...this.#code]),
      transaction: this.transaction,
      order: rest.order ?? 'none',
      sortedBy: Object.freeze([...(rest.sortedBy ?? [])]),
      get sqlWithPlaces() {
        placed ??= { sql: isSteady ? rest.places?.() : undefined };
        return placed.sql;
      },
      limited: rest.limited,
      undetermined: Object.freeze([...(rest.undetermined ?? [])]),
      connectionFacts: Object.freeze([...this.#facts]),
      tables: Object.freeze([...this.#tables.values()]),
      reached: Object.freeze([...this.#reached]),
      get shape() {
        made ??= typeof rest.shape === 'string' ? rest.shape : rest.shape();
        return made;
      },
    });
  }
}

/** What a limit keeps; the text without it is made when it is first asked for, which is seldom, and may then be undefined. */
export function lazyLimit(rows: Limited['rows'], withoutLimit: () => string | undefined): Limited {
  let made: { readonly sql: string | undefined } | undefined;
  return Object.freeze({
    rows,
    get sqlWithoutLimit() {
      made ??= { sql: withoutLimit() };
      return made.sql;
    },
  });
}

/** A statement about which nothing could be told. */
export function unknownStatement(reason: string, shape: string | (() => string)): Statement {
  const findings = new Findings();
  findings.act('not understood', reason);
  return findings.statement({ shape });
}
