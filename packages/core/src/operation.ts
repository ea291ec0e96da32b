import type { StorageBackend } from './storage-backend.ts';

/** Whether a call reads, writes, or controls the object itself (`closeConnections`). */
export type OperationKind = 'read' | 'write' | 'control';

/** How a write is compared at `shadow`, by what its effect depends on. See {@link OperationDefinition.comparison}. */
export type WriteComparison =
  /** Does not depend on rows already there: the shadow leg does it afterwards, apart from the dataset. */
  | 'apart'
  /** Depends on what is there: rehearsed first in a transaction that is rolled back, inside a budget. */
  | 'rehearsed'
  /** Runs the caller's function, which must run once: touched tables' digests are compared afterwards. */
  | 'afterwards'
  /** Not compared. */
  | 'none';

/** What the router must know of one operation of an API. `Args` are the arguments of a call. */
export type OperationDefinition<Args extends readonly unknown[] = readonly never[]> =
  | {
      readonly kind: 'read';
      /** What a result is: `rows` (a list of rows, or `{columns, rows}`) can be compared order-free. Default: `value`. */
      readonly result?: 'rows' | 'value' | undefined;
      /** Whether this call promises the order of its rows. Default: never. */
      ordered?(...args: Args): boolean;
      /** The dataset that a call is about; `undefined` where it is about none. Default: the first argument. */
      dataset?(...args: Args): string | undefined;
    }
  | {
      readonly kind: 'write';
      readonly comparison: WriteComparison;
      dataset?(...args: Args): string | undefined;
    }
  | { readonly kind: 'control' };

/** One definition an operation of the API: complete by type. */
export type OperationTable<Api> = {
  readonly [Name in keyof Api]: Api[Name] extends (...args: infer Args) => unknown
    ? OperationDefinition<Args>
    : never;
};

const none = (): undefined => undefined;

/** The storage API's operations. */
export const storageOperations: OperationTable<StorageBackend> = {
  readData: { kind: 'read', result: 'rows' },
  readTable: {
    kind: 'read',
    result: 'rows',
    ordered: (_dataset, _table, options) => options?.orderBy !== undefined || options?.limit !== undefined,
  },
  query: { kind: 'read', result: 'rows', ordered: (_dataset, sql) => /\border\s+by\b/i.test(sql) },
  writeTable: { kind: 'write', comparison: 'apart' },
  execute: { kind: 'write', comparison: 'rehearsed' },
  transaction: { kind: 'write', comparison: 'afterwards' },
  getTableInfo: { kind: 'read' },
  getColumns: { kind: 'read' },
  tableExists: { kind: 'read' },
  listTables: { kind: 'read' },
  analyzeColumn: { kind: 'read' },
  getMetadata: { kind: 'read' },
  updateMetadata: { kind: 'write', comparison: 'none' },
  datasetExists: { kind: 'read' },
  createDataset: { kind: 'write', comparison: 'none' },
  dropDataset: { kind: 'write', comparison: 'none' },
  listDatasets: { kind: 'read', dataset: none },
  closeConnections: { kind: 'control' },
};
