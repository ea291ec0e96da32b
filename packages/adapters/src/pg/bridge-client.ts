import { standsFor, WiringError } from '@changeover/bridge';
import pg from 'pg';
import { postgresStateSql, stateIn } from '../shared/data-state.ts';
import { handleProxy } from '../shared/handle-proxy.ts';
import { answerQuery, tell } from './calls.ts';
import { classifierOver } from './classify.ts';
import { DrainEvents } from './drain-events.ts';
import { Line } from './line.ts';
import { type BridgeClientOptions, givenPool, parseOptions } from './options.ts';
import { PooledConnections } from './pooled-connections.ts';
import { type Callback, parseQuery } from './query-arguments.ts';
import { KeptSession } from './session.ts';
import type { Session } from './statement.ts';
import { Settings } from './settings.ts';
import { ConnectionSettings } from './connection-settings.ts';
import { StatementBridge } from './statement-bridge.ts';

type Method = (...args: readonly unknown[]) => unknown;

/**
 * Puts a bridge in the place of a `pg.Client` that a program uses as a singleton. The result has the client's type, properties and
 * events; each statement goes to the leg that its key's stage says, by the flag `changeover.{name}`.
 *
 * ```ts
 * export const db = bridgeClient(new pg.Client(url), { name: 'db' });
 * ```
 *
 * The legacy leg is the client itself, the pooled leg a `pg.Pool`. Plain reads run on any of its connections; all else on one that is
 * kept for the key, so that transactions by statements, settings, temporary tables, locks and the order of writes are as they were.
 *
 * @throws {WiringError} for what is no client of node-postgres, {InvalidOptionError} for options that can't be used.
 */
export function bridgeClient<T extends pg.ClientBase>(client: T, options: BridgeClientOptions): T {
  return new BridgedClient<T>(client, options).handle;
}

class BridgedClient<T extends pg.ClientBase> {
  readonly handle: T;
  readonly #client: T;
  readonly #own: boolean;
  readonly #statements: StatementBridge;
  readonly #pooled: PooledConnections;
  readonly #legacyQuery: Method;
  readonly #kept: KeptSession[] = [];
  readonly #drain: DrainEvents;
  /** Resolves when the client has connected, or couldn't. */
  #connecting: Promise<unknown> | undefined;
  #ended = false;

