import { describe, expect, test } from '@jest/globals';
import { countInputRows, storageOperations } from './storage-operations.ts';
import type { StorageTransaction } from './storage-backend.ts';

class RecordedTransaction {
  readonly #calls: string[] = [];
  get calls(): string[] {
    return this.#calls;
  }
  writeTable(table: string): Promise<void> {
    this.#calls.push(`write ${table}`);
    return Promise.resolve();
  }
  query(sql: string): Promise<{ columns: string[]; rows: never[] }> {
    this.#calls.push(sql);
    return Promise.resolve({ columns: [], rows: [] });
  }
}

describe('storageOperations', () => {
  test('a transaction is watched for the tables it writes, and every call reaches the real one', async () => {
    const definition = storageOperations.transaction;
    if (definition.kind !== 'write' || definition.comparison !== 'afterwards')
      throw new Error('not watched');
    const real = new RecordedTransaction();
    const observed = definition.observe('titanic', async (transaction) => {
      await transaction.writeTable('a', []);
      await transaction.query('SELECT 1');
      await transaction.writeTable('b', [], { ifExists: 'append' });
      return 5;
    });
    expect(observed.touched()).toEqual([]);
    const work = observed.args[1] as (transaction: StorageTransaction) => Promise<number>;
    await expect(work(real as unknown as StorageTransaction)).resolves.toBe(5);
    expect(observed.touched()).toEqual(['a', 'b']);
    expect(real.calls).toEqual(['write a', 'SELECT 1', 'write b']);
  });

  test('order is promised where the caller asked for it', () => {
    const { readTable, query } = storageOperations;
    if (readTable.kind !== 'read' || query.kind !== 'read') throw new Error('no reads');
    expect(readTable.ordered?.('d', 't')).toBe(false);
    expect(readTable.ordered?.('d', 't', { limit: 5 })).toBe(true);
    expect(readTable.ordered?.('d', 't', { orderBy: 'a' })).toBe(true);
    expect(query.ordered?.('d', 'SELECT a FROM t LIMIT 5')).toBe(false);
    expect(query.ordered?.('d', 'SELECT a FROM t\nORDER  BY a')).toBe(true);
  });
});

test.each([
  [[], 0],
  [[{ a: 1 }, { a: 2 }], 2],
  [{}, 0],
  [{ a: [1, 2, 3], b: [1, 2, 3] }, 3],
  [{ a: [] }, 0],
])('%j has %d rows', (rows, count) => {
  expect(countInputRows(rows)).toBe(count);
});
