import { Leases, type LeasesOptions } from '../shared/leases.ts';
import {
  hasOneConnection,
  type KnexClient,
  type KnexQuery,
  type RawConnection,
  type RowSink,
} from './knex-client.ts';
import { type KnexLease, KnexLender } from './lender.ts';
import { GivenUpError, type Holder, type QueryCall } from './query-call.ts';

/** Of the adapter's own work: no program's key is empty. */
const ownKey = '';

/** A connection that is taken for what follows. */
export interface ConnectionCall {
  readonly key: string;
  /** Who has it from then on. */
  readonly holder: Holder;
  /** Throws where it is not wanted any more. */
  taken(): void;
}

/** How a transaction begins. */
export interface TransactionCall extends ConnectionCall {
  begin(lease: KnexLease): Promise<unknown>;
}

/** Where a stream's rows go, as the caller asked for them. */
export interface StreamRequest {
  readonly stream: RowSink;
  readonly options: unknown;
  /** Told of the stream's end, once it has begun. */
  begun(over: Promise<unknown>): void;
}

/** What both legs offer the bridge: its operations are these methods. */
export interface LegApi {
  /** Answers the query with the driver's response in it. */
  query(sql: string, bindings: readonly unknown[], call: QueryCall): Promise<KnexQuery>;
  /** A read answers its stream once that has begun; anything else lasts as long as the stream does. */
  stream(
    sql: string,
    bindings: readonly unknown[],
    call: QueryCall,
    request: StreamRequest,
  ): Promise<unknown>;
  transaction(call: TransactionCall, work: (lease: KnexLease) => Promise<void>): Promise<void>;
  /** Answers the driver's own, which the holder has from then on. */
  connection(call: ConnectionCall): Promise<RawConnection>;
}

/**
 * One of the two instances as a leg. What it runs for a caller runs on the connection that the caller holds already, or on one that
 * the caller holds from then on; what it runs for comparison, on one that is given back at once.
 */
export class KnexLeg implements LegApi {
  readonly #make: () => KnexClient;
  readonly #options: LegOptions;
  #made:
    { readonly lender: KnexLender; readonly leases: Leases<RawConnection, KnexLender> } | undefined;
  /** Connections that work which is no caller's waits for. */
  readonly #awaited = new Set<Promise<unknown>>();

  /** @param make called once, when the leg is first needed. */
  constructor(make: () => KnexClient, options: LegOptions) {
    this.#make = make;
    this.#options = options;
  }

  /** @throws what making it throws. */
  open(): this {
    this.#leases();
    return this;
  }

  /** Undefined before the leg is needed. */
  get client(): KnexClient | undefined {
    return this.#made?.lender.client;
  }

  /** The error was one of having a connection: nothing was run. */
  isUnavailable(error: unknown): boolean {
    return this.#made?.leases.failedToLend(error) === true;
  }

  async query(_sql: string, bindings: readonly unknown[], call: QueryCall): Promise<KnexQuery> {
    const holder = call.takeHolder();
    if (holder === undefined) {
      const copy = call.copyWith(bindings);
      return this.withConnection((client, connection) => client._query(connection, copy), call);
    }
    const leases = this.#leases();
    let { lease } = holder;
    if (lease !== undefined) lease.note(call);
    else if (!leases.waitsForDriverAlone(call.key, call))
      lease = await this.lend(holder, call.key, call);
    else {
      let acquired: RawConnection;
      try {
        acquired = await leases.acquire();
      } catch (error) {
        throw leases.failed(error);
      }
      lease = leases.lease(acquired, call.key, call);
      if (holder.isDisposed) await giveUp(lease);
      holder.lease = lease;
    }
    return await lease.driver.client._query(lease.connection, call.query);
  }

  async stream(
    _sql: string,
    _bindings: readonly unknown[],
    call: QueryCall,
    request: StreamRequest,
  ): Promise<unknown> {
    const holder = call.takeHolder();
    if (holder === undefined) throw new TypeError('a stream was asked for twice');
    const over = streamOn(await this.#leaseFor(holder, call), call.query, request);
    if (call.isRead) return request.stream;
    await over;
    return undefined;
  }

  async transaction(
    call: TransactionCall,
    work: (lease: KnexLease) => Promise<void>,
  ): Promise<void> {
    const { holder, key } = call;
    call.taken();
    const lease = holder.lease ?? (await this.lend(holder, key));
    await call.begin(lease);
    await work(lease);
  }

  async connection({ holder, key, taken }: ConnectionCall): Promise<RawConnection> {
    taken();
    return (await this.lend(holder, key)).connection;
  }

  /** Lends a holder its connection, for a call that runs on it at first where there is one. */
  async lend(holder: Holder, key: string, call?: QueryCall): Promise<KnexLease> {
    const lease = await this.#leases().lend(key, call);
    if (holder.isDisposed) await giveUp(lease);
    holder.lease = lease;
    return lease;
  }

  /** Runs work that is no caller's on a connection of the leg. */
  async withConnection<T>(
    work: (client: KnexClient, connection: RawConnection) => Promise<T>,
    call?: QueryCall,
  ): Promise<T> {
    const lent = this.#leases().lend(call?.key ?? ownKey, call);
    this.#awaited.add(lent);
    const lease = await lent.finally(() => this.#awaited.delete(lent));
    try {
      return await work(lease.driver.client, lease.connection);
    } finally {
      await lease.giveBack();
    }
  }

  /** Where no key has a connection of its own to give back, the pool's end begins in this tick, as Knex's does. */
  async destroy(): Promise<void> {
    if (this.#made === undefined) return;
    const { leases, lender } = this.#made;
    // An ending pool refuses them, and Knex warns of each. Its end would wait for the connections that are being made as well.
    while (this.#awaited.size > 0) await Promise.allSettled(this.#awaited);
    if (this.#options.keeps) await leases.releaseKept();
    await lender.destroy();
  }

  async #leaseFor(holder: Holder, call: QueryCall): Promise<KnexLease> {
    if (holder.lease === undefined) return this.lend(holder, call.key, call);
    holder.lease.note(call);
    return holder.lease;
  }

  #leases(): Leases<RawConnection, KnexLender> {
    if (this.#made === undefined) {
      const client = this.#make();
      const { session, keeps } = this.#options;
      const lender = new KnexLender(client);
      const leases = new Leases<RawConnection, KnexLender>(lender, {
        session,
        // Where there is only one there is nothing to choose, and keeping it would leave none for anybody else.
        keeps: keeps && !hasOneConnection(client),
        // The pool itself makes its callers wait, no longer than Knex says.
        single: false,
      });
      this.#made = { lender, leases };
    }
    return this.#made.leases;
  }
}

/** Whether keys that work with the state of connections get one of their own, and which these are. */
export type LegOptions = Omit<LeasesOptions<RawConnection>, 'single'>;

/** Knex no longer waits for who asked for the connection. */
async function giveUp(lease: KnexLease): Promise<never> {
  await lease.giveBack();
  throw new GivenUpError();
}

/** Streams on a connection. Settles with the driver's stream, or when its reader leaves it. */
export function streamOn(
  { driver, connection }: KnexLease,
  query: KnexQuery,
  { stream, options, begun }: StreamRequest,
): Promise<unknown> {
  const left = new Promise<void>((resolve) => {
    if (stream.closed) resolve();
    else stream.once('close', resolve);
  });
  const over = Promise.race([driver.client._stream(connection, query, stream, options), left]);
  begun(over);
  return over;
}
