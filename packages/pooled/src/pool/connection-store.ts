import { executionAsyncResource } from 'node:async_hooks';
import { Pool as TarnPool } from 'tarn';
import type { PooledConnection } from './connection.ts';

/** What the store asks its owner, and tells it. */
export interface ConnectionStoreHooks<Resource extends object> {
  /** Opens a connection; resolves to undefined if that failed. Must not reject. */
  open(): Promise<PooledConnection<Resource> | undefined>;
  /** Whether a connection that was just opened is kept. False closes it. */
  keeps(connection: PooledConnection<Resource>): boolean;
  /** Whether an idle connection may be lent. False closes it. Must not throw or reject. */
  isFit(connection: PooledConnection<Resource>): boolean | Promise<boolean>;
  /** A requested connection is there. The owner leases it, gives it back or closes it. */
  arrived(connection: PooledConnection<Resource>): void;
  /** Closes a connection. Must not reject. */
  close(connection: PooledConnection<Resource>): Promise<void>;
  /** A connection was closed, and no longer counts. */
  closed(connection: PooledConnection<Resource>): void;
  /** A request ended without a connection, or a connection came or went: what callers wait for may be possible now. */
  changed(): void;
  /** Which idle connection to lend: the one with the lowest rank. Undefined: the one used last. */
  readonly rank: ((resource: Resource) => number) | undefined;
}

/**
 * What tarn lends: the permission to use one connection. Which connection is decided at checkout, so that the store can
 * lend the one with the lowest rank and close any idle one; tarn itself can only lend the last that was released, and
 * has no call that closes a given one.
 */
interface Place<Resource extends object> {
  connection: PooledConnection<Resource> | undefined;
}

/** One call of tarn's `acquire`. */
interface Request<Resource extends object> {
  /** False for a request that is made only to have a connection closed. */
  readonly forCaller: boolean;
  /** Undefined until `acquire` has returned; tarn calls `validate` before that. */
  operation: ReturnType<Tarn<Place<Resource>>['acquire']> | undefined;
  /** The connection, if tarn assigned one within `acquire` that needs no validation. */
  connection: PooledConnection<Resource> | undefined;
  /** Set if the request is refused: called when tarn has dropped it. */
  onDropped: (() => void) | undefined;
}

/** The longest timer there is. The time limits that count are the pool's own: on an injected clock, and abortable. */
const neverMs = 2 ** 31 - 1;

/**
 * tarn without its reaper. It counts in wall time and keeps the process alive for as long as a connection is open, so
 * its timer, which calls the public `check`, is cancelled when it first fires. Idle connections are closed by the pool.
 */
class Tarn<Value> extends TarnPool<Value> {
  override check(): void {
    clearInterval(executionAsyncResource() as NodeJS.Timeout);
  }
}

/**
 * The connections of one pool, kept by tarn: it hands them out to requests in FIFO order, has each validated at
 * checkout, opens one for a request that finds none idle, and closes what fails validation.
 *
 * The owner decides when a request may be made; see {@link ConnectionStore.request}. tarn is never left with more
 * requests than connections to serve them, since it would open one for the surplus without asking. So a request that
 * fails validation is aborted before tarn can retry it, and one whose connection could not be opened fails validation.
 */
export class ConnectionStore<Resource extends object> {
  readonly #hooks: ConnectionStoreHooks<Resource>;
  readonly #tarn: Tarn<Place<Resource>>;
  /** The one idle longest first. As many as tarn has free places, but for those about to be closed. */
  readonly #idle: PooledConnection<Resource>[] = [];
  readonly #lent = new Map<PooledConnection<Resource>, Place<Resource>>();
  /** To be closed by the next checkouts; undefined for a place whose connection could not be opened. */
  readonly #condemned: (PooledConnection<Resource> | undefined)[] = [];
  /** In the order in which tarn serves them: those that have no place yet. */
  readonly #queued: Request<Resource>[] = [];
  #incoming = 0;
  #closing = 0;
  #preferred: object | undefined;

