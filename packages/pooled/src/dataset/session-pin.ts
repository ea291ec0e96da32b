import type { Lease } from '../pool/lease.ts';
import type { Pool } from '../pool/pool.ts';
import type { ResourceSource } from '../pool/resource-source.ts';
import type { PooledSession } from '../pooled-session.ts';

/** What runs on the one connection: nothing, what writes or asks for what the last write left, or every call. */
export type PinScope = 'none' | 'writes' | 'all';

/** What a pin is made of. */
export interface SessionPinParts {
  /** Takes the connection that is to be kept, the one last written on if it is idle. */
  readonly acquire: (signal: AbortSignal) => Promise<Lease<PooledSession>>;
  /** Whether the engine still answers on it. */
  readonly validate: (session: PooledSession, signal: AbortSignal) => Promise<boolean>;
  /** Makes the pool that lends the one connection to one caller after the other. */
  readonly poolOf: (source: ResourceSource<PooledSession>) => Pool<PooledSession>;
}

/**
 * One dataset's single connection, from the first statement that leaves something on it, so that the next finds it there as on a
 * singleton. The connection is leased from the dataset's own pool for as long as it lives, and closed at its end. Callers
 * wait for it in a pool of its own, with the limits and deadlines of any other. Other datasets notice nothing.
 */
export class SessionPin {
  readonly #parts: SessionPinParts;
  #scope: PinScope = 'none';
  #pool: Pool<PooledSession> | undefined;
  #lease: Lease<PooledSession> | undefined;
  /** A transaction under way has left something on its connection, which is the one to keep. */
  #coming: { readonly promise: Promise<void>; readonly done: () => void } | undefined;
  #offered: Lease<PooledSession> | undefined;
  readonly #kept = new WeakSet<PooledSession>();

  constructor(parts: SessionPinParts) {
    this.#parts = parts;
  }

  /** The pool to take a connection of; undefined where any connection does. */
  poolFor(bound: boolean): Pool<PooledSession> | undefined {
    return this.#scope === 'all' || (bound && this.#scope === 'writes') ? this.#pool : undefined;
  }

  /** Whether every call is to run on the one connection. */
  get takesAll(): boolean {
    return this.#scope === 'all';
  }

  /** From now on calls run on one connection. Takes nothing back. */
  keep(scope: Exclude<PinScope, 'none'>): void {
    if (this.#scope !== 'all') this.#scope = scope;
    this.#pool ??= this.#parts.poolOf(this.#source());
  }

  /** Whether a lease is of the one connection. */
  owns(lease: Lease<PooledSession>): boolean {
    return this.#lease?.held === true && lease.held && lease.resource === this.#lease.resource;
  }

  /** Whether a connection is or was the one: what was on it is lost with it. */
  hasKept(session: PooledSession): boolean {
    return this.#kept.has(session);
  }

  /** The connection of a transaction under way becomes the one to keep: to be called before the statement that leaves something on
   * it. Calls from now on wait for {@link offer}, or for the lease to end. */
  adopt(lease: Lease<PooledSession>): void {
    if (this.#coming !== undefined || this.#lease?.held === true) return;
    let done = (): void => undefined;
    const promise = new Promise<void>((resolve) => {
      done = resolve;
    });
    const coming = { promise, done };
    this.#coming = coming;
    this.#kept.add(lease.resource);
    lease.resource.pin?.();
    lease.onEnded = () => {
      if (this.#coming === coming) this.#coming = undefined;
      done();
    };
    this.keep('all');
  }

  /**
   * Takes over the lease of a transaction that has ended.
   *
   * @returns false where it is not the one to keep: the caller still has it then.
   */
  offer(lease: Lease<PooledSession>): boolean {
    if (this.#coming === undefined || !lease.held || lease.onEnded === undefined) return false;
    const { connected, transactionState } = lease.resource;
    if (!connected || transactionState !== 'none' || lease.busy) return false;
    lease.onEnded = undefined;
    lease.pin();
    this.#offered = lease;
    this.#coming.done();
    this.#coming = undefined;
    return true;
  }

  /** Whether nothing is kept and nobody waits for it. */
  isEmpty(): boolean {
    return this.#pool?.isEmpty() !== false;
  }

  async close(deadlineMs: number): Promise<void> {
    await this.#pool?.close(deadlineMs);
    this.#offered?.discard();
  }

  #source(): ResourceSource<PooledSession> {
    return {
      open: async (signal) => {
        const lease = await this.#take(signal);
        this.#lease = lease;
        this.#kept.add(lease.resource);
        lease.pin();
        lease.retire();
        lease.resource.pin?.();
        return lease.resource;
      },
      close: async () => {
        this.#lease?.release();
      },
      cut: (session) => {
        session.cut();
        this.#lease?.discard('broken');
      },
      // What was set is what it is kept for.
      usable: (session) =>
        this.#lease?.held === true && session.connected && session.transactionState === 'none',
      validate: (session, signal) => this.#parts.validate(session, signal),
      mayPass: () => this.#coming !== undefined,
    };
  }

  async #take(signal: AbortSignal): Promise<Lease<PooledSession>> {
    if (this.#coming !== undefined) {
      await Promise.race([this.#coming.promise, aborted(signal)]);
      signal.throwIfAborted();
    }
    const offered = this.#offered;
    this.#offered = undefined;
    return offered?.held === true ? offered : await this.#parts.acquire(signal);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener(
      'abort',
      () => {
        resolve();
      },
      { once: true },
    );
  });
}
