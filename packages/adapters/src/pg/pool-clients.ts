import type { PoolClient } from 'pg';
import { handleProxy } from '../shared/handle-proxy.ts';
import { answerQuery } from './calls.ts';
import { Line } from './line.ts';
import { CheckedOutSession } from './pool-session.ts';
import { parseQuery } from './query-arguments.ts';
import { Settings } from './settings.ts';
import type { StatementBridge } from './statement-bridge.ts';

type Method = (...args: readonly unknown[]) => unknown;
type Release = PoolClient['release'];

/**
 * What callers have for the clients of both pools: one object for each, the same whenever it is taken out, as the driver's is. Its
 * statements are bridged while it is taken out; before, as in a listener of `connect`, they are the client's own.
 */
export class PoolClients {
  readonly #faces = new WeakMap<object, PoolFace>();
  readonly #statements: () => StatementBridge;

  constructor(statements: () => StatementBridge) {
    this.#statements = statements;
  }

  of(client: PoolClient): PoolClient {
    return this.#faceOf(client).handle;
  }

  /** Begins what is one use of a client: until it is released its statements are of this key, on this connection. */
  takeOut(client: PoolClient, key: string): PoolClient {
    const face = this.#faceOf(client);
    face.begin(key);
    return face.handle;
  }

  #faceOf(client: PoolClient): PoolFace {
    let face = this.#faces.get(client);
    if (face === undefined) {
      face = new PoolFace(client, this.#statements);
      this.#faces.set(client, face);
    }
    return face;
  }
}

class PoolFace {
  readonly handle: PoolClient;
  readonly #client: PoolClient;
  readonly #query: Method;
  readonly #statements: () => StatementBridge;
  #session: CheckedOutSession | undefined;
  #release: Release | undefined;

  constructor(client: PoolClient, statements: () => StatementBridge) {
    this.#client = client;
    this.#query = client.query;
    this.#statements = statements;
    const release = (): Release => this.#release ?? client.release;
    const replaceRelease = (by: Release): void => {
      this.#release = by;
    };
    this.handle = handleProxy(client, {
      query: (...args: readonly unknown[]) => this.#run(args),
      get release() {
        return release();
      },
      set release(by: Release) {
        replaceRelease(by);
      },
    });
  }

  begin(key: string): void {
    const settings = new Settings();
    const line = new Line(this.#client, settings, () => undefined);
    const session = new CheckedOutSession(key, line, settings);
    this.#session = session;
    // The pool makes one for each use: a second release must not be of who has the client next.
    const release = this.#client.release.bind(this.#client);
    this.#release = (error) => {
      line.detach();
      if (this.#session === session) this.#session = undefined;
      release(error);
    };
  }

  #run(args: readonly unknown[]): unknown {
    const session = this.#session;
    const given = session === undefined ? undefined : parseQuery(args);
    // The driver's own words for what it can't take.
    if (session === undefined || given === undefined)
      return Reflect.apply(this.#query, this.#client, args);
    return answerQuery(this.#statements(), given, { session });
  }
}
