import { describe, expect, test } from '@jest/globals';
import {
  AbortedError,
  ClosedError,
  ColumnNotFoundError,
  ConnectionError,
  DatasetNotFoundError,
  InvalidArgumentError,
  InvalidNameError,
  ReadOnlyError,
  StatementError,
  StorageError,
  TableExistsError,
  TableNotFoundError,
} from '@changeover/engines/api';
import { errorData, errorFromData } from './error-transfer.ts';

describe('an error that crosses between threads', () => {
  test.each([
    new AbortedError('given up'),
    new ClosedError('closed'),
    new ColumnNotFoundError('d', 't', 'c'),
    new DatasetNotFoundError('d'),
    new InvalidArgumentError('no'),
    new InvalidNameError('table', '', 'use a name'),
    new ReadOnlyError('no'),
    new StatementError('refused', { retryable: true }),
    new TableExistsError('d', 't'),
    new TableNotFoundError('d', 't'),
    new ConnectionError('lost', { engine: 'sqlite', dataset: 'd', operation: 'query' }),
    new StorageError('SPECIAL', 'special'),
  ])('%o stays what it is', (error) => {
    const arrived = errorFromData(structuredClone(errorData(error)));
    expect(arrived).toBeInstanceOf(error.constructor);
    expect(arrived).toBeInstanceOf(StorageError);
    const { name, code, message, engine, dataset, table, operation, retryable } = error;
    expect(arrived).toMatchObject({
      name,
      code,
      message,
      engine,
      dataset,
      table,
      operation,
      retryable,
    });
  });

  test("keeps its cause with the driver's code, a few levels deep", () => {
    const driver = Object.assign(new Error('database is locked'), {
      name: 'SqliteError',
      code: 'SQLITE_BUSY',
    });
    const arrived = errorFromData(errorData(new StatementError('busy', { cause: driver })));
    expect(arrived.cause).toMatchObject({
      name: 'SqliteError',
      code: 'SQLITE_BUSY',
      message: 'database is locked',
    });
    const ring = new Error('ring');
    ring.cause = ring;
    expect(errorFromData(structuredClone(errorData(ring))).message).toBe('ring');
  });

  test('may be anything at all', () => {
    for (const [thrown, message] of [
      [undefined, 'undefined'],
      ['text', 'text'],
      [5, '5'],
      [{ message: 7 }, '[object Object]'],
    ]) {
      expect(errorFromData(structuredClone(errorData(thrown))).message).toBe(message);
    }
  });
});
