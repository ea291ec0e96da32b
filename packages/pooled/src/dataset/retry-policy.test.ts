import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ClosedError, ConnectionError, StatementError } from '@changeover/engines/api';
import { toStorageError } from '@changeover/engines';
import type { TransactionState } from '@changeover/engines';
import { CommitUnknownError } from '../pool/pool-errors.ts';
import { failureClass, retryAction, RetryBudget, retryRules } from './retry-policy.ts';
import type { RetryAction, WorkKind } from './retry-policy.ts';

const driverError = (code: string, message = 'as the driver says'): Error =>
  Object.assign(new Error(message), { code });

describe('the retry policy', () => {
  test('is the table that the documentation shows, line by line', () => {
    const page = readFileSync(
      join(import.meta.dirname, '..', '..', '..', '..', 'docs', 'pools.md'),
      'utf8',
    );
    const [, section = ''] = page.split('## What is retried');
    const [, , ...lines] = (section.split('\n## ')[0] ?? '')
      .split('\n')
      .filter((line) => line.startsWith('|'));
    expect(lines).toEqual(
      retryRules.map(
        ({ error, kind, state, action, why }) =>
          `| ${error.join(', ')} | ${kind.join(', ')} | ${state.length === 4 ? 'any' : state.join(', ')} | ${action} | ${why} |`,
      ),
    );
  });

  const states: readonly TransactionState[] = ['none', 'open', 'failed', 'committing'];

  test.each(
    retryRules.map(
      (rule) => [`${rule.error.join('/')} in a ${rule.kind.join('/')}`, rule] as const,
    ),
  )('does what the line for %s says', (_name, rule) => {
    for (const error of rule.error) {
      for (const kind of rule.kind) {
        for (const state of rule.state) {
          const first = retryRules.find(
            (each) =>
              each.error.includes(error) && each.kind.includes(kind) && each.state.includes(state),
          );
          expect(retryAction(error, kind, state)).toBe(first?.action);
        }
      }
    }
    expect(rule.why).not.toBe('');
  });

  test("never runs a caller's function twice, whatever fails", () => {
    for (const error of [
      'connection',
      'busy',
      'conflict',
      'interrupted',
      'resource',
      'statement',
      'unknown',
    ] as const) {
      for (const state of states)
        expect(['fail', 'resolve']).toContain(retryAction(error, 'work', state));
    }
  });

  test('never runs a write again that may have been applied', () => {
    expect(retryAction('connection', 'write', 'none')).toBe('unknown');
    expect(retryAction('connection', 'write', 'committing')).toBe('resolve');
    for (const error of [
      'interrupted',
      'resource',
      'corrupt',
      'statement',
      'constraint',
      'unknown',
    ] as const) {
      for (const state of states) expect(retryAction(error, 'write', state)).toBe('fail');
    }
  });

  test.each<['postgresql' | 'sqlite' | 'duckdb', Error, WorkKind, TransactionState, RetryAction]>([
    ['postgresql', driverError('40001'), 'write', 'failed', 'retry'],
    ['postgresql', driverError('40P01'), 'write', 'none', 'retry'],
    ['postgresql', driverError('55P03'), 'write', 'failed', 'wait'],
    ['postgresql', driverError('57P01'), 'read', 'none', 'retry'],
    ['postgresql', driverError('57P01'), 'write', 'none', 'unknown'],
    ['postgresql', driverError('ECONNRESET'), 'write', 'committing', 'resolve'],
    ['postgresql', driverError('ECONNRESET'), 'write', 'open', 'retry'],
    ['postgresql', driverError('57014'), 'read', 'none', 'fail'],
    ['postgresql', driverError('23505'), 'write', 'none', 'fail'],
    ['sqlite', driverError('SQLITE_BUSY'), 'write', 'none', 'wait'],
    ['sqlite', driverError('SQLITE_BUSY'), 'work', 'open', 'fail'],
    ['sqlite', driverError('SQLITE_BUSY_SNAPSHOT'), 'write', 'open', 'retry'],
    ['sqlite', driverError('SQLITE_FULL'), 'write', 'none', 'fail'],
    [
      'duckdb',
      driverError('', 'TransactionContext Error: Conflict on update!'),
      'write',
      'none',
      'retry',
    ],
  ])('%s: %o in a %s with the transaction %s: %s', (engine, error, kind, state, action) => {
    expect(retryAction(failureClass(engine, toStorageError(engine, error)), kind, state)).toBe(
      action,
    );
  });

  test('takes what the project says of an error before what its cause looks like', () => {
    const cause = driverError('ECONNRESET');
    expect(failureClass('postgresql', new CommitUnknownError({ cause }))).toBe('unknown');
    expect(failureClass('postgresql', new ClosedError('closed', { cause }))).toBe('unknown');
    expect(failureClass('postgresql', new ConnectionError('lost', { cause }))).toBe('connection');
    expect(
      failureClass('postgresql', new StatementError('refused', { cause: driverError('42601') })),
    ).toBe('statement');
  });
});

test('a retry budget spends what calls have earned and no more', () => {
  const budget = new RetryBudget(2, 0.5);
  expect([budget.spend(), budget.spend(), budget.spend()]).toEqual([true, true, false]);
  budget.earn();
  expect(budget.spend()).toBe(false);
  budget.earn();
  expect(budget.spend()).toBe(true);
  for (let call = 0; call < 100; call += 1) budget.earn();
  expect([budget.spend(), budget.spend(), budget.spend()]).toEqual([true, true, false]);
});
