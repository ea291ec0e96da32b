import type { Logger } from '@changeover/bridge';
import type { Client, Pool, PoolClient } from 'pg';
import { send } from './send.ts';
import type { Settings } from './settings.ts';
import type { ConnectionSettings } from './connection-settings.ts';
import type { Statement } from './statement.ts';
import { endOf } from './submittable.ts';

/** What the pool's connections are used with. */
export interface PooledConnectionsOptions {
  readonly pool: Pool;
  /** For statements that are no caller's. Default: `pool`. */
  readonly asked?: Pool | undefined;
  readonly logger: () => Logger;
  /** Makes a new connection stand on what the legacy one stands on. Default: it does already. */
  readonly connectionSettings?: ConnectionSettings | undefined;
  /** Told what connections say beside answers. */
  readonly tell: (event: 'notice' | 'notification', message: unknown) => void;
}

/** What a statement is run again with. */
export interface AgainOptions {
  readonly signal: AbortSignal;
  /** What callers set on the one connection that they believe to have. Default: nothing is theirs to set. */
  readonly settings?: Settings | undefined;
}

/** How a pool tells of a connection. */
export type LendCallback = (
  error: Error | undefined,
  client: PoolClient | undefined,
  done: (error?: Error | boolean) => void,
) => void;

/** The connections of a `pg.Pool`, each checked before it is first used. */
export class PooledConnections {
  readonly pool: Pool;
  readonly #options: PooledConnectionsOptions;
  readonly #checked = new WeakMap<PoolClient, Promise<void>>();
  readonly #unavailable = new WeakSet();
  /** The version of the callers' settings that connections were given for comparisons. */
  readonly #applied = new WeakMap<PoolClient, number>();
  /** Connections that a caller's statement runs on by itself. */
  readonly #running = new Set<PoolClient>();
  /** Connections that are kept for one session each. */
  #kept = 0;

  readonly #ends: (() => void)[] = [];

