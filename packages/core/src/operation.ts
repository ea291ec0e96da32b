import type { StorageBackend, StorageTransaction } from './storage-backend.ts';
import { roundedAggregates, type Undetermined, undeterminedSql } from './undetermined-sql.ts';
import type { InputRows } from './value.ts';

/** Whether a call reads, writes, or controls the object itself (`closeConnections`). */
export type OperationKind = 'read' | 'write' | 'control';

/** The dataset that a call is about; `undefined` where it is about none. Default: the first argument. */
export type DatasetOf<Args extends readonly unknown[]> = (...args: Args) => string | undefined;

/** What the router must know of one operation of an API. `Args` are the arguments of a call. */
export type OperationDefinition<Args extends readonly unknown[] = readonly never[]> =
  ReadDefinition<Args> | WriteDefinition<Args> | { readonly kind: 'control' };

export interface ReadDefinition<Args extends readonly unknown[] = readonly never[]> {
  readonly kind: 'read';
  /** What a result is: `rows` (a list of rows, or `{columns, rows}`) can be compared order-free. Default: `value`. */
  readonly result?: 'rows' | 'value' | undefined;
  /** Whether this call promises the order of its rows. Default: never. */
  ordered?(...args: Args): boolean;
  /** Why this call's result may differ from one run to the next without a write in between. Default: it may not. */
  undetermined?(...args: Args): Undetermined | undefined;
  dataset?(...args: Args): string | undefined;
}

/** A write, by how it is compared at `shadow`, which depends on what its effect depends on. */
export type WriteDefinition<Args extends readonly unknown[] = readonly never[]> = {
  readonly kind: 'write';
  dataset?(...args: Args): string | undefined;
  /** The call removes the dataset: what the other leg holds open of it is closed meanwhile. Default: false. */
  readonly removesDataset?: boolean | undefined;
  /** The call adds a dataset: calls about no dataset see that, as they see one removed. Default: false. */
  readonly addsDataset?: boolean | undefined;
} & (
  | {
      /** Does not depend on rows already there: the shadow leg does it afterwards, apart from the dataset. */
      readonly comparison: 'apart';
      touches(...args: Args): TouchedTable;
      /** The same call as it can be made when it has been made, where that differs: without what it asks of the table before. */
      again?(...args: Args): readonly unknown[];
    }
  /** Depends on what is there: rehearsed first in a transaction that is rolled back, inside a budget. */
  | { readonly comparison: 'rehearsed' }
  | {
      /** Runs the caller's function, which must run once: the tables it touched are compared afterwards. */
      readonly comparison: 'afterwards';
      observe(...args: Args): ObservedCall;
    }
  | { readonly comparison: 'none' }
);

/** The table that a write touches. */
export interface TouchedTable {
  readonly table: string;
  /** True where the rows are added to those that are there, false where they are all there is afterwards. */
  readonly additive: boolean;
  /** How many rows are written. */
  readonly rows: number;
}

/** A call whose function is watched for the tables that it touches. */
export interface ObservedCall {
  /** The arguments to call with instead. */
  readonly args: readonly unknown[];
  /** The tables touched so far. */
  touched(): readonly string[];
}

/** One definition an operation of the API: complete by type. */
export type OperationTable<Api> = {
  readonly [Name in keyof Api]: Api[Name] extends (...args: infer Args) => unknown
    ? OperationDefinition<Args>
    : never;
};

/** The storage API's operations. */
export const storageOperations: OperationTable<StorageBackend> = {
  readData: { kind: 'read', result: 'rows' },
  readTable: {
    kind: 'read',
    result: 'rows',
    ordered: (_dataset, _table, options) =>
      options?.orderBy !== undefined || options?.limit !== undefined,
  },
  query: {
    kind: 'read',
    result: 'rows',
    ordered: (_dataset, sql) => /\border\s+by\b/i.test(sql),
    undetermined: (_dataset, sql) => undeterminedSql(sql),
  },
  writeTable: {
    kind: 'write',
    comparison: 'apart',
    touches: (_dataset, table, rows, options) => ({
      table,
      additive: options?.ifExists === 'append',
      rows: countInputRows(rows),
    }),
    // 'fail' asks that the table isn't there, which it is now.
    again: (dataset, table, rows, options) => [
      dataset,
      table,
      rows,
      options?.ifExists === 'append' ? options : { ...options, ifExists: 'replace' },
    ],
  },
  execute: { kind: 'write', comparison: 'rehearsed' },
  transaction: { kind: 'write', comparison: 'afterwards', observe: observeTransaction },
  getTableInfo: { kind: 'read' },
  getColumns: { kind: 'read' },
  tableExists: { kind: 'read' },
  listTables: { kind: 'read' },
  analyzeColumn: { kind: 'read', undetermined: () => roundedAggregates },
  getMetadata: { kind: 'read' },
  updateMetadata: { kind: 'write', comparison: 'none' },
  datasetExists: { kind: 'read' },
  createDataset: { kind: 'write', comparison: 'none', addsDataset: true },
  dropDataset: { kind: 'write', comparison: 'none', removesDataset: true },
  listDatasets: { kind: 'read', dataset: () => undefined },
  closeConnections: { kind: 'control' },
};

/** The number of rows in either of the two shapes that rows are given in. */
export function countInputRows(rows: InputRows): number {
  if (Array.isArray(rows)) return rows.length;
  const first: unknown = Object.values(rows)[0];
  return Array.isArray(first) ? first.length : 0;
}

/** Wraps the function of a transaction so that its writes are noted. Statements in SQL are not read here: a transaction
 * that used `execute` has touched what only the engine can tell, which is left to the comparison of whole datasets. */
function observeTransaction(...args: Parameters<StorageBackend['transaction']>): ObservedCall {
  const [dataset, work] = args;
  const touched = new Set<string>();
  if (typeof work !== 'function') return { args, touched: () => [] };
  const watched: typeof work = (transaction) =>
    work(watchWrites(transaction, (table) => touched.add(table)));
  return { args: [dataset, watched], touched: () => [...touched] };
}

/** A proxy, because the transaction may be an object of any class, private fields included. */
function watchWrites(
  transaction: StorageTransaction,
  onTable: (table: string) => void,
): StorageTransaction {
  return new Proxy(transaction, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      if (name !== 'writeTable') return value.bind(target) as unknown;
      return (...args: Parameters<StorageTransaction['writeTable']>) => {
        onTable(args[0]);
        return target.writeTable(...args);
      };
    },
  });
}
