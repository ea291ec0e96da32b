import { BridgedConnection } from './bridged-connection.ts';
import type { BridgedLife } from './bridged-life.ts';
import { bridgedRunnerClass } from './bridged-runner.ts';
import type {
  KnexBuilder,
  KnexClientClass,
  KnexQuery,
  KnexRunner,
  KnexRunnerClass,
  KnexTransaction,
  RawConnection,
  RowSink,
  TransactionContainer,
} from './knex-client.ts';

/**
 * A class of clients whose connections are the bridge's: all that it builds and compiles is the legacy client's.
 *
 * One a bridged instance, for Knex makes further clients of a client's class (for transactions, for `withUserParams`) and these have
 * nothing but the class in common.
 */
export function bridgedClientClass(life: BridgedLife): KnexClientClass {
  const { legacy } = life;
  const Base = legacy.constructor as KnexClientClass;
  const beginners = new WeakMap<object, BridgedConnection>();
  /** Connections of the driver that the program has asked for itself. */
  const asked = new WeakMap<RawConnection, BridgedConnection>();

  /** The bridge's, where a connection is not one that the program brought. */
  function bridgedOf(connection: RawConnection): BridgedConnection | undefined {
    return connection instanceof BridgedConnection ? connection : asked.get(connection);
  }

  /** Knex itself is asking for a connection, of which its first statement says the leg. */
  let isForKnex = false;
  function asKnex<R>(acquire: () => R): R {
    isForKnex = true;
    try {
      return acquire();
    } finally {
      isForKnex = false;
    }
  }

  /** For the program, which may use it past Knex, and for which others find one less in the pool. */
  async function acquireDriverConnection(): Promise<RawConnection> {
    const bridged = new BridgedConnection(life.queries);
    const connection = await bridged.acquire();
    asked.set(connection, bridged);
    return connection;
  }

  let Runner: KnexRunnerClass | undefined;

  class BridgedClient extends Base {
    override acquireConnection(): Promise<RawConnection> {
      const forKnex = isForKnex;
      isForKnex = false;
      if (life.isEnding) return Promise.reject(new Error('Unable to acquire a connection'));
      return forKnex
        ? Promise.resolve(new BridgedConnection(life.queries))
        : acquireDriverConnection();
    }

    override releaseConnection(connection: RawConnection): Promise<void> {
      const bridged = bridgedOf(connection);
      if (bridged === undefined) return super.releaseConnection(connection);
      if (bridged !== connection) {
        asked.delete(connection);
        const { __knex__disposed: reason } = connection;
        if (reason !== undefined) bridged.__knex__disposed = reason;
      }
      return bridged.release();
    }

    override _query(connection: RawConnection, query: KnexQuery): Promise<KnexQuery> {
      const bridged = bridgedOf(connection);
      // A connection that the program brought, or nothing to run, which the dialect has words for.
      if (bridged === undefined || !query.sql) return super._query(connection, query);
      const ofKnex = this.transacting === true;
      if (ofKnex) beginners.set(this, bridged);
      return bridged.run(query, ofKnex);
    }

    override _stream(
      connection: RawConnection,
      query: KnexQuery,
      stream: RowSink,
      options: unknown,
    ): Promise<unknown> {
      const bridged = bridgedOf(connection);
      return bridged !== undefined && query.sql
        ? bridged.stream(query, stream, options)
        : super._stream(connection, query, stream, options);
    }

    override transaction(
      container: TransactionContainer,
      config: unknown,
      outer: unknown,
    ): KnexTransaction {
      const inside: TransactionContainer = (transaction) => {
        const connection = beginners.get(transaction.client);
        const work = (): unknown => container(transaction);
        return connection === undefined ? work() : connection.inside(work);
      };
      const transaction = super.transaction(inside, config, outer);
      const acquire = transaction.acquireConnection;
      transaction.acquireConnection = (...how) => asKnex(() => acquire.apply(transaction, how));
      return transaction;
    }

    override runner(builder: KnexBuilder): KnexRunner {
      Runner ??= bridgedRunnerClass(super.runner(builder).constructor as KnexRunnerClass, {
        asKnex,
        bridgedOf,
      });
      return new Runner(this, builder);
    }

    override cancelQuery(connection: RawConnection): Promise<unknown> {
      const bridged = bridgedOf(connection);
      if (bridged === undefined) return super.cancelQuery(connection);
      // By the client that the program sees, where it can: it may cancel in a way of the program's own.
      return bridged.cancel((client, raw) =>
        client === legacy ? super.cancelQuery(raw) : client.cancelQuery(raw),
      );
    }

    override initializePool(poolConfig?: unknown): void {
      // Knex calls it for each client that it makes too: the legs have their pools already.
      life.revive(poolConfig);
    }

    override async destroy(callback?: (error?: unknown) => void): Promise<void> {
      const ending = life.destroy();
      if (typeof callback !== 'function') return ending;
      await ending.then(() => {
        callback();
      }, callback);
    }
  }

  Object.defineProperties(BridgedClient.prototype, {
    pool: seen(() => (life.isOver ? undefined : legacy.pool)),
    version: seen(() => life.queries.version ?? legacy.version),
    connectionSettings: seen(() => legacy.connectionSettings),
  });
  return BridgedClient;
}

/** What a client tells of the legs. Knex assigns these to the clients that it makes, which changes nothing. */
function seen(get: () => unknown): PropertyDescriptor {
  return { configurable: true, get, set: () => undefined };
}
