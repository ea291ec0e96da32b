import { routes, standsFor, WiringError } from '@changeover/bridge';
import type { LegName } from '@changeover/core';
import type pg from 'pg';
import { onlyKey } from '../shared/adapter-options.ts';
import { postgresStateSql, stateIn } from '../shared/data-state.ts';
import { handleProxy } from '../shared/handle-proxy.ts';
import { answerQuery, tell } from './calls.ts';
import { classifierOver } from './classify.ts';
import { Line } from './line.ts';
import { parseOptions, type BridgeClientOptions } from './options.ts';
import { CheckedOutSession, PoolSession } from './pool-session.ts';
import { PooledConnections } from './pooled-connections.ts';
import { type Callback, parseQuery } from './query-arguments.ts';
import { send } from './send.ts';
import { Settings } from './settings.ts';
import { Standing } from './standing.ts';
import { StatementBridge } from './statement-bridge.ts';

type Method = (...args: readonly unknown[]) => unknown;
type ConnectCallback = (
  error: unknown,
  client?: pg.PoolClient,
  done?: (error?: Error | boolean) => void,
) => void;

/**
 * Puts a bridge in the place of a `pg.Pool`. The result has the pool's type; what is given to `query` is an operation each, and so
 * are the statements of clients that `connect` gives. Such a client stays on the leg that the stage said when it was taken out.
 *
 * ```ts
 * export const pool = bridgePool(new pg.Pool({ max: 1 }), { name: 'db', pooled: () => new pg.Pool({ max: 10 }) });
 * ```
 *
 * @throws {WiringError} for what is no pool of node-postgres, {InvalidOptionError} for options that can't be used.
 */
export function bridgePool<T extends pg.Pool>(pool: T, options: BridgeClientOptions): T {
  return new BridgedPool<T>(pool, options).handle;
}

class BridgedPool<T extends pg.Pool> {
  readonly handle: T;
  readonly #pool: T;
  readonly #own: boolean;
  readonly #pooled: PooledConnections;
  readonly #statements: StatementBridge;
  readonly #key: () => string;

  constructor(pool: T, options: BridgeClientOptions) {
    const { query, connect } = pool as Partial<pg.Pool>;
    if (typeof query !== 'function' || typeof connect !== 'function')
      throw new WiringError(
        `The handle of "${options.name}" is no pool of pg: it has no query and connect.`,
      );
    const parsed = parseOptions(options);
    this.#pool = pool;
    this.#own = options.pooled === undefined;
    this.#key = () => parsed.key?.({ sql: '', values: undefined, name: undefined }) ?? onlyKey;
    const raw = { query: query.bind(pool) };
    const logger = (): StatementBridge['logger'] => this.#statements.logger;
    const pooled = new PooledConnections({
      pool: options.pooled?.() ?? poolLike(pool, parsed),
      logger,
      standing: new Standing((sql) => send(raw, sql) as Promise<never>),
      tell: () => undefined,
    });
    this.#pooled = pooled;
    this.#statements = new StatementBridge({
      options: parsed,
      classifier: classifierOver(pooled, parsed.pure, logger),
      isUnavailable: (error) => pooled.isUnavailable(error),
      state: async () => stateIn(await pooled.ask(postgresStateSql)),
      shadow: {
        legacy: {
          // A place that nobody waits for.
          admits: () => pool.waitingCount === 0,
          run: (statement, values) => send(raw, statement.again(values)),
        },
        pooled: {
          admits: () => true,
          run: (statement, values, signal) => pooled.again(statement, values, { signal }),
        },
      },
      newSession: (key) => new PoolSession(key, raw, pooled),
    });
    this.#tellEvents();
    this.handle = standsFor(
      handleProxy(pool, this.#replacements(query as unknown as Method)),
      this.#statements.statements,
    );
  }

  #replacements(query: Method): object {
    const counts = (): pg.Pool => (this.#leg === 'pooled' ? this.#pooled.pool : this.#pool);
    return {
      query: (...args: readonly unknown[]) => {
        const given = this.#pool.ending ? undefined : parseQuery(args);
        // The driver's own words for what it can't take.
        if (given === undefined) return Reflect.apply(query, this.#pool, args);
        return answerQuery(this.#statements, given);
      },
      connect: (callback?: ConnectCallback) => this.#connect(callback),
      end: (callback?: Callback) => this.#end(callback),
      get totalCount() {
        return counts().totalCount;
      },
      get idleCount() {
        return counts().idleCount;
      },
      get waitingCount() {
        return counts().waitingCount;
      },
      get expiredCount() {
        return counts().expiredCount;
      },
    };
  }

  get #leg(): LegName {
    return routes[this.#statements.bridge.stageOf(this.#key(), 'query')].write.answers;
  }

  /** Listeners hear of both pools. */
  #tellEvents(): void {
    const { pool } = this.#pooled;
    for (const event of ['connect', 'acquire', 'remove', 'release'] as const)
      pool.on(event as 'connect', (...args: readonly unknown[]) => {
        this.#pool.emit(event, ...args);
      });
  }

  #connect(callback: ConnectCallback | undefined): unknown {
    if (this.#pool.ending)
      return Reflect.apply(this.#pool.connect as Method, this.#pool, callback ? [callback] : []);
    const client = this.#take();
    if (callback === undefined) return client;
    client.then(
      (taken) => {
        tellLater(callback, undefined, taken, (error) => {
          taken.release(error);
        });
      },
      (error: unknown) => {
        tellLater(callback, error, undefined, () => undefined);
      },
    );
    return undefined;
  }

  async #take(): Promise<pg.PoolClient> {
    const key = this.#key();
    const client = this.#leg === 'pooled' ? await this.#pooled.lease() : await this.#pool.connect();
    const settings = new Settings();
    const line = new Line(client, settings, () => undefined);
    const session = new CheckedOutSession(key, line, settings);
    const query = client.query as unknown as Method;
    // The next one who has the client out gets another: a second release must not be theirs.
    const { release } = client;
    return handleProxy(client, {
      query: (...args: readonly unknown[]) => {
        const given = parseQuery(args);
        if (given === undefined) return Reflect.apply(query, client, args);
        return answerQuery(this.#statements, given, { session });
      },
      release: (error?: Error | boolean) => {
        line.detach();
        release.call(client, error);
      },
    });
  }

  #end(callback: Callback | undefined): unknown {
    const { pool } = this.#pooled;
    const others = this.#own && !pool.ending ? pool.end() : Promise.resolve();
    const both = Promise.all([this.#pool.end(), others]).then(() => undefined);
    if (callback === undefined) return both;
    tell(both, callback);
    return undefined;
  }
}

function tellLater(callback: ConnectCallback, ...outcome: Parameters<ConnectCallback>): void {
  process.nextTick(() => {
    callback(...outcome);
  });
}

/** A pool with the handle's connection parameters. */
function poolLike(
  pool: pg.Pool,
  { max, idleTimeoutMs, connectTimeoutMs }: ReturnType<typeof parseOptions>,
): pg.Pool {
  const { options } = pool;
  const Pool = pool.constructor as typeof pg.Pool;
  return new Pool({
    ...options,
    password: options.password,
    max,
    idleTimeoutMillis: idleTimeoutMs,
    connectionTimeoutMillis: connectTimeoutMs,
    allowExitOnIdle: true,
  });
}
