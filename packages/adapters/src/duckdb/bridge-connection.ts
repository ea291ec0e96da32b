import { endBridge, standsFor, WiringError } from '@changeover/bridge';
import type { StatementClassifier } from '@changeover/classify';
import { createDuckdbClassifier } from '@changeover/classify/duckdb';
import { type LegName, NotComparableError } from '@changeover/core';
import type {
  DuckDBAppender,
  DuckDBConnection,
  DuckDBExtractedStatements,
  DuckDBPreparedStatement,
} from '@duckdb/node-api';
import { handleProxy } from '../shared/handle-proxy.ts';
import { HandleSettings } from './handle-settings.ts';
import { Line } from './line.ts';
import { type BridgeConnectionOptions, type ParsedOptions, parseOptions } from './options.ts';
import { PooledConnections } from './pooled-connections.ts';
import { preparedStatement } from './prepared.ts';
import { readFacts, transactionNumber } from './session-facts.ts';
import { KeptSession } from './session.ts';
import type { Session } from './statement.ts';
import { StatementBridge } from './statement-bridge.ts';
import { statementsIn } from './statement-texts.ts';
import { openedBy, type Way, ways } from './ways.ts';

type Method = (...args: readonly unknown[]) => unknown;
type Methods = Readonly<Record<string, Method>>;

/** Members that are the handle's own at every stage. */
const handles: ReadonlySet<string> = new Set(['constructor', 'getTableNames', 'getClientContext']);

/**
 * Puts a bridge in the place of a `DuckDBConnection` that a program uses as a singleton. The result has the connection's type and
 * behaviour; each statement goes to the leg that its key's stage says, by the flag `changeover.{name}`.
 *
 * ```ts
 * const instance = await DuckDBInstance.create('notes.duckdb');
 * export const db = bridgeConnection(await instance.connect(), {
 *   name: 'notes',
 *   pooled: () => instance.connect(),
 * });
 * ```
 *
 * The legacy leg is the connection itself, the pooled leg others of the same instance. Plain reads run on any of those; all else on
 * one that is kept for the key, so that transactions by statements, settings, temporary tables and the order of writes are as they
 * were. `bridgeOf(db)` gives what stands behind it; `db.closeSync()` closes the connections of both legs.
 *
 * @throws {WiringError} for what is no connection of DuckDB, {InvalidOptionError} for options that can't be used. A `pooled` that
 * gives a connection to another instance is refused by `bridgeOf(db).ready()` and the log, and all calls stay at `legacy`.
 */
export function bridgeConnection(
  connection: DuckDBConnection,
  options: BridgeConnectionOptions,
): DuckDBConnection {
  return new BridgedConnection(connection, parseOptions(options)).standIn;
}

