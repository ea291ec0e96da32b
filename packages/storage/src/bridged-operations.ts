import { StatementShapes } from '@changeover/classify';
import { type BridgeOptions, defined, type DefinedOperation } from '@changeover/bridge';
import { pointReadOf, PointReadTexts } from '@changeover/engines';
import {
  ConnectionError,
  operationsKnowing,
  parseDatasetName,
  type StorageBackend,
} from '@changeover/engines/api';
import type { StatementCall } from './session-reliance.ts';
import type { StatementClassifiers } from './statement-classifiers.ts';

/** The storage API's operations as createBridge takes them. */
export type BridgedOperations = Readonly<Record<keyof StorageBackend, DefinedOperation>>;

/** What createBridge is told of the storage API, whatever the engine. */
export const storageApi: Pick<
  BridgeOptions<StorageBackend, BridgedOperations>,
  'answers' | 'undeclared' | 'serialLegacy' | 'parseKey' | 'isUnavailable' | 'tableRead'
> = {
  answers: 'promises',
  undeclared: 'legacy',
  serialLegacy: true,
  parseKey: parseDatasetName,
  isUnavailable: (error) => error instanceof ConnectionError,
  tableRead: (dataset, table, maxRows) => ({
    operation: 'readTable',
    args: [dataset, table, { limit: maxRows }],
  }),
};

/**
 * The storage API's operations with what tells their calls apart beside the dataset: the shape of a
 * statement, and which table is read with which options.
 *
 * @param classifiers tell what a query's answer depends on.
 * @param saw told of each call of a statement, when it is made.
 */
export function bridgedOperations(
  classifiers: Pick<StatementClassifiers, 'factsOf' | 'boundReads'>,
  saw: (call: StatementCall) => void,
): BridgedOperations {
  const operations = operationsKnowing({
    factsOf: (...args) => classifiers.factsOf(...args),
    boundReads: (dataset) => classifiers.boundReads(dataset),
  });
  const statements = new StatementShapes();
  const ofStatement =
    (operation: string) =>
    (dataset: string, sql: string): string => {
      const shape = statements.of(sql);
      if (typeof sql === 'string') saw({ operation, dataset, sql, shape });
      return shape;
    };
  const shaped = {
    ...operations,
    readTable: { ...operations.readTable, shape: tableShapes() },
    query: { ...operations.query, shape: ofStatement('query') },
    execute: { ...operations.execute, shape: ofStatement('execute') },
  } as typeof operations;
  return Object.fromEntries(
    Object.entries(shaped).map(([name, definition]) => [name, defined(definition)]),
  ) as BridgedOperations;
}

/** The shape of a table's reads, by their arguments. */
function tableShapes(): (dataset: string, table: string, options?: object) => string {
  const pointReads = new PointReadTexts();
  return (_dataset, table, options) => {
    const point = pointReadOf(options);
    if (point === undefined) return tableShape(table, options);
    const known = pointReads.get(table, point);
    if (known !== undefined) return known;
    const shape = tableShape(table, { where: undefined });
    pointReads.set(table, point, shape);
    return shape;
  };
}

function tableShape(table: string, options?: object): string {
  const given = Object.keys(options ?? {}).sort();
  return `${table} ${given.join(' ')}`.trimEnd();
}
