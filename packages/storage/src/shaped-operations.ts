import { StatementShapes } from '@changeover/classify';
import type { OperationTable } from '@changeover/core';
import type { StorageBackend } from '@changeover/engines';
import type { StatementCall } from './session-reliance.ts';

/**
 * The storage API's operations with what tells their calls apart beside the dataset: the shape of a
 * statement, and which table is read with which options.
 *
 * @param saw told of each call of a statement, when it is made.
 */
export function shapedOperations(
  operations: OperationTable<StorageBackend>,
  saw: (call: StatementCall) => void,
): OperationTable<StorageBackend> {
  const statements = new StatementShapes();
  const ofStatement =
    (operation: string) =>
    (dataset: string, sql: string): string => {
      const shape = statements.of(sql);
      if (typeof sql === 'string') saw({ operation, dataset, sql, shape });
      return shape;
    };
  return {
    ...operations,
    readTable: {
      ...operations.readTable,
      shape: (_dataset: string, table: string, options?: object) =>
        `${table} ${Object.keys(options ?? {})
          .sort()
          .join(' ')}`.trimEnd(),
    },
    query: { ...operations.query, shape: ofStatement('query') },
    execute: { ...operations.execute, shape: ofStatement('execute') },
  } as OperationTable<StorageBackend>;
}
