import { bridgeOf, type Bridge, createBridge, defined, withAbilities } from '@changeover/bridge';
import type {
  AbortableOperationOptions,
  CompiledQuery,
  ControlConnectionProvider,
  DatabaseConnection,
  Driver,
  QueryResult,
} from 'kysely';
import type { ParsedOptions } from './bridge-dialect-options.ts';
import { onlyKey } from '../shared/adapter-options.ts';
import { type Held, heldAlready, hold } from '../shared/held.ts';
import { KnownStatements } from '../shared/known-statements.ts';
import { LeftTransactions } from '../shared/open-transaction.ts';
import { plainRows } from '../shared/plain-rows.ts';
import { queryDefinition } from '../shared/query-definition.ts';
import { SessionWatch } from '../shared/session-watch.ts';
import { type Engine, engineOf } from './engine.ts';
import type { Holder } from './lease.ts';
import { DialectLeg, type LegApi, type RowStream, type TransactionCall } from './leg.ts';
import { QueryCall } from './query-call.ts';

/** What one driver's connections share: both legs, the bridge between them, and what is known of statements and sessions. */
export class BridgedQueries {
  readonly api: LegApi;
  /** Taken from the bridge's object once: looking it up there costs as much as the call. */
  readonly executeQuery: LegApi['executeQuery'];
  readonly bridge: Bridge;
  readonly known: KnownStatements;
  readonly left: LeftTransactions<DatabaseConnection, Driver> = new LeftTransactions();
  readonly controlProvider: ControlConnectionProvider = (consumer) =>
    this.#legs.pooled.withConnection(consumer);
  readonly #legs: { readonly legacy: DialectLeg; readonly pooled: DialectLeg };
  readonly #engine: Engine;
  readonly #watch: SessionWatch;
  readonly #options: ParsedOptions;
  /** Keys that work with the state of their connection. */
  readonly #sessions = new Set<string>();

  constructor(options: ParsedOptions) {
    this.#options = options;
    const session = {
      isKept: (key: string) => this.#sessions.has(key),
      keep: (key: string) => this.#sessions.add(key),
      learn: (sql: string) => this.known.learn(sql),
      holdsNoLock: (connection: DatabaseConnection) => this.#holdsNoLock(connection),
    };
    this.#legs = {
      legacy: new DialectLeg(options.legacy, { session, keeps: false }),
      pooled: new DialectLeg(options.pooled, { session, keeps: true }),
    };
    this.#engine = engineOf(options, this.#legs.pooled);
    this.known = new KnownStatements(this.#engine.classifier);
    this.#watch = new SessionWatch(
      () => this.bridge,
      (sql) => this.#engine.classifier.learn(sql),
    );
    this.api = this.#makeBridge();
    this.executeQuery = this.api.executeQuery;
    this.bridge = bridgeOf(this.api);
  }

  /** @throws what the legacy dialect throws. A pooled one that can't begin leaves every call with the legacy one. */
  async init(options: AbortableOperationOptions | undefined): Promise<void> {
    await this.#legs.legacy.init(options);
    await this.bridge.ready().catch(() => {
      // Said by the bridge.
    });
    this.known.warmUp();
  }

  /** What is known of a query, and its place. */
  callOf(
    query: CompiledQuery,
    options: AbortableOperationOptions | undefined,
    holder: Holder,
  ): QueryCall {
    const key = this.keyOf(query);
    return new QueryCall({
      query,
      key,
      traits: this.known.traits(query.sql),
      options,
      holder,
      sessionKept: this.#sessions.size > 0 && this.#sessions.has(key),
    });
  }

  /** To be told of each statement, in the tick in which it is executed. */
  saw({ key, sql, traits }: QueryCall, isInside: boolean): void {
    if (this.#watch.concerns(traits))
      this.#watch.saw({ key, operation: 'executeQuery', sql, traits, isInside });
  }

  keyOf(query: CompiledQuery | undefined): string {
    const { key } = this.#options;
    return key === undefined ? onlyKey : key({ sql: query?.sql ?? '', values: query?.parameters });
  }

  /** Streams from the leg that answers, until the end is told. */
  async stream(call: QueryCall, chunkSize: number): Promise<Held<RowStream>> {
    const begin = (work: (stream: RowStream) => Promise<void>): Promise<RowStream | undefined> =>
      this.api.streamQuery(call.sql, call.query.parameters, call, { chunkSize }, work);
    if (!call.isRead) return hold(begin);
    const stream = await begin(() => Promise.resolve());
    if (stream === undefined) throw new TypeError('a leg answered no stream');
    return heldAlready(stream);
  }

  /** Any connection of either leg, for what they can do. */
  get seenConnection(): DatabaseConnection | undefined {
    return this.#legs.legacy.seen ?? this.#legs.pooled.seen;
  }

  /** Sees to it that there is a {@link seenConnection}. */
  async seeConnection(): Promise<void> {
    if (this.seenConnection === undefined)
      await this.#legs.pooled.withConnection(() => Promise.resolve());
  }

  /** Ends comparisons, and both drivers. Rejects with the legacy driver's error first. */
  async destroy(options: AbortableOperationOptions | undefined): Promise<void> {
    this.left.endAll();
    await this.bridge.close();
    await this.known.close();
    const { legacy, pooled } = this.#legs;
    const ended = await Promise.allSettled([legacy.destroy(options), pooled.destroy(options)]);
    for (const outcome of ended) if (outcome.status === 'rejected') throw outcome.reason;
  }

  async #holdsNoLock(connection: DatabaseConnection): Promise<boolean> {
    try {
      return (await this.#engine.holdsNoLock?.(connection)) === true;
    } catch {
      return false;
    }
  }

  #makeBridge(): LegApi {
    const { legacy, pooled } = this.#legs;
    return createBridge<LegApi, Readonly<Record<keyof LegApi, ReturnType<typeof defined>>>>({
      ...this.#options.bridge,
      legacy: () => legacy,
      pooled: async () => withAbilities(await pooled.init(), { state: this.#engine.state }),
      operations: {
        executeQuery: defined(queries),
        streamQuery: defined(queries),
        transaction: defined({
          kind: 'write',
          comparison: 'none',
          exclusive: true,
          key: ({ key }: TransactionCall) => key,
        }),
      },
      undeclared: 'legacy',
      answers: 'promises',
      isUnavailable: (error) => pooled.isUnavailable(error),
    });
  }
}

const queries = queryDefinition((answer) => plainRows((answer as QueryResult<unknown>).rows));
