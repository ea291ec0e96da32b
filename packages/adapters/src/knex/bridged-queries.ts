import {
  type Bridge,
  bridgeOf,
  createBridge,
  defined,
  routes,
  withAbilities,
} from '@changeover/bridge';
import { onlyKey } from '../shared/adapter-options.ts';
import { type Held, heldAlready, hold } from '../shared/held.ts';
import { KnownStatements } from '../shared/known-statements.ts';
import { LeftTransactions } from '../shared/open-transaction.ts';
import { plainRows } from '../shared/plain-rows.ts';
import { queryDefinition } from '../shared/query-definition.ts';
import type { ParsedOptions } from './bridge-knex-options.ts';
import { SessionWatch } from '../shared/session-watch.ts';
import { type Engine, engineOf, rowsIn } from './engine.ts';
import {
  acquireTimeoutMs,
  hasOneConnection,
  type KnexClient,
  type KnexQuery,
  type RawConnection,
} from './knex-client.ts';
import { type ConnectionCall, KnexLeg, type LegApi, type TransactionCall } from './leg.ts';
import type { KnexLease, KnexLender } from './lender.ts';
import { type Holder, QueryCall } from './query-call.ts';

/** What the connections of one bridged instance share: both legs, the bridge between them, what is known of statements. */
export class BridgedQueries {
  readonly api: LegApi;
  readonly bridge: Bridge;
  readonly known: KnownStatements;
  readonly left: LeftTransactions<RawConnection, KnexLender> = new LeftTransactions();
  /** What Knex has for connections and has not given back. */
  connections = 0;
  /** How long a statement waits for its turn and its connection, in ms. */
  readonly waitsMs: number;
  #query: LegApi['query'] | undefined;
  readonly #engine: Engine;
  readonly #exclusive: boolean;
  readonly #watch: SessionWatch;
  readonly #legs: { readonly legacy: KnexLeg; readonly pooled: KnexLeg };
  readonly #options: ParsedOptions;
  /** Keys that work with the state of their connection. */
  readonly #sessions = new Set<string>();

  /** @param pooled makes the client that takes the place of the legacy one. */
  constructor(legacy: KnexClient, pooled: () => KnexClient, options: ParsedOptions) {
    this.#options = options;
    this.waitsMs = acquireTimeoutMs(legacy);
    this.#exclusive = options.exclusiveTransactions ?? hasOneConnection(legacy);
    const session = {
      isKept: (key: string) => this.#sessions.has(key),
      keep: (key: string) => this.#sessions.add(key),
      learn: (sql: string) => this.known.learn(sql),
      holdsNoLock: (connection: RawConnection) => this.#holdsNoLock(connection),
    };
    this.#legs = {
      legacy: new KnexLeg(() => legacy, { session, keeps: false }),
      pooled: new KnexLeg(pooled, { session, keeps: true }),
    };
    this.#engine = engineOf(legacy, options, this.#legs.pooled);
    const { classifier } = this.#engine;
    this.known = new KnownStatements(classifier);
    this.#watch = new SessionWatch(
      () => this.bridge,
      (sql) => classifier.learn(sql),
    );
    this.api = this.#makeBridge();
    this.bridge = bridgeOf(this.api);
  }

  /** Taken from the bridge's object once: looking it up there costs as much as the call. Not before it is needed, which makes the legs. */
  get query(): LegApi['query'] {
    this.#query ??= this.api.query;
    return this.#query;
  }

  /** What is known of a query, and its place. */
  callOf(query: KnexQuery, holder: Holder): QueryCall {
    const key = this.keyOf(query);
    return new QueryCall({
      query,
      key,
      traits: this.known.traits(query.sql),
      holder,
      sessionKept: this.#sessions.size > 0 && this.#sessions.has(key),
    });
  }

  /** To be told of each statement when it is executed. */
  saw({ key, sql, traits }: QueryCall, isInside: boolean): void {
    if (this.#watch.concerns(traits))
      this.#watch.saw({ key, operation: 'query', sql, traits, isInside });
  }

  keyOf(query: KnexQuery | undefined): string {
    const { key } = this.#options;
    return key === undefined ? onlyKey : key({ sql: query?.sql ?? '', values: query?.bindings });
  }

  /** Begins a transaction. Where it is exclusive it is a call that lasts until its end, else one that lasts as long as BEGIN. */
  async begin(call: TransactionCall): Promise<Held<KnexLease>> {
    if (this.#exclusive) return hold<KnexLease>((work) => this.api.transaction(call, work));
    const begun: KnexLease[] = [];
    await this.api.transaction(call, (lease) => {
      begun.push(lease);
      return Promise.resolve();
    });
    const [lease] = begun;
    if (lease === undefined) throw new TypeError('a transaction began on no connection');
    return heldAlready(lease);
  }

  /** A connection of the legacy leg for a holder, where a statement would run on that now. */
  async lendWhereLegacyAnswers(holder: Holder, call: QueryCall): Promise<void> {
    if (routes[this.bridge.stageOf(call.key, 'query')].read.answers === 'legacy')
      await this.#legs.legacy.open().lend(holder, call.key);
  }

  /** What the server said of its version to the leg that asked it first. */
  get version(): string | undefined {
    return this.#legs.legacy.client?.version ?? this.#legs.pooled.client?.version;
  }

  /** A connection could not be had: nothing was run. */
  wasNotRun(error: unknown): boolean {
    const { legacy, pooled } = this.#legs;
    return legacy.isUnavailable(error) || pooled.isUnavailable(error);
  }

  /** Ends comparisons, and both instances. Rejects with the legacy one's error first. */
  async destroy(): Promise<void> {
    this.left.endAll();
    const closed = this.bridge.close();
    const { legacy } = this.#legs;
    const legacyEnded =
      // What was issued before, and has not reached the pool yet, is run.
      this.connections === 0 ? legacy.open().destroy() : closed.then(() => legacy.open().destroy());
    const ended = await Promise.allSettled([legacyEnded, this.#endPooled(closed)]);
    for (const outcome of ended) if (outcome.status === 'rejected') throw outcome.reason;
  }

  /** What is still being learned is asked of the pooled leg. */
  async #endPooled(closed: Promise<void>): Promise<void> {
    await closed;
    await this.known.close();
    await this.#legs.pooled.destroy();
  }

  async #holdsNoLock(connection: RawConnection): Promise<boolean> {
    const { client } = this.#legs.pooled;
    if (client === undefined || this.#engine.holdsNoLock === undefined) return false;
    return this.#engine.holdsNoLock(client, connection).catch(() => false);
  }

  #makeBridge(): LegApi {
    const { legacy, pooled } = this.#legs;
    return createBridge<LegApi, Readonly<Record<keyof LegApi, ReturnType<typeof defined>>>>({
      ...this.#options.bridge,
      legacy: () => legacy.open(),
      pooled: () => {
        pooled.open();
        this.known.warmUp();
        return withAbilities(pooled, { state: this.#engine.state });
      },
      operations: {
        query: defined(queries),
        stream: defined(queries),
        transaction: defined({
          kind: 'write',
          comparison: 'none',
          exclusive: this.#exclusive,
          key: keyOfCall,
        }),
        connection: defined({ kind: 'write', comparison: 'none', key: keyOfCall }),
      },
      undeclared: 'legacy',
      answers: 'promises',
      isUnavailable: (error) => pooled.isUnavailable(error),
    });
  }
}

const keyOfCall = ({ key }: ConnectionCall): string => key;

const queries = queryDefinition((answer) => {
  const rows = rowsIn(answer as KnexQuery);
  return rows === undefined ? answer : plainRows(rows);
});
