import type { Logger } from '@changeover/bridge';
import type { Pool, PoolClient } from 'pg';
import { send } from './send.ts';
import type { Standing } from './standing.ts';
import type { Statement } from './statement.ts';
import { endOf } from './submittable.ts';

/** What the pool's connections are used with. */
export interface PooledConnectionsOptions {
  readonly pool: Pool;
  readonly logger: () => Logger;
  /** Makes a new connection stand on what the legacy one stands on. */
  readonly standing: Standing;
  /** Told what connections say beside answers. */
  readonly tell: (event: 'notice' | 'notification', message: unknown) => void;
}

/** The connections of a `pg.Pool`, each checked before it is first used. */
export class PooledConnections {
  readonly pool: Pool;
  readonly #options: PooledConnectionsOptions;
  readonly #checked = new WeakMap<PoolClient, Promise<void>>();
  readonly #unavailable = new WeakSet();
  /** Connections that are kept for one session each. */
  #kept = 0;

  constructor(options: PooledConnectionsOptions) {
    this.pool = options.pool;
    this.#options = options;
    this.pool.on('error', (error) => {
      options.logger().warn({ err: error }, 'an idle connection of the pool was lost');
    });
    this.pool.on('connect', (client: PoolClient) => {
      // One that is lost while it is leased fails its statements; unheard, the event would end the process.
      client.on('error', () => undefined);
      for (const event of ['notice', 'notification'] as const)
        client.on(event, (message: unknown) => {
          options.tell(event, message);
        });
    });
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
      if (typeof error === 'object' && error !== null) this.#unavailable.add(error);
      throw error;
    }
    let checked = this.#checked.get(client);
    if (checked === undefined) {
      checked = this.#options.standing.give(client);
      this.#checked.set(client, checked);
    }
    try {
      await checked;
    } catch (error) {
      client.release(true);
      if (typeof error === 'object' && error !== null) this.#unavailable.add(error);
      throw error;
    }
    return client;
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

  /** Runs a statement on any connection. */
  async run(statement: Statement, values: unknown): Promise<unknown> {
    const client = await this.lease();
    const { submittable } = statement;
    try {
      if (submittable === undefined) return await send(client, statement.config, values);
      const end = endOf(submittable);
      client.query(submittable);
      await end;
      return undefined;
    } finally {
      client.release();
    }
  }

  /** Runs a statement again for comparison. Its connection is closed when the signal is aborted first. */
  async again(statement: Statement, values: unknown, signal: AbortSignal): Promise<unknown> {
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
      return await send(client, statement.again(values));
    } finally {
      signal.removeEventListener('abort', cut);
      release(false);
    }
  }
}
