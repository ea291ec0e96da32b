import {
  type Bridge,
  bridgeOf,
  createBridge,
  currentCaller,
  defined,
  type Logger,
  routes,
  WiringError,
  withAbilities,
} from '@changeover/bridge';
import type { StatementClassifier } from '@changeover/classify';
import { digestResult } from '@changeover/compare';
import type { LegName, OperationDefinition, ShadowCall, ShadowLeg } from '@changeover/core';
import { onlyKey } from '../shared/adapter-options.ts';
import { SessionWatch } from '../shared/session-watch.ts';
import { toldStatement } from '../shared/told-statement.ts';
import { comparable, rowCountOf } from './answer.ts';
import type { ParsedOptions } from './options.ts';
import type { KeptSession } from './session.ts';
import { Statement, type StatementParts, type Work } from './statement.ts';

/** What is counted by itself. */
export type Operation = 'run' | 'stream' | 'start' | 'append';

/** What both legs are to the bridge. */
type Statements = Readonly<
  Record<Operation, (statement: Statement, values: unknown) => Promise<unknown>>
>;

/** Runs statements for comparison on one leg. */
export interface ShadowRuns {
  admits(): boolean;
  run(statement: Statement, values: unknown, signal: AbortSignal): Promise<unknown>;
}

/** What a bridge over a handle's statements is made of. */
export interface StatementBridgeOptions {
  readonly options: Pick<ParsedOptions, 'bridge' | 'key'>;
  readonly classifier: StatementClassifier;
  readonly shadow: Readonly<Record<LegName, ShadowRuns>>;
  readonly isUnavailable: (error: unknown) => boolean;
  readonly newSession: (key: string) => KeptSession;
  /** Resolves when the pooled leg was found to be what it has to be. */
  readonly checked: () => Promise<void>;
}

/** One execution of a statement, as its caller asked for it. */
export interface Given {
  readonly operation: Operation;
  /** Empty for what has none: an appender. */
  readonly text: string;
  readonly values: unknown;
  /** The values as the key is told them. */
  readonly keyedBy: readonly unknown[] | undefined;
  readonly work: Work;
  readonly opens: StatementParts['opens'];
  readonly only: LegName | undefined;
}

/** Takes every statement of a handle through a bridge. */
export class StatementBridge {
  readonly statements: Statements;
  readonly #options: StatementBridgeOptions;
  readonly #watch: SessionWatch;
  readonly #learn: StatementParts['learn'];
  readonly #sessions = new Map<string, KeptSession>();
  /** Until the pooled leg was found to be what it has to be, everything stays with the handle. */
  #isChecked = false;
  readonly #calls: Partial<Record<Operation, Statements[Operation]>> = {};

  constructor(options: StatementBridgeOptions) {
    this.#options = options;
    this.#learn = (sql) => options.classifier.learn(sql);
    this.#watch = new SessionWatch(() => this.bridge, this.#learn);
    const leg = (which: LegName): Statements => {
      const run = (statement: Statement, values: unknown): Promise<unknown> =>
        statement.session.run(which, statement, values);
      return withAbilities<Statements>(
        { run, stream: run, start: run, append: run },
        {
          shadow: shadowLeg(options.shadow[which]),
          holds: (_operation, [statement]) => {
            const { session } = statement as Statement;
            return session.holds(which, statement as Statement);
          },
        },
      );
    };
    const written = defined(writes);
    this.statements = createBridge<
      Statements,
      Readonly<Record<Operation, ReturnType<typeof defined>>>
    >({
      ...options.options.bridge,
      legacy: () => leg('legacy'),
      pooled: async () => {
        await options.checked();
        this.#isChecked = true;
        return leg('pooled');
      },
      operations: { run: defined(definition), stream: written, start: written, append: written },
      answers: 'promises',
      isUnavailable: options.isUnavailable,
    });
  }

  get logger(): Logger {
    return this.#options.options.bridge.logger ?? this.bridge.services.logger;
  }

  get bridge(): Bridge {
    return bridgeOf(this.statements);
  }

