import { routes, standsFor, WiringError } from '@changeover/bridge';
import type { LegName } from '@changeover/core';
import type pg from 'pg';
import { onlyKey } from '../shared/adapter-options.ts';
import { postgresStateSql, stateIn } from '../shared/data-state.ts';
import { handleProxy } from '../shared/handle-proxy.ts';
import { answerQuery, tell } from './calls.ts';
import { classifierOver } from './classify.ts';
import { type BridgeClientOptions, givenPool, parseOptions } from './options.ts';
import { PoolClients } from './pool-clients.ts';
import { PoolEvents } from './pool-events.ts';
import { PoolSession } from './pool-session.ts';
import { type LendCallback, PooledConnections } from './pooled-connections.ts';
import { type Callback, parseQuery } from './query-arguments.ts';
import { send } from './send.ts';
import { ConnectionSettings } from './connection-settings.ts';
import { StatementBridge } from './statement-bridge.ts';

type Method = (...args: readonly unknown[]) => unknown;

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
  readonly #own: readonly pg.Pool[];
  readonly #pooled: PooledConnections;
  readonly #clients: PoolClients;
  readonly #statements: StatementBridge;
  readonly #key: () => string;
  /** A pool that was handed in, whose owner goes on with it. */
  readonly #leave: () => void;

  constructor(pool: T, options: BridgeClientOptions) {
    const parsed = parseOptions(options);
    const { query, connect } = Object(pool) as Partial<pg.Pool>;
    if (typeof query !== 'function' || typeof connect !== 'function')
      throw new WiringError(
        `The handle of "${options.name}" is no pool of pg: it has no query and connect.`,
      );
    if ('escapeIdentifier' in pool)
      throw new WiringError(`The handle of "${options.name}" is a client of pg: use bridgeClient.`);
    this.#pool = pool;
    this.#key = () => parsed.key?.({ sql: '', values: undefined, name: undefined }) ?? onlyKey;
    const raw = { query: query.bind(pool) };
    const logger = (): StatementBridge['logger'] => this.#statements.logger;
    this.#clients = new PoolClients(() => this.#statements);
    tellHooks(pool, this.#clients);
    const given = givenPool(options);
    const asked = given === undefined ? poolToAsk(pool, parsed) : undefined;
    const pooled = new PooledConnections({
      pool: given ?? poolLike(pool, options),
      asked,
      logger,
      // One that is made like the handle stands where that stands.
      connectionSettings:
        given && new ConnectionSettings((sql) => send(raw, sql) as Promise<never>),
      tell: () => undefined,
    });
    this.#pooled = pooled;
    this.#own = asked === undefined ? [] : [asked, pooled.pool];
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
      // What waits on one connection for what another has locked must not keep that one from its COMMIT.
      unordered: pool.options.max > 1,
    });
    const events = new PoolEvents(pool, this.#clients, () => this.#leg);
    const untell = events.tellOf(pooled.pool);
    this.#leave = () => {
      if (given === undefined) return;
      untell();
      pooled.leave();
    };
    if (asked !== undefined) events.tellOfConnections(asked);
    this.handle = standsFor(
      handleProxy(pool, this.#replacements(query as unknown as Method)),
      this.#statements.statements,
    );
  }

  #replacements(query: Method): object {
    const counts = (): pg.Pool => (this.#leg === 'pooled' ? this.#pooled.pool : this.#pool);
    const { Promise: promise } = this.#pool as { readonly Promise?: PromiseConstructor };
    return {
      query: (...args: readonly unknown[]) => {
        const given = this.#pool.ending ? undefined : parseQuery(args);
        // The driver's own words for what it can't take.
        if (given === undefined) return Reflect.apply(query, this.#pool, args);
        return answerQuery(this.#statements, given, { promise, ofPool: true });
      },
      connect: (callback?: LendCallback) => this.#connect(callback),
      end: (callback?: Callback) => this.#end(callback),
      // No part of its surface, but tests and monitors of programs read it beside the counts.
      get _clients() {
        return (counts() as unknown as { readonly _clients: readonly unknown[] })._clients;
      },
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

  #connect(callback: LendCallback | undefined): unknown {
    if (this.#pool.ending)
      return Reflect.apply(this.#pool.connect as Method, this.#pool, callback ? [callback] : []);
    this.#statements.warmUp();
    const key = this.#key();
    const isPooled = this.#leg === 'pooled';
    if (callback === undefined) {
      const taken = isPooled ? this.#pooled.lease() : this.#pool.connect();
      return taken.then((client) => this.#clients.takeOut(client, key));
    }
    const tellTaken: LendCallback = (error, client, done) => {
      const face = client && this.#clients.takeOut(client, key);
      callback(error, face, face?.release ?? done);
    };
    if (isPooled) this.#pooled.lend(tellTaken);
    else this.#pool.connect(tellTaken);
    return undefined;
  }

  #end(callback: Callback | undefined): unknown {
    const ended = [this.#pool, ...this.#own.filter(({ ending }) => !ending)].map((pool) =>
      pool.end(),
    );
    // Not before: who has a client yet, and whom the driver waits for, is bridged as ever.
    const all = Promise.all(ended).then(() => {
      this.#leave();
      this.#statements.end();
    });
    if (callback === undefined) return all;
    tell(all, callback, { noError: undefined });
    return undefined;
  }
}

/** A program's functions that the pools call are given what it is given itself. */
function tellHooks(pool: pg.Pool, clients: PoolClients): void {
  const options = pool.options as { -readonly [name in 'onConnect' | 'verify']?: Method };
  for (const name of ['onConnect', 'verify'] as const) {
    const hook = options[name];
    if (hook !== undefined)
      options[name] = (client, ...rest) => hook(clients.of(client as pg.PoolClient), ...rest);
  }
}

/** A pool as the handle is one, but for what the adapter's options say. */
function poolLike(
  pool: pg.Pool,
  { max, idleTimeoutMs, connectTimeoutMs }: BridgeClientOptions,
  more: pg.PoolConfig = {},
): pg.Pool {
  const { options } = pool;
  const Pool = pool.constructor as typeof pg.Pool;
  return new Pool({
    ...options,
    password: options.password,
    Client: (pool as unknown as { readonly Client: pg.PoolConfig['Client'] }).Client,
    ...(max !== undefined && { max }),
    ...(idleTimeoutMs !== undefined && { idleTimeoutMillis: idleTimeoutMs }),
    ...(connectTimeoutMs !== undefined && { connectionTimeoutMillis: connectTimeoutMs }),
    ...more,
  });
}

/** What statements do is asked apart: callers' connections are counted, waited for and told of as if nobody asked anything. */
function poolToAsk(pool: pg.Pool, options: ReturnType<typeof parseOptions>): pg.Pool {
  return poolLike(pool, { ...options, name: '', max: 1 }, { min: 0, allowExitOnIdle: true });
}
