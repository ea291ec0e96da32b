import { StatementShapes } from '@changeover/classify';
import type { OperationTable } from '@changeover/core';
import type { StorageBackend } from '@changeover/engines';

/**
 * The storage API's operations with what tells their calls apart beside the dataset: the shape of a
 * statement, and which table is read with which options.
 */
export function shapedOperations(
  operations: OperationTable<StorageBackend>,
): OperationTable<StorageBackend> {
  const statements = new StatementShapes();
  const ofStatement = (_dataset: string, sql: string): string => statements.of(sql);
  return {
    ...operations,
    readTable: {
      ...operations.readTable,
      shape: (_dataset: string, table: string, options?: object) =>
        `${table} ${Object.keys(options ?? {})
          .sort()
          .join(' ')}`.trimEnd(),
    },
    query: { ...operations.query, shape: ofStatement },
    execute: { ...operations.execute, shape: ofStatement },
  } as OperationTable<StorageBackend>;
}
