import {
  type Bridge,
  bridgeOf,
  createBridge,
  currentCaller,
  defined,
  endBridge,
  type Logger,
  withAbilities,
} from '@changeover/bridge';
import type { LegName, OperationDefinition, ShadowCall, ShadowLeg } from '@changeover/core';
import type { Statement as Classified, StatementClassifier } from '@changeover/classify';
import { hasPostgresParser } from '@changeover/classify/postgresql';
import { toldStatement } from '../shared/told-statement.ts';
import { digestResult } from '@changeover/compare';
import { comparable } from './comparable.ts';
import type { ParsedPgOptions } from './options.ts';
import type { QueryArguments } from './query-arguments.ts';
import { onlyKey } from '../shared/adapter-options.ts';
import { SessionWatch } from '../shared/session-watch.ts';
import type { Classification } from '../shared/statement-traits.ts';
import { type Session, Statement } from './statement.ts';

/** What both legs are to the bridge. */
interface Statements {
  query(statement: Statement, values: unknown): Promise<unknown>;
}

/** Runs statements for comparison on one leg. */
export interface ShadowRuns {
  admits(): boolean;
  run(statement: Statement, values: unknown, signal: AbortSignal): Promise<unknown>;
}

/** What a bridge over a handle's statements is made of. */
export interface StatementBridgeOptions {
  readonly options: Pick<ParsedPgOptions, 'bridge' | 'key'>;
  readonly classifier: StatementClassifier;
  readonly shadow: Readonly<Record<LegName, ShadowRuns>>;
  readonly isUnavailable: (error: unknown) => boolean;
  /** See `Leg.state`. */
  readonly state: () => Promise<string | undefined>;
  readonly newSession: (key: string) => Session;
  /** See `WriteDefinition.unordered`. Default: false. */
  readonly unordered?: boolean | undefined;
}

/** Texts of prepared statements that are remembered by name. */
const maxNames = 10_000;

/** Takes every statement of a handle through a bridge, as its one operation `query`. */
export class StatementBridge {
  readonly statements: Statements;
  readonly #options: StatementBridgeOptions;
  readonly #query: Statements['query'];
  readonly #sessions = new Map<string, Session>();
  /** What names of prepared statements stand for: the driver knows it by connection. */
  readonly #names = new Map<string, string>();
  readonly #watch: SessionWatch;
  readonly #learn: (sql: string) => Promise<Classified>;
  /** Resolves when statements begin to be learned. */
  readonly #warm = Promise.withResolvers<undefined>();
  #isWarm = false;