  constructor(client: T, options: BridgeClientOptions) {
    const parsed = parseOptions(options);
    const { query } = Object(client) as { readonly query?: unknown };
    if (typeof query !== 'function')
      throw new WiringError(`The handle of "${options.name}" is no client of pg: it has no query.`);
    if ('totalCount' in client)
      throw new WiringError(`The handle of "${options.name}" is a pool of pg: use bridgePool.`);
    this.#client = client;
    this.#legacyQuery = query as Method;
    this.#own = options.pooled === undefined;
    const logger = (): StatementBridge['logger'] => this.#statements.logger;
    const settings = new Settings();
    const drain = new DrainEvents(client);
    this.#drain = drain;
    const onLegacy = new Set<Session>();
    const legacy = new Line(client, settings, () => {
      // To empty an empty set costs as much as all else here.
      if (onLegacy.size > 0 && legacy.isBetween) onLegacy.clear();
    });
    const connectionSettings = new ConnectionSettings(async (sql) =>
      this.#isConnected && legacy.isBetween ? ((await legacy.ask(sql)) as never) : undefined,
    );
    const pooled = new PooledConnections({
      pool: givenPool(options) ?? poolLike(client, parsed),
      logger,
      connectionSettings,
      tell: (event, message) => {
        client.emit(event, message);
      },
    });
    this.#pooled = pooled;
    this.#statements = new StatementBridge({
      options: parsed,
      classifier: classifierOver(pooled, parsed.pure, logger),
      isUnavailable: (error) => pooled.isUnavailable(error),
      state: async () => stateIn(await pooled.ask(postgresStateSql)),
      shadow: {
        legacy: {
          admits: () => legacy.isBetween && legacy.inFlight === 0 && this.#isConnected,
          run: (statement, values) => {
            settings.mustBe(statement.settings);
            return legacy.ask(statement.again(values));
          },
        },
        pooled: {
          admits: () => true,
          run: (statement, values, signal) => pooled.again(statement, values, { signal, settings }),
        },
      },
      newSession: (key) => {
        const shared = { legacy, pooled, settings, drain, logger, onLegacy };
        const session = new KeptSession(key, { ...shared, ...parsed });
        this.#kept.push(session);
        return session;
      },
    });
    const replacements = {
      query: (...args: readonly unknown[]) => this.#query(args),
      connect: (callback?: Callback) => this.#connect(callback),
      end: (callback?: Callback) => this.#end(callback),
      getTransactionStatus: () => this.#transactionStatus(),
    };
    this.handle = standsFor(handleProxy(client, replacements), this.#statements.statements);
  }

  /** A promise library that the program brought. */
  #promise(): PromiseConstructor | undefined {
    return (this.#client as { readonly _Promise?: PromiseConstructor })._Promise;
  }

  get #isConnected(): boolean {
    return (this.#client as { readonly _connected?: boolean })._connected !== false;
  }

  #query(args: readonly unknown[]): unknown {
    const given = this.#ended ? undefined : parseQuery(args);
    // The driver's own words for what it can't take.
    if (given === undefined) return Reflect.apply(this.#legacyQuery, this.#client, args);
    const { callback } = given;
    const asked = callback && { ...given, callback: this.#drain.after(callback) };
    return answerQuery(this.#statements, asked ?? given, { promise: this.#promise() });
  }

  #transactionStatus(): 'I' | 'T' | 'E' | null {
    const open = this.#kept.find(({ line }) => line !== undefined && line.status !== 'I');
    return open?.line?.status ?? this.#client.getTransactionStatus();
  }

  #connect(callback: Callback | undefined): unknown {
    const connect = this.#client.connect.bind(this.#client) as Method;
    this.#statements.warmUp();
    if (callback === undefined) {
      const connected = connect() as Promise<unknown>;
      this.#connecting = connected.catch(() => undefined);
      return connected.then(() => this.handle);
    }
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.#connecting = promise;
    return connect((error: unknown, client: unknown) => {
      resolve(undefined);
      callback(error, client === this.#client ? this.handle : client);
    });
  }

  #end(callback: Callback | undefined): unknown {
    this.#ended = true;
    const ended = this.#endInTurn();
    if (callback === undefined) return ended;
    tell(ended, callback);
    return undefined;
  }

  async #endInTurn(): Promise<void> {
    // The driver's statements are answered once it has connected, these by others before: an end amid its greeting is an error of the
    // client's, which nobody hears. Where none of them has connected it may never do so, and is ended as it is.
    const others = this.#kept.some(({ line }) => line !== undefined);
    if (others || this.#pooled.pool.idleCount > 0) await this.#connecting;
    await (this.#drain.isBusy ? this.#endAfterOthers() : this.#endAll());
  }

  /** Whoever hears that the client has ended has heard before of every statement how it ended. */
  async #endAfterOthers(): Promise<void> {
    const client = this.#client as unknown as { _ending: boolean; readonly pipeline?: boolean };
    // As of the call nothing more is taken.
    client._ending = true;
    // Pipelined statements are waited for; others are cut, as the driver does, for one that hangs would block the end forever.
    if (client.pipeline === true) await this.#drain.settled();
    for (const session of this.#kept) session.close();
    this.#pooled.cut();
    await this.#drain.settled();
    await this.#endAll();
  }

  async #endAll(): Promise<void> {
    for (const session of this.#kept) session.close();
    const pool = this.#pooled.pool;
    const others = this.#own && !pool.ending ? pool.end() : Promise.resolve();
    const client = (this.#client as unknown as { end(): Promise<void> }).end();
    await Promise.all([client, others]);
    if (!this.#own) this.#pooled.leave();
    this.#statements.end();
  }
}

/** A pool of connections as the client's one is. */
function poolLike(
  client: pg.ClientBase,
  { max, idleTimeoutMs, connectTimeoutMs }: ReturnType<typeof parseOptions>,
): pg.Pool {
  const { connectionParameters, binary, password, pipeline } = client as unknown as {
    readonly connectionParameters?: pg.ClientConfig;
    readonly binary?: boolean;
    readonly pipeline?: boolean;
    readonly password?: pg.ClientConfig['password'];
  };
  return new pg.Pool({
    ...connectionParameters,
    ...{ binary, password, pipeline },
    Client: client.constructor as never,
    // The client's own parsers, those that are set later included.
    types: {
      getTypeParser: client.getTypeParser.bind(client),
    },
    max,
    idleTimeoutMillis: idleTimeoutMs,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    // A program that lets go of its client ends.
    allowExitOnIdle: true,
  });
}
