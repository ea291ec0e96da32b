import type { Lease, Lender } from '../shared/leases.ts';
import type { KnexClient, RawConnection } from './knex-client.ts';

/** A connection of one of the clients, while it is lent. */
export type KnexLease = Lease<RawConnection, KnexLender>;

/** A client's pool, and what runs on its connections. */
export class KnexLender implements Lender<RawConnection> {
  readonly client: KnexClient;
  #isEnding = false;

  constructor(client: KnexClient) {
    this.client = client;
  }

  acquireConnection(): Promise<RawConnection> {
    // A pool that is being destroyed would let it wait until it ran out of its time, and Knex would warn of that.
    return this.#isEnding
      ? Promise.reject(new Error('Unable to acquire a connection'))
      : this.client.acquireConnection();
  }

  /** Ends the client's pool, beginning in this tick. */
  destroy(): Promise<void> {
    this.#isEnding = true;
    return this.client.destroy();
  }

  releaseConnection(connection: RawConnection): Promise<void> {
    // A pool that was destroyed meanwhile has closed it.
    return this.client.pool === undefined
      ? Promise.resolve()
      : this.client.releaseConnection(connection);
  }
}
