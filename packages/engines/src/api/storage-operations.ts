import type { AnswerFacts, ObservedCall, OperationTable, ReadDefinition } from '@changeover/core';
import type { InputRows } from './input-values.ts';
import type { StorageBackend, StorageTransaction } from './storage-backend.ts';
import { isOrderedSql, roundedStatistics, undeterminedSql } from './undetermined-sql.ts';

type QueryArgs = Parameters<StorageBackend['query']>;

const query: ReadDefinition<QueryArgs> = {
  kind: 'read',
  result: 'rows',
  ordered: (_dataset, sql) => isOrderedSql(sql),
  undetermined: (_dataset, sql) => undeterminedSql(sql),
};

/** The storage API's operations. What a `query` promises is told by its statement's words: see {@link operationsKnowing}. */
export const storageOperations: OperationTable<StorageBackend> = {
  readData: { kind: 'read', result: 'rows' },
  readTable: {
    kind: 'read',
    result: 'rows',
    ordered: isOrderedRead,
  },
  query,
  writeTable: {
    kind: 'write',
    comparison: 'scratch',
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
  transaction: {
    kind: 'write',
    comparison: 'afterwards',
    observe: observeTransaction,
    exclusive: true,
  },
  // A caller may read, compute and write in it, as on the singleton, which did nothing else meanwhile.
  session: {
    kind: 'write',
    comparison: 'afterwards',
    observe: observeSession,
    exclusive: true,
  },
  getTableInfo: { kind: 'read' },
  getColumns: { kind: 'read' },
  tableExists: { kind: 'read' },
  listTables: { kind: 'read' },
  analyzeColumn: { kind: 'read', undetermined: () => roundedStatistics },
  getMetadata: { kind: 'read' },
  updateMetadata: { kind: 'write', comparison: 'none' },
  datasetExists: { kind: 'read' },
  createDataset: { kind: 'write', comparison: 'none', addsKey: true },
  dropDataset: { kind: 'write', comparison: 'none', removesKey: true },
  listDatasets: { kind: 'read', key: () => undefined },
  closeConnections: { kind: 'control' },
};

/** What is known of a dataset's calls beside their words. */
export interface CallKnowledge {
  /** As {@link ReadDefinition.facts} of a `query`. */
  readonly factsOf: (...args: QueryArgs) => Promise<AnswerFacts>;
  /** Why no answer of a dataset is the same on another connection; undefined: it is. Must not reject. */
  readonly boundReads: (dataset: string) => Promise<string | undefined>;
}

/** The storage API's operations, where more is known of them than their words tell. */
export function operationsKnowing(known: CallKnowledge): OperationTable<StorageBackend> {
  const { readData, readTable, analyzeColumn } = storageOperations;
  const bound =
    (ordered: (...args: never[]) => boolean, undetermined?: AnswerFacts['undetermined']) =>
    async (dataset: string, ...rest: readonly unknown[]): Promise<AnswerFacts> => ({
      acts: await known.boundReads(dataset),
      ordered: ordered(...([dataset, ...rest] as never[])),
      open: undefined,
      undetermined,
    });
  return {
    ...storageOperations,
    readData: { ...readData, facts: bound(() => false) },
    readTable: { ...readTable, facts: bound(isOrderedRead) },
    analyzeColumn: { ...analyzeColumn, facts: bound(() => false, roundedStatistics) },
    query: { ...query, facts: known.factsOf },
  } as OperationTable<StorageBackend>;
}

function isOrderedRead(
  _dataset: string,
  _table: string,
  options?: Parameters<StorageBackend['readTable']>[2],
): boolean {
  return options?.orderBy !== undefined || options?.limit !== undefined;
}

/** The number of rows in either of the two shapes that rows are given in. */
export function countInputRows(rows: InputRows): number {
  if (Array.isArray(rows)) return rows.length;
  const first: unknown = Object.values(rows)[0];
  return Array.isArray(first) ? first.length : 0;
}

/** Wraps the function of a transaction so that its writes are noted. Statements in SQL are not read here: a transaction
 * that used `execute` has touched what only the engine can tell, which is left to the comparison of whole datasets. */
function observeTransaction(...args: Parameters<StorageBackend['transaction']>): ObservedCall {
  const [dataset, work, ...rest] = args;
  const touched = new Set<string>();
  if (typeof work !== 'function') return { args, touched: () => [] };
  const watched: typeof work = (transaction) =>
    work(watchedInside(transaction, notingTables(touched)));
  return { args: [dataset, watched, ...rest], touched: () => [...touched] };
}

function observeSession(...args: Parameters<StorageBackend['session']>): ObservedCall {
  const [dataset, work] = args;
  const touched = new Set<string>();
  if (typeof work !== 'function') return { args, touched: () => [] };
  const watched: typeof work = (session) => work(watchedInside(session, notingTables(touched)));
  return { args: [dataset, watched], touched: () => [...touched] };
}

function notingTables(
  touched: Set<string>,
): (operation: string | symbol, args: readonly unknown[]) => void {
  return (operation, [table]) => {
    if (operation === 'writeTable') touched.add(table as string);
  };
}

/**
 * A transaction or session whose calls are told, and those of transactions within it. It is a proxy, because it may be an object of any
 * class, private fields included.
 *
 * @param onCall told before each call is made.
 */
export function watchedInside<Inside extends StorageTransaction>(
  inside: Inside,
  onCall: (operation: string | symbol, args: readonly unknown[]) => void,
): Inside {
  // Over nothing: a leg may give a frozen object, whose properties a proxy of it must give unchanged.
  return new Proxy({} as Inside, {
    has: (_nothing, name) => Reflect.has(inside, name),
    get(_nothing, name) {
      const value: unknown = Reflect.get(inside, name);
      if (typeof value !== 'function') return value;
      return (...args: readonly unknown[]): unknown => {
        onCall(name, args);
        const [work] = args;
        if (name !== 'transaction' || typeof work !== 'function')
          return Reflect.apply(value, inside, args);
        const watched = (within: StorageTransaction): unknown =>
          Reflect.apply(work, undefined, [watchedInside(within, onCall)]);
        return Reflect.apply(value, inside, [watched]);
      };
    },
  });
}
