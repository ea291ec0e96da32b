import { bridgeOf, type Bridge, createBridge, defined, onlyPlain } from '@changeover/bridge';
import type { OperationDefinition } from '@changeover/core';
import type {
  AbortableOperationOptions,
  CompiledQuery,
  ControlConnectionProvider,
  DatabaseConnection,
  QueryResult,
} from 'kysely';
import type { ParsedOptions } from './bridge-dialect-options.ts';
import { onlyKey } from '../shared/adapter-options.ts';
import { SessionWatch } from '../shared/session-watch.ts';
import { type StatementTraits, traitsOf, unknownTraits } from '../shared/statement-traits.ts';
import { type Engine, engineOf } from './engine.ts';
import { type Held, hold } from './held.ts';
import type { OpenTransaction } from './open-transaction.ts';
import { DialectLeg, type LegApi, type RowStream, type TransactionCall } from './leg.ts';
import { type Holder, QueryCall } from './query-call.ts';

/** How long a connection is kept back until it is known what a statement left on it, in ms. */
const learnWithinMs = 1_000;

/** What one driver's connections share: both legs, the bridge between them, and what is known of statements and sessions. */
export class BridgedQueries {
  readonly api: LegApi;
  /** Taken from the bridge's object once: looking it up there costs as much as the call. */
  readonly executeQuery: LegApi['executeQuery'];
  readonly bridge: Bridge;
  readonly controlProvider: ControlConnectionProvider = (consumer) =>
    this.#legs.pooled.withConnection(consumer);
  readonly #legs: { readonly legacy: DialectLeg; readonly pooled: DialectLeg };
  readonly #engine: Engine;
  readonly #watch: SessionWatch;
  readonly #options: ParsedOptions;
  /** Keys that work with the state of their connection. */
  readonly #sessions = new Set<string>();
  /** Transactions that a statement began and that outlived the connection they were begun on. */
  readonly #left = new Map<string, OpenTransaction>();

  constructor(options: ParsedOptions) {
    this.#options = options;
    const session = {
      isKept: (key: string) => this.#sessions.has(key),
      keep: (key: string) => this.#sessions.add(key),
      learn: (sql: string) => this.#learn(sql),
      holdsNoLock: (connection: DatabaseConnection) => this.#holdsNoLock(connection),
    };
    this.#legs = {
      legacy: new DialectLeg(options.legacy, { session, keeps: false }),
      pooled: new DialectLeg(options.pooled, { session, keeps: true }),
    };
    this.#engine = engineOf(options, this.#legs.pooled);
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
    // The parser is loaded and the catalogue read before the first statement needs them.
    void this.#engine.classifier.learn('select 1');
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
      traits: traitsOf(this.#engine.classifier.classify(query.sql)),
      options,
      holder,
      sessionKept: this.#sessions.has(key),
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
    return { value: stream, end: () => Promise.resolve() };
  }

  /** The transaction of the key that a statement began and none has ended. */
  transactionLeft(key: string): OpenTransaction | undefined {
    return this.#left.size === 0 ? undefined : this.#left.get(key);
  }

  leaveTransaction(open: OpenTransaction): void {
    this.#left.set(open.key, open);
  }

  forgetTransaction(open: OpenTransaction): void {
    if (this.#left.get(open.key) === open) this.#left.delete(open.key);
  }

  /** Notes that statements took effect: what was learned of the schema may be out of date. */
  ran(calls: readonly QueryCall[]): void {
    for (const call of calls) {
      const { known, changesSchema } = call.traits;
      if (!changesSchema) continue;
      if (known) {
        this.#engine.classifier.schemaChanged();
        return;
      }
      void this.#learn(call.sql).then((learned) => {
        if (learned.known && learned.changesSchema) this.#engine.classifier.schemaChanged();
      });
    }
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
    for (const open of this.#left.values()) void open.end().catch(() => undefined);
    this.#left.clear();
    await this.bridge.close();
    await this.#engine.classifier.close();
    const { legacy, pooled } = this.#legs;
    const ended = await Promise.allSettled([legacy.destroy(options), pooled.destroy(options)]);
    for (const outcome of ended) if (outcome.status === 'rejected') throw outcome.reason;
  }

  async #learn(sql: string): Promise<StatementTraits> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, learnWithinMs, undefined).unref();
    });
    const learned = await Promise.race([this.#engine.classifier.learn(sql), late]);
    clearTimeout(timer);
    return learned === undefined ? unknownTraits : traitsOf(learned);
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
      pooled: () => pooled.init(),
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

type QueryArguments = readonly [string, readonly unknown[], QueryCall];

const shape = (...[, , call]: QueryArguments): string => call.traits.shape;

/** By what the classifier says: a read is compared by its rows, anything else runs once. */
const queries = {
  kind: 'statement',
  key: (...[, , call]: QueryArguments) => call.key,
  reads: (...[, , call]: QueryArguments) => call.isRead,
  read: {
    kind: 'read',
    shape,
    result: 'rows',
    ordered: (...[, , call]: QueryArguments) => call.traits.ordered,
    undetermined: (...[, , call]: QueryArguments) => call.traits.undetermined,
    compareAs: rowsOf,
  },
  write: { kind: 'write', shape, comparison: 'none' },
} as OperationDefinition;

/** The rows as data. What a driver makes an object of its own of, as an interval, has all it is in its fields. */
function rowsOf(answer: unknown): unknown {
  const { rows } = answer as QueryResult<unknown>;
  return onlyPlain(rows.map(plainRow));
}

function plainRow(row: unknown): unknown {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return row;
  const fields = row as Readonly<Record<string, unknown>>;
  let plain: Record<string, unknown> | undefined;
  for (const name in fields) {
    const value = fields[name];
    if (typeof value !== 'object' || value === null || !('toPostgres' in value)) continue;
    plain ??= { ...fields };
    plain[name] = { ...value };
  }
  return plain ?? row;
}