  constructor(options: StatementBridgeOptions) {
    this.#options = options;
    const leg = (which: LegName) => () =>
      withAbilities<Statements>(
        { query: (statement, values) => statement.session.run(which, statement, values) },
        {
          shadow: shadowLeg(options.shadow[which]),
          ...(which === 'pooled' ? { state: options.state } : {}),
        },
      );
    this.statements = createBridge<Statements, { readonly query: ReturnType<typeof defined> }>({
      ...options.options.bridge,
      legacy: leg('legacy'),
      pooled: leg('pooled'),
      operations: { query: defined(definitionOf(options.unordered === true)) },
      answers: 'promises',
      isUnavailable: options.isUnavailable,
    });
    this.#query = this.statements.query;
    this.#learn = async (sql) => {
      await this.#warm.promise;
      return options.classifier.learn(sql);
    };
    this.#watch = new SessionWatch(() => this.bridge, this.#learn);
  }

  get logger(): Logger {
    return this.#options.options.bridge.logger ?? this.bridge.services.logger;
  }

  get bridge(): Bridge {
    return bridgeOf(this.statements);
  }

  /** Loads the parser, and lets statements be learned from then on: while the driver connects, or else once it has answered for the first
   * time, for a first statement's answer would have to wait until all of it is loaded. Settings are read with that statement, as
   * everywhere: whoever connects may not have made them yet. */
  warmUp(): void {
    if (this.#isWarm) return;
    this.#isWarm = true;
    this.#warm.resolve(undefined);
    void hasPostgresParser();
  }

  /** Its handle has ended: nothing of it is compared or learned any more, and nothing holds it in memory. */
  end(): void {
    void this.#options.classifier.close();
    endBridge(this.statements);
  }

  #warmUpAfter(answer: Promise<unknown>): void {
    const warmUp = (): void => {
      // After what its caller goes on to do at once.
      process.nextTick(() => {
        this.warmUp();
      });
    };
    answer.then(warmUp, warmUp);
  }

  /** The session that statements of a key have in common. */
  sessionOf(key: string): Session {
    let session = this.#sessions.get(key);
    if (session === undefined) {
      session = this.#options.newSession(key);
      this.#sessions.set(key, session);
    }
    return session;
  }

  /** Runs one statement of a caller's. What it rejects with is the driver's error. */
  run(given: QueryArguments, session?: Session): Promise<unknown> {
    let statement: Statement;
    try {
      statement = this.#statement(given, session);
    } catch (error) {
      return Promise.reject(error);
    }
    const { caller, traits } = statement;
    if (this.#watch.concerns(traits)) this.#tellWatch(statement);
    const answer = statement.session.mustWait(caller, traits.ends)
      ? this.#whenOpen(statement, given.values)
      : this.#query(statement, given.values);
    if (!this.#isWarm) this.#warmUpAfter(answer);
    if (given.name !== undefined) this.#noteName(given.name, given.text, answer);
    if (traits.changesSchema) this.#noteSchema(statement, answer);
    return answer;
  }

  /** By itself, so that a statement that need not wait makes no function. */
  #whenOpen(statement: Statement, values: unknown): Promise<unknown> {
    return statement.session.whenOpen(statement, () => this.#query(statement, values));
  }

  #tellWatch({ session, text, traits }: Statement): void {
    this.#watch.saw({
      key: session.key,
      operation: 'query',
      sql: text,
      traits,
      isInside: !session.isBetween,
    });
  }

  #statement(given: QueryArguments, session: Session | undefined): Statement {
    const { classifier, options } = this.#options;
    const { text, config, submittable } = given;
    const known = given.name === undefined ? text : this.#named(given.name, text);
    const key = options.key?.({
      sql: known,
      values: Array.isArray(given.values) ? given.values : undefined,
      name: given.name,
    });
    const classified: Classification = this.#isWarm ? classifier.classify(known) : 'pending';
    return new Statement({
      text: known,
      config: known === text || typeof config === 'string' ? config : { ...config, text: known },
      classified,
      caller: currentCaller(),
      session: session ?? this.sessionOf(key ?? onlyKey),
      submittable,
      learn: this.#learn,
    });
  }

  /**
   * The text that a name stands for on this handle.
   *
   * @throws Error as the driver does, for a name that was given another text.
   */
  #named(name: string, text: string): string {
    const known = this.#names.get(name);
    if (text === '') return known ?? text;
    if (known !== undefined && known !== text)
      throw new Error(
        `Prepared statements must be unique - '${name}' was used for a different statement`,
      );
    return text;
  }

  /** What could not be parsed leaves its name free. */
  #noteName(name: string, text: string, answer: Promise<unknown>): void {
    if (text === '' || this.#names.has(name) || this.#names.size >= maxNames) return;
    answer.then(
      () => {
        if (!this.#names.has(name)) this.#names.set(name, text);
      },
      () => undefined,
    );
  }

  #noteSchema(statement: Statement, answer: Promise<unknown>): void {
    const changed = (): void => {
      statement.whenKnown(({ changesSchema }) => {
        if (changesSchema) this.#options.classifier.schemaChanged();
      });
    };
    answer.then(changed, () => undefined);
  }
}

type Args = readonly [statement: Statement, values: unknown];

function isComparedRead({ traits, submittable, session }: Statement): boolean {
  return traits.reads && submittable === undefined && session.isBetween;
}

// These are asked at every call: parameters one by one cost less than a list of them.
const shape = (statement: Statement): string => statement.traits.shape;

const definitionOf = (unordered: boolean): OperationDefinition =>
  ({
    kind: 'statement',
    key: (statement: Statement) => statement.session.key,
    reads: (statement: Statement) => isComparedRead(statement),
    read: {
      kind: 'read',
      unordered,
      shape,
      result: 'rows',
      functions: 'pure',
      ordered: (...[{ traits }]: Args) => traits.ordered,
      undetermined: (...[{ traits }]: Args) => traits.undetermined,
      compareAs: comparable,
      told: (...[{ text }, values]: Args) => toldStatement(text, values),
    },
    write: { kind: 'write', unordered, shape, comparison: 'none' },
  }) satisfies OperationDefinition<Args>;

function shadowLeg({ admits, run }: ShadowRuns): ShadowLeg {
  const read = async ({ args, signal, compareAs }: ShadowCall): Promise<unknown> => {
    const [statement, values] = args as Args;
    const result = await run(statement, values, signal);
    return compareAs === undefined ? result : compareAs(result);
  };
  return {
    admits,
    read,
    digest: async (call) => digestResult(await read(call), 'rows'),
  };
}
