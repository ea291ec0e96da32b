import { WiringError } from '@changeover/bridge';
import knex from 'knex';
import { BridgedConnection } from './bridged-connection.ts';
import type { BridgedQueries } from './bridged-queries.ts';
import type {
  KnexBuilder,
  KnexClient,
  KnexClientClass,
  KnexQuery,
  KnexRunner,
  RawConnection,
  RowSink,
  TransactionContainer,
} from './knex-client.ts';
import { NotRunError } from './not-run.ts';

/**
 * A class of clients whose connections are the bridge's: all that it builds and compiles is the legacy client's.
 *
 * One a bridged instance, for Knex makes further clients of a client's class (for transactions, for `withUserParams`) and these have
 * nothing but the class in common.
 */
export function bridgedClientClass(legacy: KnexClient, queries: BridgedQueries): KnexClientClass {
  const Base = legacy.constructor as KnexClientClass;
  const beginners = new WeakMap<object, BridgedConnection>();
  let ending: Promise<void> | undefined;

  class BridgedClient extends Base {
    override acquireConnection(): Promise<RawConnection> {
      return ending === undefined
        ? Promise.resolve(new BridgedConnection(queries))
        : Promise.reject(new Error('Unable to acquire a connection'));
    }

    override releaseConnection(connection: RawConnection): Promise<void> {
      return connection instanceof BridgedConnection
        ? connection.release()
        : super.releaseConnection(connection);
    }

    override _query(connection: RawConnection, query: KnexQuery): Promise<KnexQuery> {
      // A connection that the program brought, or nothing to run, which the dialect has words for.
      if (!(connection instanceof BridgedConnection) || !query.sql)
        return super._query(connection, query);
      const ofKnex = this.transacting === true;
      if (ofKnex) beginners.set(this, connection);
      return connection.run(query, ofKnex);
    }

    override _stream(
      connection: RawConnection,
      query: KnexQuery,
      stream: RowSink,
      options: unknown,
    ): Promise<unknown> {
      return connection instanceof BridgedConnection && query.sql
        ? connection.stream(query, stream, options)
        : super._stream(connection, query, stream, options);
    }

    override transaction(
      container: TransactionContainer,
      config: unknown,
      outer: unknown,
    ): unknown {
      const inside: TransactionContainer = (transaction) => {
        const connection = beginners.get(transaction.client);
        const work = (): unknown => container(transaction);
        return connection === undefined ? work() : connection.inside(work);
      };
      return super.transaction(inside, config, outer);
    }

    override runner(builder: KnexBuilder): KnexRunner {
      const runner = super.runner(builder);
      const run = runner.query;
      const failed = (error: unknown): never => {
        throw error instanceof NotRunError ? withBuilder(error.cause, builder) : error;
      };
      runner.query = (query) => run.call(runner, query).then(undefined, failed);
      return runner;
    }

    override cancelQuery(connection: RawConnection): Promise<unknown> {
      return connection instanceof BridgedConnection
        ? connection.cancel()
        : super.cancelQuery(connection);
    }

    override initializePool(): void {
      if (ending !== undefined)
        throw new WiringError(
          `The Knex of "${queries.bridge.name}" was destroyed with its legs: make another one.`,
        );
    }

    override async destroy(callback?: (error?: unknown) => void): Promise<void> {
      ending ??= queries.destroy();
      if (typeof callback !== 'function') return ending;
      await ending.then(() => {
        callback();
      }, callback);
    }
  }

  Object.defineProperties(BridgedClient.prototype, {
    pool: seen(() => (ending === undefined ? legacy.pool : undefined)),
    version: seen(() => queries.version ?? legacy.version),
    connectionSettings: seen(() => legacy.connectionSettings),
  });
  return BridgedClient;
}

/** What a client tells of the legs. Knex assigns these to the clients that it makes, which changes nothing. */
function seen(get: () => unknown): PropertyDescriptor {
  return { configurable: true, get, set: () => undefined };
}

/** As Knex does where it acquires a connection: a time-out tells the statement that waited. */
function withBuilder(error: Error, { sql, bindings }: KnexBuilder): Error {
  return error instanceof knex.KnexTimeoutError ? Object.assign(error, { sql, bindings }) : error;
}
