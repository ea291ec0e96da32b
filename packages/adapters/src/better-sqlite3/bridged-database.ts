import { bridgeOf, endBridge, routes } from '@changeover/bridge';
import type Database from 'better-sqlite3';
import type { KeyedStatement } from '../shared/adapter-options.ts';
import { BridgedStatement, type Executor } from './bridged-statement.ts';
import type { Connection } from './connection.ts';
import { standIn } from './stand-in.ts';
import { transactionOf } from './transaction.ts';

type Values = readonly unknown[];
type KeyOf = ((statement: KeyedStatement) => string) | undefined;
type AnyMethod = (...args: Values) => unknown;

/** A handle in the place of the driver's: the same members, of which those that execute a statement go through the bridge. */
export class BridgedDatabase {
  declare readonly name: string;
  declare readonly open: boolean;
  declare readonly inTransaction: boolean;
  declare readonly readonly: boolean;
  declare readonly memory: boolean;
  readonly #executor: Executor;
  readonly #key: KeyOf;

  constructor(executor: Executor, key: KeyOf) {
    this.#executor = executor;
    this.#key = key;
    const { session } = executor;
    const handle = session.handle.database;
    Object.defineProperties(this, {
      name: { get: () => handle.name, enumerable: true },
      open: { get: () => handle.open, enumerable: true },
      inTransaction: {
        get: () => (session.inTransaction?.database ?? handle).inTransaction,
        enumerable: true,
      },
      readonly: { get: () => handle.readonly, enumerable: true },
      memory: { get: () => handle.memory, enumerable: true },
    });
  }

  prepare(sql: string): BridgedStatement {
    const { session } = this.#executor;
    const on = typeof sql === 'string' ? this.#answering(sql) : session.handle;
    const text = session.compile(sql, on);
    return standIn(BridgedStatement, text.latest, [text, this, this.#executor]);
  }

  transaction(work: unknown): AnyMethod {
    return transactionOf(this, work);
  }

  exec(sql: string): this {
    this.#call(({ bridged, session }) => bridged.exec(sql, session.classify(sql)));
    return this;
  }

  pragma(source: string, options?: Database.PragmaOptions): unknown {
    const sql = `PRAGMA ${source}`;
    return this.#call(({ bridged, session }) =>
      bridged.pragma(sql, session.classify(sql), source, options),
    );
  }

  explain(source: string): unknown {
    const sql = `EXPLAIN ${source}`;
    return this.#call(({ bridged, session }) =>
      bridged.explain(sql, session.classify(sql), source),
    );
  }

  function(...args: Values): this {
    return this.#define('function', args);
  }

  aggregate(...args: Values): this {
    return this.#define('aggregate', args);
  }

  table(...args: Values): this {
    const { session } = this.#executor;
    session.define(`table ${String(args[0])}`, (database) => apply(database, 'table', args));
    return this;
  }

  loadExtension(...args: Values): this {
    const { session } = this.#executor;
    session.define(`extension ${String(args[0])}`, (database) =>
      apply(database, 'loadExtension', args),
    );
    return this;
  }

  defaultSafeIntegers(...toggle: Values): this {
    const { session } = this.#executor;
    session.define('defaultSafeIntegers', (database) =>
      apply(database, 'defaultSafeIntegers', toggle),
    );
    session.safeIntegers = toggle.length === 0 || toggle[0] === true;
    return this;
  }

  unsafeMode(...toggle: Values): this {
    this.#executor.session.define('unsafeMode', (database) =>
      apply(database, 'unsafeMode', toggle),
    );
    return this;
  }

  /** A promise, and no statement: the answering leg's connection copies its file. */
  backup(...args: Values): unknown {
    return apply(this.#answering('').database, 'backup', args);
  }

  serialize(...args: Values): unknown {
    return apply(this.#answering('').database, 'serialize', args);
  }

  close(): this {
    this.#executor.session.close();
    endBridge(this.#executor.bridged);
    return this;
  }

  #call<T>(work: (executor: Executor) => T): T {
    const { session } = this.#executor;
    session.calling += 1;
    try {
      return work(this.#executor);
    } finally {
      session.calling -= 1;
    }
  }

  #define(method: 'function' | 'aggregate', args: Values): this {
    this.#executor.session.defineFunction(args[0], (database) => apply(database, method, args));
    return this;
  }

  /** The connection that would run a statement now. */
  #answering(sql: string): Connection {
    const { session, bridged } = this.#executor;
    const traits = session.classify(sql);
    const leg = session.legOf(
      traits,
      () =>
        routes[bridgeOf(bridged).stageOf(this.#key?.({ sql, values: undefined }))].write.answers,
    );
    return leg === 'legacy' ? session.handle : session.pooled(traits, 'get');
  }
}

function apply(database: Database.Database, method: string, args: Values): unknown {
  return Reflect.apply(
    (database as unknown as Readonly<Record<string, AnyMethod>>)[method] as AnyMethod,
    database,
    args,
  );
}