  /** Runs one statement of a caller's. What it rejects with is the driver's error. */
  run(given: Given): Promise<unknown> {
    const { operation, values } = given;
    let statement: Statement;
    try {
      // An appender executes nothing by being made.
      statement = this.#statement(given, operation === 'append');
      this.#tellWatch(operation, statement);
      if (!statement.session.mustWait(statement)) return this.#call(operation)(statement, values);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#whenOpen(operation, statement, values);
  }

  /** By itself, so that a statement that need not wait makes no function. */
  #whenOpen(operation: Operation, statement: Statement, values: unknown): Promise<unknown> {
    return statement.session.whenOpen(statement, () => this.#call(operation)(statement, values));
  }

  /** Taken from the bridge's object once: looking it up there costs as much as the call. Not before it is needed, which makes the legs. */
  #call(operation: Operation): Statements[Operation] {
    return (this.#calls[operation] ??= this.statements[operation]);
  }

  /**
   * Notes that a prepared statement is started in this tick, on the leg that it was compiled on.
   *
   * @throws {WiringError} where it would have to run on the other one.
   */
  startsAtOnce(text: string, leg: LegName): void {
    const given = { operation: 'start', text, values: undefined, keyedBy: undefined } as const;
    const statement = this.#statement(
      { ...given, work: () => Promise.resolve(), opens: 'pending', only: undefined },
      false,
    );
    const session = this.sessionOf(statement.session.key);
    const stage = this.bridge.stageOf(session.key);
    const place = session.placeNow(this.#answering(session.key), statement);
    if (place !== leg || session.mustWait(statement))
      throw new WiringError(
        `start() of a prepared statement answers at once, on the ${leg} leg's connection, where it was prepared. Statements of ` +
          `"${session.key}" run on the ${place} leg now: prepare it again, or use start(sql, values) of the connection.`,
      );
    this.bridge.recorder.cell(this.bridge.name, session.key, 'start', stage).calls += 1;
    session.startedOn(leg, statement);
  }

  /** Compiles something where it would be run now, behind what was issued before. Nothing is executed, so it is not counted. */
  async prepare<T>(text: string, work: (...args: Parameters<Work>) => Promise<T>): Promise<T> {
    const given = { operation: 'run', text, values: undefined, keyedBy: undefined } as const;
    const statement = this.#statement({ ...given, work, opens: 'nothing', only: undefined }, true);
    const { session } = statement;
    const issue = (): Promise<unknown> =>
      session.run(this.#answering(session.key), statement, undefined);
    return (await (session.mustWait(statement)
      ? session.whenOpen(statement, issue)
      : issue())) as T;
  }

  /** The session that statements of a key have in common. */
  sessionOf(key: string): KeptSession {
    let session = this.#sessions.get(key);
    if (session === undefined) {
      session = this.#options.newSession(key);
      this.#sessions.set(key, session);
    }
    return session;
  }

  /** The key of a statement. */
  keyOf(sql: string, values: readonly unknown[] | undefined): string {
    return this.#options.options.key?.({ sql, values }) ?? onlyKey;
  }

  #tellWatch(operation: Operation, { prepares, session, text, traits }: Statement): void {
    if (prepares || !this.#watch.concerns(traits)) return;
    const isInside = !session.isBetween;
    this.#watch.saw({ key: session.key, operation, sql: text, traits, isInside });
  }

  #answering(key: string): LegName {
    return this.#isChecked ? routes[this.bridge.stageOf(key)].write.answers : 'legacy';
  }

  #statement({ text, keyedBy, work, opens, only }: Given, prepares: boolean): Statement {
    const { classifier } = this.#options;
    return new Statement({
      text,
      classified: classifier.classify(text),
      caller: currentCaller(),
      session: this.sessionOf(this.keyOf(text, keyedBy)),
      work,
      opens,
      prepares,
      only,
      learn: this.#learn,
    });
  }
}

type Args = readonly [statement: Statement, values: unknown];

// These are asked at every call: parameters one by one cost less than a list of them.
const key = (statement: Statement): string => statement.session.key;
const shape = (statement: Statement): string => (statement.prepares ? '' : statement.traits.shape);

const writes = {
  kind: 'write',
  comparison: 'none',
  key,
  shape,
} satisfies OperationDefinition<Args> as unknown as OperationDefinition;

const definition = {
  kind: 'statement',
  key,
  reads: (statement: Statement) => statement.isPlainRead && statement.session.isBetween,
  read: {
    kind: 'read',
    result: 'rows',
    functions: 'pure',
    shape,
    ordered: (...[{ traits }]: Args) => traits.ordered,
    undetermined: (...[{ traits }]: Args) => traits.undetermined,
    compareAs: comparable,
    countRows: rowCountOf,
    told: (...[{ text }, values]: Args) => toldStatement(text, values),
  },
  write: { kind: 'write', shape, comparison: 'none' },
} satisfies OperationDefinition<Args> as unknown as OperationDefinition;

function shadowLeg({ admits, run }: ShadowRuns): ShadowLeg {
  const read = async ({ args, signal, compareAs }: ShadowCall): Promise<unknown> => {
    const [statement, values] = args as Args;
    const answer = await run(statement, values, signal);
    return compareAs === undefined ? answer : compareAs(answer);
  };
  return {
    admits,
    read,
    digest: async (call) => digestResult(await read(call), 'rows'),
  };
}