class BridgedConnection {
  readonly standIn: DuckDBConnection;
  readonly #handle: DuckDBConnection;
  readonly #name: string;
  readonly #legacy: Line;
  readonly #pooled: PooledConnections;
  readonly #settings = new HandleSettings();
  readonly #classifier: StatementClassifier;
  readonly #bridge: StatementBridge;
  readonly #kept: KeptSession[] = [];
  readonly #abandoned = new FinalizationRegistry<() => void>((close) => {
    close();
  });
  #check: Promise<void> | undefined;
  #isClosed = false;
  /** The handle will be closed when what runs on it has ended. */
  #closing: Promise<void> | undefined;

  constructor(handle: DuckDBConnection, options: ParsedOptions) {
    const { name } = options.bridge;
    if (typeof (handle as Partial<DuckDBConnection> | undefined)?.runAndReadAll !== 'function')
      throw new WiringError(
        `The handle of "${name}" is no connection of @duckdb/node-api: it has no runAndReadAll.`,
      );
    this.#handle = handle;
    this.#name = name;
    const settings = this.#settings;
    const pooled = new PooledConnections({ connect: options.pooled, settings, max: options.max });
    this.#pooled = pooled;
    this.#classifier = createDuckdbClassifier({
      connect: () => pooled.connect(),
      pure: options.pure,
    });
    const schemaChanged = (): void => {
      this.#classifier.schemaChanged();
    };
    const onLegacy = new Set<Session>();
    const legacy: Line = new Line(
      {
        leg: 'legacy',
        connection: handle,
        settings,
        inTurn: false,
        first: () => this.#checked().catch(() => undefined),
        changed: () => {
          // To empty an empty set costs as much as all else here.
          if (onLegacy.size > 0 && legacy.isBetween) onLegacy.clear();
        },
        schemaChanged,
      },
      1,
    );
    this.#legacy = legacy;
    const { transactionWaitMs } = options;
    const logger = (): StatementBridge['logger'] => this.#bridge.logger;
    const shared = { legacy, pooled, settings, logger, schemaChanged, onLegacy, transactionWaitMs };
    this.#bridge = new StatementBridge({
      options,
      classifier: this.#classifier,
      isUnavailable: (error) => pooled.isUnavailable(error),
      checked: () => this.#checked(),
      shadow: {
        legacy: {
          admits: () => !this.#isClosed && legacy.isFree,
          run: (statement, values, signal) => this.#againOnLegacy(signal, statement, values),
        },
        pooled: {
          admits: () => pooled.hasRoom,
          run: (statement, values, signal) => pooled.again(statement, values, signal),
        },
      },
      newSession: (key) => {
        const session = new KeptSession(key, shared);
        this.#kept.push(session);
        return session;
      },
    });
    this.standIn = standsFor(handleProxy(handle, this.#replacements()), this.#bridge.statements);
  }

  #replacements(): object {
    const own: Record<string, unknown> = {
      prepare: (sql: string) => this.#prepare(sql),
      extractStatements: (sql: string) => this.#extract(sql),
      createAppender: (...args: Parameters<DuckDBConnection['createAppender']>) =>
        this.#createAppender(args),
      registerScalarFunction: (definition: never) => {
        this.#register('registerScalarFunction', definition);
      },
      registerTableFunction: (definition: never) => {
        this.#register('registerTableFunction', definition);
      },
      interrupt: () => {
        this.#interrupt();
      },
      closeSync: () => {
        this.#close();
      },
      disconnectSync: () => {
        this.#close();
      },
    };
    for (const way of Object.keys(ways) as Way[]) own[way] = this.#execution(way);
    const connection = Object.getOwnPropertyDescriptors(rootOf(this.#handle));
    for (const [name, { value }] of Object.entries(connection))
      if (typeof value === 'function' && !(name in own) && !handles.has(name))
        own[name] = refusal(name);
    const busy = (): readonly DuckDBConnection[] => this.#busy();
    const handle = this.#handle;
    return Object.defineProperty(own, 'progress', {
      get: () => (busy()[0] ?? handle).progress,
    });
  }

  #execution(way: Way): Method {
    const at = way.endsWith('Until') ? 2 : 1;
    const operation = ways[way];
    const opens = openedBy(way);
    return (...args) => {
      const text = args[0];
      // The driver's own words for what it can't take, or for a connection that is closed.
      if (typeof text !== 'string' || this.#isClosed) return this.#onHandle(way, args);
      const values = args[at];
      return this.#bridge.run({
        operation,
        text,
        values,
        keyedBy: Array.isArray(values) ? values : undefined,
        work: (connection, given) =>
          callOn(connection, way, given === values ? args : withValue(args, at, given)),
        opens,
        only: undefined,
      });
    };
  }

  async #onHandle(way: Way, args: readonly unknown[]): Promise<unknown> {
    await this.#closing;
    return callOn(this.#handle, way, args);
  }

  async #prepare(sql: string): Promise<DuckDBPreparedStatement> {
    await this.#closing;
    if (typeof sql !== 'string' || this.#isClosed) return this.#handle.prepare(sql);
    const compile = (connection: DuckDBConnection): Promise<DuckDBPreparedStatement> =>
      connection.prepare(sql);
    return this.#compiled(sql, compile, compile);
  }

  async #compiled(
    sql: string,
    first: (connection: DuckDBConnection) => Promise<DuckDBPreparedStatement>,
    compile: ((connection: DuckDBConnection) => Promise<DuckDBPreparedStatement>) | undefined,
  ): Promise<DuckDBPreparedStatement> {
    const { native, connection } = await this.#bridge.prepare(sql, async (on) => ({
      native: await first(on),
      connection: on,
    }));
    const leg = this.#legOf(connection);
    return preparedStatement({ native, connection, sql, bridge: this.#bridge, compile, leg });
  }

  async #extract(sql: string): Promise<DuckDBExtractedStatements> {
    await this.#closing;
    if (typeof sql !== 'string' || this.#isClosed) return this.#handle.extractStatements(sql);
    const { extracted, connection } = await this.#bridge.prepare(sql, async (on) => ({
      extracted: await on.extractStatements(sql),
      connection: on,
    }));
    const texts = statementsIn(sql);
    return handleProxy(extracted, {
      prepare: async (index: number) => {
        const text = texts.length === extracted.count ? texts[index] : undefined;
        if (text !== undefined)
          return this.#compiled(
            text,
            (on) => (on === connection ? extracted.prepare(index) : on.prepare(text)),
            (on) => on.prepare(text),
          );
        // What the engine takes for several statements (PIVOT) has no text of its own: it stays on its connection.
        const native = await extracted.prepare(index);
        const leg = this.#legOf(connection);
        const bridge = this.#bridge;
        return preparedStatement({ native, connection, sql, bridge, compile: undefined, leg });
      },
    });
  }

  async #createAppender(
    args: Parameters<DuckDBConnection['createAppender']>,
  ): Promise<DuckDBAppender> {
    await this.#closing;
    if (this.#isClosed) return this.#handle.createAppender(...args);
    let on = this.#handle;
    const appender = (await this.#bridge.run({
      operation: 'append',
      text: '',
      values: args,
      keyedBy: undefined,
      work: (connection) => {
        on = connection;
        return connection.createAppender(...args);
      },
      opens: 'nothing',
      only: undefined,
    })) as DuckDBAppender;
    const session = this.#bridge.sessionOf(this.#bridge.keyOf('', undefined));
    const closed = session.appenderMade(this.#legOf(on));
    this.#abandoned.register(appender, closed);
    const closeSync = appender.closeSync.bind(appender);
    // On the object itself: a stand-in would cost each value that is appended.
    return Object.defineProperty(appender, 'closeSync', {
      value: () => {
        try {
          closeSync();
        } finally {
          closed();
        }
      },
      configurable: true,
      writable: true,
    });
  }

  /** Functions are the instance's. */
  #register(method: 'registerScalarFunction' | 'registerTableFunction', definition: never): void {
    this.#handle[method](definition);
    this.#classifier.schemaChanged();
  }

  #interrupt(): void {
    const busy = this.#busy();
    for (const connection of busy.length > 0 ? busy : [this.#handle]) connection.interrupt();
  }

  /** The connections that run something of a caller's. */
  #busy(): readonly DuckDBConnection[] {
    const lines = [this.#legacy, ...this.#kept.map(({ line }) => line)];
    return [
      ...lines
        .filter((line) => line !== undefined)
        .filter(({ inFlight, hasOpenResult }) => inFlight > 0 || hasOpenResult)
        .map(({ connection }) => connection),
      ...this.#pooled.answering,
    ];
  }

  #close(): void {
    this.#isClosed = true;
    this.#closing ??= this.#legacy.close();
    this.#pooled.close();
    void this.#classifier.close();
    endBridge(this.#bridge.statements);
  }

  #legOf(connection: DuckDBConnection): LegName {
    return connection === this.#handle ? 'legacy' : 'pooled';
  }

  async #againOnLegacy(
    signal: AbortSignal,
    ...[statement, values]: Parameters<Line['again']>
  ): Promise<unknown> {
    // Callers' statements wait behind it, so that it is none of theirs that is interrupted.
    const interrupt = (): void => {
      if (!this.#isClosed) this.#handle.interrupt();
    };
    signal.addEventListener('abort', interrupt, { once: true });
    try {
      signal.throwIfAborted();
      return await this.#legacy.again(statement, values);
    } catch (error) {
      if (this.#isClosed) throw new NotComparableError('the handle was closed', { cause: error });
      throw error;
    } finally {
      signal.removeEventListener('abort', interrupt);
    }
  }

  #checked(): Promise<void> {
    this.#check ??= this.#makeCheck();
    return this.#check;
  }

  /** Before the first statement: takes what the handle is set to, and looks whether `pooled` gives connections to its instance. */
  async #makeCheck(): Promise<void> {
    const handle = this.#handle;
    this.#settings.note(await readFacts(handle));
    const other = await this.#pooled.connect();
    const numbers: bigint[] = [];
    try {
      for (const connection of [handle, other, handle, other])
        numbers.push(await transactionNumber(connection));
    } finally {
      if (other !== handle) other.closeSync();
    }
    // One instance counts the transactions of all its connections.
    const grows = numbers.every((number, at) => at === 0 || number > (numbers[at - 1] ?? 0n));
    if (!grows || other === handle)
      throw new WiringError(
        `The option pooled of "${this.#name}" must open another connection to the instance of the handle, as instance.connect() does, ` +
          'and the handle must be handed over outside of a transaction.',
      );
  }
}

function callOn(
  connection: DuckDBConnection,
  way: Way,
  args: readonly unknown[],
): Promise<unknown> {
  const method = (connection as unknown as Methods)[way] as Method;
  return Reflect.apply(method, connection, args) as Promise<unknown>;
}

function withValue(args: readonly unknown[], at: number, value: unknown): readonly unknown[] {
  return at < args.length ? args.map((argument, index) => (index === at ? value : argument)) : args;
}

/** The driver's own class: what a program's subclass of it adds calls our members. */
function rootOf(object: object): object {
  const prototype = Object.getPrototypeOf(object) as object;
  const parent = Object.getPrototypeOf(prototype) as object | null;
  return parent === null || Object.getPrototypeOf(parent) === null ? prototype : rootOf(prototype);
}

function refusal(name: string): () => never {
  return () => {
    throw new WiringError(`${name}() is not bridged: call it on the connection that was bridged.`);
  };
}
