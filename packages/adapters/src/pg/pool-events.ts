import type { LegName } from '@changeover/core';
import type { Pool, PoolClient } from 'pg';
import type { PoolClients } from './pool-clients.ts';

type Event = 'connect' | 'acquire' | 'release' | 'remove' | 'error';
type Emit = (event: string | symbol, ...args: readonly unknown[]) => boolean;

/**
 * The events of both pools as listeners of the handle hear them: with the clients that callers have, and without those that were
 * taken out for comparisons.
 */
export class PoolEvents {
  readonly #clients: PoolClients;
  readonly #leg: () => LegName;
  readonly #emit: Emit;
  readonly #hears: (event: Event) => boolean;
  /** Clients that were taken out for a comparison: what becomes of them then is not told. */
  readonly #compared = new WeakSet();

  constructor(handle: Pool, clients: PoolClients, leg: () => LegName) {
    this.#clients = clients;
    this.#leg = leg;
    this.#emit = handle.emit.bind(handle) as Emit;
    this.#hears = (event) => handle.listenerCount(event) > 0;
    handle.emit = ((event, ...args: readonly unknown[]) =>
      this.#tell('legacy', event as Event, args)) as Pool['emit'];
  }

  /** Tells of the pooled leg's.
   *
   * @returns ends it. */
  tellOf(pool: Pool): () => void {
    const listeners = (['connect', 'acquire', 'release', 'remove', 'error'] as const).map(
      (event) => {
        const listener = (...args: readonly unknown[]): void => {
          // An error unheard would end the process, for a connection that nobody had.
          if (event !== 'error' || this.#hears(event)) this.#tell('pooled', event, args);
        };
        pool.on(event as 'connect', listener);
        return [event, listener] as const;
      },
    );
    return () => {
      for (const [event, listener] of listeners) pool.off(event, listener);
    };
  }

  /** Only what a listener of `connect` sets there: by it names are read. */
  tellOfConnections(pool: Pool): void {
    pool.on('connect', (client) => {
      this.#tell('pooled', 'connect', [client]);
    });
  }

  #tell(leg: LegName, event: Event, args: readonly unknown[]): boolean {
    const [first, second] = args;
    const client = event === 'release' ? second : first;
    if (typeof client === 'object' && client !== null) {
      if (event === 'acquire' && leg !== this.#leg()) this.#compared.add(client);
      if ((event === 'acquire' || event === 'release') && this.#compared.has(client)) {
        if (event === 'release') this.#compared.delete(client);
        return true;
      }
    }
    return this.#emit(event, ...args.map((arg) => this.#faceOf(arg)));
  }

  #faceOf(arg: unknown): unknown {
    const isClient = typeof arg === 'object' && arg !== null && 'query' in arg;
    return isClient ? this.#clients.of(arg as PoolClient) : arg;
  }
}
