import type { Leg, ShadowCall, ShadowLeg, WritesSeen } from '@changeover/core';
import { type StorageBackend, storageOperations } from '@changeover/engines/api';
import { quoteIdentifier } from '@changeover/engines';
import type { Statement } from '@changeover/classify';
import type { StatementClassifiers } from './statement-classifiers.ts';
import { TableWrites, type Written } from './table-writes.ts';

type Learns = Pick<StatementClassifiers, 'learned'>;

/**
 * Both legs of an engine whose files this process alone can write: their writes are noted, and the pooled leg's shadow tells by them
 * whether anybody wrote to the tables of a read.
 */
export class WitnessedWrites {
  readonly #writes = new TableWrites();
  readonly #classifiers: Learns;

  constructor(classifiers: Learns) {
    this.#classifiers = classifiers;
  }

  /** The leg with its writes noted, and what its shadow tells of them. */
  over(leg: Leg<StorageBackend>): Leg<StorageBackend> {
    const { shadow } = leg;
    return {
      ...leg,
      api: this.#noting(leg.api),
      ...(shadow === undefined ? {} : { shadow: this.#telling(shadow) }),
    };
  }

  #noting(api: StorageBackend): StorageBackend {
    const noted =
      (name: keyof StorageBackend, written: (args: readonly unknown[]) => Written) =>
      async (...args: readonly unknown[]): Promise<unknown> => {
        const ended = this.#writes.begin(String(args[0]), written(args));
        let succeeded = false;
        try {
          const method = Reflect.get(api, name) as (...given: readonly unknown[]) => unknown;
          const answer = await Reflect.apply(method, api, args);
          succeeded = true;
          return answer;
        } finally {
          ended(succeeded);
        }
      };
    const own = Object.entries(storageOperations)
      .filter(([, { kind }]) => kind === 'write')
      .map(([name]) => {
        const operation = name as keyof StorageBackend;
        return [operation, noted(operation, writtenBy[operation] ?? (() => 'anything'))] as const;
      });
    return inFrontOf(api, Object.fromEntries(own));
  }

  #telling(shadow: ShadowLeg): ShadowLeg {
    const own: Partial<ShadowLeg> = {
      mark: (dataset) => Promise.resolve(this.#writes.mark(dataset)),
      writesSince: (call, mark) => this.#writesSince(call, mark),
    };
    return inFrontOf(shadow, own);
  }

  async #writesSince(call: ShadowCall, mark: string): Promise<WritesSeen | undefined> {
    const dataset = String(call.args[0]);
    const read = await this.#tablesRead(dataset, call);
    // Asked after the read was: what has begun meanwhile counts.
    const writes = read && this.#writes.since(dataset, mark);
    if (writes === undefined) return undefined;
    for (const written of writes) {
      const tables = await this.#tablesWritten(dataset, written);
      if (tables === undefined || tables.some((table) => read?.has(table) === true))
        return undefined;
    }
    return 'none';
  }

  async #tablesRead(
    dataset: string,
    { operation, args }: ShadowCall,
  ): Promise<ReadonlySet<string> | undefined> {
    const [, first] = args;
    if (typeof first !== 'string') return undefined;
    if (operation !== 'query' && !readsOneTable.has(operation)) return undefined;
    const sql = operation === 'query' ? first : `SELECT * FROM ${quoteIdentifier(first)}`;
    const statement = await this.#classifiers.learned(dataset, sql);
    if (statement?.effect !== 'reads' || statement.tables.length === 0) return undefined;
    return new Set(namesOf([...statement.tables, ...statement.reached]));
  }

  /** Undefined: any. */
  async #tablesWritten(dataset: string, written: Written): Promise<string[] | undefined> {
    if (written === 'anything') return undefined;
    if ('table' in written) return [written.table.toLowerCase()];
    const statement = await this.#classifiers.learned(dataset, written.sql);
    const changesRows = statement?.acts.every(
      ({ kind }) => kind === 'writes rows' || kind === 'returns rows of a write',
    );
    const tables = statement?.tables.filter((table) => table.written) ?? [];
    return changesRows === true && tables.length > 0 ? namesOf(tables) : undefined;
  }
}

/** Operations of which more can be told than that they may write anything. */
const writtenBy: Partial<Record<keyof StorageBackend, (args: readonly unknown[]) => Written>> = {
  execute: ([, sql]) => (typeof sql === 'string' ? { sql } : 'anything'),
  writeTable: ([, table]) => (typeof table === 'string' ? { table } : 'anything'),
};

const readsOneTable: ReadonlySet<string> = new Set(['readTable', 'analyzeColumn', 'getTableInfo']);

/** By the last part of a name: two tables of one name in two schemas are one here. */
function namesOf(tables: Statement['tables']): string[] {
  return tables.map(({ name }) => name.toLowerCase());
}

/** An object with some members in front of it; the rest has the object itself as `this`. */
function inFrontOf<T extends object>(target: T, own: Readonly<Record<string, unknown>>): T {
  // Over nothing: what stands behind may be frozen, and a proxy of it must give what it has.
  return new Proxy({} as T, {
    has: (_nothing, name) => Reflect.has(target, name),
    get: (_nothing, name) => {
      if (Object.hasOwn(own, name)) return own[name as string];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
