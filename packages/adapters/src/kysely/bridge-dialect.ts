import { standsFor, WiringError } from '@changeover/bridge';
import type {
  AbortableOperationOptions,
  DatabaseConnection,
  DatabaseIntrospector,
  Dialect,
  DialectAdapter,
  Driver,
  Kysely,
  QueryCompiler,
  TransactionSettings,
} from 'kysely';
import {
  type BridgeDialectOptions,
  type ParsedOptions,
  parseOptions,
} from './bridge-dialect-options.ts';
import { BridgedConnection } from './bridged-connection.ts';
import { BridgedQueries } from './bridged-queries.ts';
import { hasOneConnection } from './leg.ts';

/**
 * A Kysely dialect over two dialects: one line changes, the query builder and its types stay.
 *
 * ```ts
 * const db = new Kysely<Database>({
 *   dialect: new BridgeDialect({
 *     name: 'orders',
 *     legacy: new PostgresDialect({ pool: onlyPool }),
 *     pooled: new PostgresDialect({ pool: new Pool({ max: 10 }) }),
 *   }),
 * });
 * ```
 *
 * Each executed query goes to the leg that its key's stage says, by the flag `changeover.{name}`; at `shadow` and `reverse` what
 * only reads goes to the other leg too, in the background, and the rows are compared. A transaction is one connection of one leg,
 * and no other write of its key comes between. `bridgeOf(dialect)` gives what stands behind it once a Kysely was made of it.
 *
 * `db.destroy()` ends both dialects' drivers and the bridge.
 */
export class BridgeDialect implements Dialect {
  readonly #options: ParsedOptions;

  /** @throws {InvalidOptionError} {WiringError} for options that can't be used. */
  constructor(options: BridgeDialectOptions) {
    this.#options = parseOptions(options);
  }

  createDriver(): Driver {
    const queries = new BridgedQueries(this.#options);
    standsFor(this, queries.api);
    return new BridgedDriver(queries);
  }

  createQueryCompiler(): QueryCompiler {
    return this.#options.legacy.createQueryCompiler();
  }

  createAdapter(): DialectAdapter {
    const { legacy, pooled } = this.#options;
    const adapter = legacy.createAdapter();
    return hasOneConnection(pooled) ? adapter : withManyConnections(adapter);
  }

  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as Kysely's own interface says it
  createIntrospector(db: Kysely<any>): DatabaseIntrospector {
    return this.#options.legacy.createIntrospector(db);
  }
}

/** Where only the legacy driver has one connection, calls wait for it at that leg, and not before it is known which leg answers. */
function withManyConnections(adapter: DialectAdapter): DialectAdapter {
  return new Proxy(adapter, {
    get: (target, name) =>
      name === 'supportsMultipleConnections'
        ? true
        : (Reflect.get(target, name, target) as unknown),
  });
}

/** As many as are in use at once, in most programs. */
const maxIdle = 100;

class BridgedDriver implements Driver {
  readonly #queries: BridgedQueries;
  /** Given back, and without a lease: Kysely notes each connection that it has not seen, which costs more than a query of its own. */
  readonly #idle: BridgedConnection[] = [];

  constructor(queries: BridgedQueries) {
    this.#queries = queries;
  }

  async init(options?: AbortableOperationOptions): Promise<void> {
    await this.#queries.init(options);
  }

  acquireConnection(options?: AbortableOperationOptions): Promise<DatabaseConnection> {
    const bridged = this.#idle.pop() ?? new BridgedConnection(this.#queries);
    bridged.isOut = true;
    const connection = bridged as DatabaseConnection;
    if (options?.signal === undefined) return Promise.resolve(connection);
    // Before a query that may be cancelled Kysely asks the connection whether it can.
    return this.#queries.seeConnection().then(() => connection);
  }

  releaseConnection(connection: DatabaseConnection): Promise<void> {
    const bridged = own(connection);
    const released = bridged.release();
    // Once: it must not be handed out twice.
    if (bridged.isOut && !bridged.mayGoOn && this.#idle.length < maxIdle) this.#idle.push(bridged);
    bridged.isOut = false;
    return released;
  }

  async beginTransaction(
    connection: DatabaseConnection,
    settings: TransactionSettings,
  ): Promise<void> {
    await own(connection).begin(settings);
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await own(connection).commit();
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await own(connection).rollback();
  }

  async savepoint(
    connection: DatabaseConnection,
    name: string,
    compileQuery: QueryCompiler['compileQuery'],
  ): Promise<void> {
    await own(connection).savepoint('savepoint', name, compileQuery);
  }

  async rollbackToSavepoint(
    connection: DatabaseConnection,
    name: string,
    compileQuery: QueryCompiler['compileQuery'],
  ): Promise<void> {
    await own(connection).savepoint('rollbackToSavepoint', name, compileQuery);
  }

  async releaseSavepoint(
    connection: DatabaseConnection,
    name: string,
    compileQuery: QueryCompiler['compileQuery'],
  ): Promise<void> {
    await own(connection).savepoint('releaseSavepoint', name, compileQuery);
  }

  async destroy(options?: AbortableOperationOptions): Promise<void> {
    await this.#queries.destroy(options);
  }
}

function own(connection: DatabaseConnection): BridgedConnection {
  if (connection instanceof BridgedConnection) return connection;
  throw new WiringError('That connection was not acquired from this driver.');
}