  /** @param max the most connections. A second line of defence: tarn does not count those that are being closed. */
  constructor(max: number, hooks: ConnectionStoreHooks<Resource>) {
    this.#hooks = hooks;
    this.#tarn = new Tarn<Place<Resource>>({
      create: async () => ({ connection: await hooks.open() }),
      // tarn awaits the result, as its documentation says and its types don't.
      validate: ((place: Place<Resource>) => this.#validate(place)) as (
        place: Place<Resource>,
      ) => boolean,
      destroy: async ({ connection }) => {
        if (connection !== undefined) await hooks.close(connection);
      },
      min: 0,
      max,
      acquireTimeoutMillis: neverMs,
      createTimeoutMillis: neverMs,
      destroyTimeoutMillis: neverMs,
      // The sooner its timer fires, the sooner it is cancelled.
      reapIntervalMillis: 1,
    });
    this.#tarn.on('createSuccess', (_event, place) => {
      this.#opened(place);
    });
    this.#tarn.on('destroySuccess', (_event, { connection }) => {
      this.#closing -= 1;
      if (connection !== undefined) hooks.closed(connection);
      hooks.changed();
    });
  }

  /** Idle connections. */
  get idle(): number {
    return this.#idle.length;
  }

  /** Connections that are leased, or on their way to a caller. */
  get lent(): number {
    return this.#lent.size;
  }

  get opening(): number {
    return this.#tarn.numPendingCreates();
  }

  get closing(): number {
    return this.#closing;
  }

  /** Requests that have not ended. */
  get incoming(): number {
    return this.#incoming;
  }

  /** Whether one more request can be served without opening a connection for it. */
  get hasSpare(): boolean {
    const tarn = this.#tarn;
    return tarn.numPendingAcquires() < tarn.numFree() + tarn.numPendingCreates();
  }

  /** Whether tarn is about to assign a connection that was just opened, so that no request may be made before. */
  get assigning(): boolean {
    return this.#queued.length > 0 && this.#tarn.numFree() > 0;
  }

  /**
   * Asks for a connection, which is opened unless {@link hasSpare}. Not to be called while {@link assigning}.
   *
   * @param prefer the resource of the connection to have, if it is idle.
   * @returns an idle connection. Undefined if it has to be validated or opened: then it comes by
   * {@link ConnectionStoreHooks.arrived}; or `changed` is called, if it was not fit or could not be opened.
   */
  request(prefer?: object): PooledConnection<Resource> | undefined {
    this.#preferred = prefer;
    const found = this.#acquire(true);
    this.#preferred = undefined;
    return found;
  }

  /** Takes a lent connection back as idle. */
  giveBack(connection: PooledConnection<Resource>): void {
    const place = this.#lent.get(connection);
    if (place === undefined) return;
    this.#lent.delete(connection);
    this.#idle.push(connection);
    this.#release(place);
  }

  /** Closes a connection, lent or idle. It counts as closing from now on. */
  close(connection: PooledConnection<Resource>): void {
    const place = this.#lent.get(connection);
    if (place === undefined && !remove(this.#idle, connection)) return;
    this.#lent.delete(connection);
    this.#condemn(connection);
    if (place !== undefined) this.#release(place);
    this.#closeCondemned();
  }

  /** The idle connections that no request is about to take, the one idle longest first. */
  idleConnections(): readonly PooledConnection<Resource>[] {
    return this.#queued.length > 0 ? [] : this.#idle;
  }

  /** The connections that are leased, or on their way to a caller. */
  lentConnections(): PooledConnection<Resource>[] {
    return [...this.#lent.keys()];
  }

  #acquire(forCaller: boolean): PooledConnection<Resource> | undefined {
    const request: Request<Resource> = {
      forCaller,
      operation: undefined,
      connection: undefined,
      onDropped: undefined,
    };
    this.#queued.push(request);
    const operation = this.#tarn.acquire();
    // tarn's promise resolves microtasks later, but by calling `validate` it has assigned the connection already.
    if (request.connection !== undefined) return request.connection;
    request.operation = operation;
    if (request.onDropped !== undefined) operation.abort();
    if (forCaller) this.#incoming += 1;
    operation.promise.then(
      ({ connection }) => {
        this.#incoming -= 1;
        if (connection !== undefined) this.#hooks.arrived(connection);
      },
      () => {
        request.onDropped?.();
        if (!forCaller) return;
        this.#incoming -= 1;
        this.#hooks.changed();
      },
    );
    return undefined;
  }

  #release(place: Place<Resource>): void {
    place.connection = undefined;
    this.#tarn.release(place);
  }

  /** tarn's `validate`: chooses the connection for a place, and says whether it may be lent. */
  #validate(place: Place<Resource>): boolean | Promise<boolean> {
    const request = this.#queued.shift();
    if (this.#condemned.length > 0) {
      place.connection = this.#condemned.shift();
      return this.#refuse(request);
    }
    const connection = this.#takeIdle();
    if (connection === undefined)
      throw new TypeError('tarn has a free place without a connection.');
    place.connection = connection;
    this.#lent.set(connection, place);
    const fit = this.#hooks.isFit(connection);
    if (typeof fit !== 'boolean')
      return fit.then((valid) => valid || this.#closeUnfit(connection, request));
    if (!fit) return this.#closeUnfit(connection, request);
    if (request !== undefined && request.operation === undefined) request.connection = connection;
    return true;
  }

  #closeUnfit(
    connection: PooledConnection<Resource>,
    request: Request<Resource> | undefined,
  ): Promise<false> {
    this.#lent.delete(connection);
    this.#closing += 1;
    return this.#refuse(request);
  }

  /** Aborts a request and has tarn close its place, in this order: else tarn would serve the request some other way. */
  #refuse(request: Request<Resource> | undefined): Promise<false> {
    return new Promise((resolve) => {
      if (request === undefined) {
        resolve(false);
        return;
      }
      request.onDropped = () => {
        resolve(false);
      };
      request.operation?.abort();
    });
  }

  #opened({ connection }: Place<Resource>): void {
    if (connection !== undefined && this.#hooks.keeps(connection)) this.#idle.push(connection);
    else this.#condemn(connection);
    this.#closeCondemned();
    this.#hooks.changed();
  }

  #condemn(connection: PooledConnection<Resource> | undefined): void {
    this.#closing += 1;
    this.#condemned.push(connection);
  }

  /** Requests checkouts for what is to be closed, as far as no other request is about to meet it. */
  #closeCondemned(): void {
    while (this.#condemned.length > this.#queued.length) this.#acquire(false);
  }

  #takeIdle(): PooledConnection<Resource> | undefined {
    const { rank } = this.#hooks;
    const preferred =
      this.#preferred === undefined
        ? -1
        : this.#idle.findIndex(({ resource }) => resource === this.#preferred);
    if (preferred >= 0) return this.#idle.splice(preferred, 1)[0];
    if (rank === undefined) return this.#idle.pop();
    let best = this.#idle.length - 1;
    let lowest = Infinity;
    for (let index = best; index >= 0; index -= 1) {
      const connection = this.#idle[index];
      const found = connection === undefined ? Infinity : rank(connection.resource);
      if (found < lowest) {
        lowest = found;
        best = index;
      }
    }
    return best < 0 ? undefined : this.#idle.splice(best, 1)[0];
  }
}

function remove<Value>(list: Value[], value: Value): boolean {
  const index = list.indexOf(value);
  if (index >= 0) list.splice(index, 1);
  return index >= 0;
}