  constructor(options: PooledConnectionsOptions) {
    const { pool, asked, tell } = options;
    this.pool = pool;
    this.#options = options;
    this.#hear(pool, {
      notice: (message) => {
        tell('notice', message);
      },
      notification: (message) => {
        tell('notification', message);
      },
    });
    if (asked !== undefined) this.#hear(asked, {});
  }

  /** Whether what asks of statements that are no caller's has no connection any more. */
  get isEnding(): boolean {
    return (this.#options.asked ?? this.pool).ending;
  }

  /** Unheard, a lost connection would end the process. One that is lost while it is leased fails its statements. */
  #hear(pool: Pool, said: Readonly<Record<string, (message: unknown) => void>>): void {
    const heard = { error: () => undefined, ...said };
    const open = new Set<PoolClient>();
    const lost = (error: Error): void => {
      this.#options.logger().warn({ err: error }, 'an idle connection of the pool was lost');
    };
    const connected = (client: PoolClient): void => {
      open.add(client);
      for (const [event, listener] of Object.entries(heard)) client.on(event as 'error', listener);
    };
    const removed = (client: PoolClient): void => {
      open.delete(client);
    };
    pool.on('error', lost).on('connect', connected).on('remove', removed);
    this.#ends.push(() => {
      pool.off('error', lost).off('connect', connected).off('remove', removed);
      for (const client of open)
        for (const [event, listener] of Object.entries(heard)) client.off(event, listener);
    });
  }

  /** Leaves a pool that goes on as it was found: whoever has it may put many handles before it, one after the other. */
  leave(): void {
    for (const end of this.#ends.splice(0)) end();
  }

  /** Whether a read can have a connection although others are kept. */
  get canSpread(): boolean {
    return this.pool.options.max > this.#kept;
  }

  /** True for the error of a lease that was not to be had: nothing was sent. */
  isUnavailable(error: unknown): boolean {
    return typeof error === 'object' && error !== null && this.#unavailable.has(error);
  }

  /** A connection that stands on what the legacy one does. To be released. */
  async lease(): Promise<PoolClient> {
    let client: PoolClient;
    try {
      client = await this.pool.connect();
    } catch (error) {
      throw this.#noted(error);
    }
    const { connectionSettings } = this.#options;
    if (connectionSettings === undefined) return client;
    let checked = this.#checked.get(client);
    if (checked === undefined) {
      checked = connectionSettings.give(client);
      this.#checked.set(client, checked);
    }
    try {
      await checked;
    } catch (error) {
      client.release(true);
      throw this.#noted(error);
    }
    return client;
  }

  /** The same for a callback, in the tick in which the pool has it. */
  lend(callback: LendCallback): void {
    if (this.#options.connectionSettings === undefined) {
      this.pool.connect((error, client, done) => {
        callback(error === undefined ? error : (this.#noted(error) as Error), client, done);
      });
      return;
    }
    this.lease().then(
      (client) => {
        process.nextTick(callback, undefined, client, client.release);
      },
      (error: unknown) => {
        process.nextTick(callback, error, undefined, () => undefined);
      },
    );
  }

  #noted(error: unknown): unknown {
    if (typeof error === 'object' && error !== null) this.#unavailable.add(error);
    return error;
  }

  #leaseToAsk(): Promise<PoolClient> {
    const { asked } = this.#options;
    if (asked === undefined) return this.lease();
    return asked.connect().catch((error: unknown) => {
      throw this.#noted(error);
    });
  }

  /** Rows of a statement that is no caller's. */
  async ask(
    sql: string,
    values: readonly unknown[] = [],
  ): Promise<readonly Record<string, unknown>[]> {
    const client = await this.#leaseToAsk();
    try {
      return (await client.query<Record<string, unknown>>(sql, [...values])).rows;
    } finally {
      client.release();
    }
  }

  /** A connection for one session, counted until it is let go. */
  async keep(): Promise<PoolClient> {
    this.#kept += 1;
    try {
      return await this.lease();
    } catch (error) {
      this.#kept -= 1;
      throw error;
    }
  }

  /** @param isBroken nobody may have it after. */
  letGo(client: PoolClient, isBroken: boolean): void {
    this.#kept -= 1;
    client.release(isBroken);
  }

  /** Runs a statement as `pool.query` does, which closes a connection that a statement failed on. */
  query(config: unknown, values: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.lend((error, client) => {
        if (client === undefined) reject(error ?? new Error('The pool gave no connection.'));
        else queryOnce(client, [config, values], { resolve, reject });
      });
    });
  }

  /** Runs a statement on any connection. */
  async run(statement: Statement, values: unknown): Promise<unknown> {
    const client = await this.lease();
    const { submittable } = statement;
    this.#running.add(client);
    try {
      if (submittable === undefined) return await send(client, statement.config, values);
      const end = endOf(submittable);
      client.query(submittable);
      await end;
      return undefined;
    } finally {
      this.#running.delete(client);
      client.release();
    }
  }

  /** Ends what runs on connections by itself, which fails as the driver's does when its client is ended. */
  cut(): void {
    for (const client of this.#running) void (client as unknown as Client).end();
  }

  /**
   * Runs a statement again for comparison, under the settings that callers made on the handle. Its connection is closed when the
   * signal is aborted first.
   *
   * @throws {NotComparableError} where the settings are not those that the statement was answered under.
   */
  async again(
    statement: Statement,
    values: unknown,
    { signal, settings }: AgainOptions,
  ): Promise<unknown> {
    const client = await this.lease();
    let released = false;
    const release = (isBroken: boolean): void => {
      if (released) return;
      released = true;
      client.release(isBroken);
    };
    const cut = (): void => {
      release(true);
    };
    signal.addEventListener('abort', cut, { once: true });
    try {
      signal.throwIfAborted();
      if (settings !== undefined) {
        await this.#bringUp(client, settings);
        settings.mustBe(statement.settings);
      }
      return await send(client, statement.again(values));
    } finally {
      signal.removeEventListener('abort', cut);
      release(false);
    }
  }

  /** Nobody but comparisons has it after, or whoever is given all settings anew: settings never come to be none again. */
  async #bringUp(client: PoolClient, settings: Settings): Promise<void> {
    const { version } = settings;
    const applied = this.#applied.get(client) ?? 0;
    if (applied === version) return;
    // One that fails here failed for its caller too, or says so by what follows.
    for (const setting of settings.since(applied))
      if (setting.listener === undefined)
        await send(client, setting.statement.config, setting.values).catch(() => undefined);
    this.#applied.set(client, version);
  }
}

interface Querying {
  query(...args: readonly unknown[]): unknown;
}

interface Settling {
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

/** One statement on a connection that is released after it, or when the connection is lost. */
function queryOnce(
  client: PoolClient,
  [config, values]: readonly [config: unknown, values: unknown],
  { resolve, reject }: Settling,
): void {
  let isReleased = false;
  const settle = (error: unknown, answer?: unknown): void => {
    if (isReleased) return;
    isReleased = true;
    client.removeListener('error', settle);
    const failed = error !== null && error !== undefined;
    client.release(failed ? (error as Error) : undefined);
    if (failed) reject(error);
    else resolve(answer);
  };
  client.once('error', settle);
  try {
    (client as unknown as Querying).query(config, values, settle);
  } catch (error) {
    settle(error);
  }
}
