import type { Lease } from '../pool/lease.ts';
import type { Pool } from '../pool/pool.ts';
import type { ResourceSource } from '../pool/resource-source.ts';
import type { PooledSession } from '../pooled-session.ts';

/** What runs on the one connection: nothing, what writes or asks for what the last write left, or every call. */
export type PinScope = 'none' | 'writes' | 'all';

/** How long calls under way have on a connection that turns out not to be kept. */
const lettingGoMs = 600_000;

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
  /** For good. */
  #lasting: PinScope = 'none';
  /** Statements that have run on it and of which it is not known yet whether it is to be kept for them. */
  #undecided = 0;
  #pool: Pool<PooledSession> | undefined;
  #lease: Lease<PooledSession> | undefined;
  /** A transaction under way has left something on its connection, which is the one to keep. */
  #coming:
    | {
        readonly promise: Promise<void>;
        readonly done: () => void;
        readonly lease: Lease<PooledSession>;
      }
    | undefined;
  #offered: Lease<PooledSession> | undefined;
  readonly #kept = new WeakSet<PooledSession>();

  constructor(parts: SessionPinParts) {
    this.#parts = parts;
  }

  /** The pool to take a connection of; undefined where any connection does. */
  poolFor(bound: boolean): Pool<PooledSession> | undefined {
    return this.#scope === 'all' || (bound && this.#scope === 'writes') ? this.#pool : undefined;
  }

  get #scope(): PinScope {
    return this.#undecided > 0 ? 'all' : this.#lasting;
  }

  /** Whether every call is to run on the one connection. */
  get takesAll(): boolean {
    return this.#scope === 'all';
  }

  /** From now on calls run on one connection. Takes nothing back. */
  keep(scope: Exclude<PinScope, 'none'>): void {
    if (this.#lasting !== 'all') this.#lasting = scope;
    this.#pool ??= this.#parts.poolOf(this.#source());
  }

  /**
   * From now on calls run on one connection, until it is known whether it has to be so: a statement that may leave something on it is the
   * next to run there, and what comes after it must find that.
   *
   * @param keeps must not reject.
   */
  keepUntil(keeps: Promise<boolean>): void {
    if (this.#lasting === 'all') return;
    this.#undecided += 1;
    this.#pool ??= this.#parts.poolOf(this.#source());
    void keeps.then((isKept) => {
      if (isKept) this.keep('all');
      this.#undecided -= 1;
      if (this.#scope === 'none') this.#letGo();
    });
  }

  /** Whether it has its connection at this moment. */
  get isHeld(): boolean {
    return this.#lease?.held === true || this.#coming !== undefined;
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
    const coming = { promise, done, lease };
    this.#coming = coming;
    this.#kept.add(lease.resource);
    lease.resource.pin?.();
    lease.onEnded = () => {
      if (this.#coming === coming) this.#coming = undefined;
      done();
    };
    this.keep('all');
  }

  /** The same, until it is known whether it has to be so. @param keeps must not reject. */
  adoptUntil(lease: Lease<PooledSession>, keeps: Promise<boolean>): void {
    const before = this.#lasting;
    this.adopt(lease);
    this.#lasting = before;
    this.keepUntil(keeps);
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

  /** Nothing has to be kept. Who waits for the connection comes again, and gets any. */
  #letGo(): void {
    const pool = this.#pool;
    const coming = this.#coming;
    const offered = this.#offered;
    this.#pool = undefined;
    this.#coming = undefined;
    this.#offered = undefined;
    if (coming !== undefined) coming.lease.onEnded = undefined;
    coming?.done();
    offered?.discard();
    void pool?.close(lettingGoMs);
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
