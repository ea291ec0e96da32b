import { expect, test } from '@jest/globals';
import { comesOfLoad } from './comes-of-load.ts';

const withCode = (code: string, cause?: unknown): Error =>
  Object.assign(new Error('a driver says so', { cause }), { code });

test.each([
  ['a deadlock', withCode('40P01')],
  ['a statement that ran out of its time', withCode('57014')],
  ['a lock that was not to be had', withCode('55P03')],
  ['too many connections', withCode('53300')],
  ['a locked file', withCode('SQLITE_BUSY_SNAPSHOT')],
  ['a statement that DuckDB gave up', new Error('INTERRUPT Error: Interrupted!')],
  ['what may be repeated', Object.assign(new Error('later'), { retryable: true })],
  ['an abort', new DOMException('over', 'AbortError')],
  ['an error around one of them', withCode('STATEMENT_FAILED', withCode('40001'))],
])('%s tells nothing of the data', (_what, error) => {
  expect(comesOfLoad(error)).toBe(true);
});

test.each([
  ['a table that is not there', withCode('42P01')],
  ['a constraint', withCode('SQLITE_CONSTRAINT_UNIQUE')],
  ['what may not be repeated', Object.assign(new Error('no'), { retryable: false })],
  ['a text', 'INTERRUPT Error'],
  ['nothing', undefined],
])('%s may be of the data', (_what, error) => {
  expect(comesOfLoad(error)).toBe(false);
});
