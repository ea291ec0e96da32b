import { describe, expect, test } from '@jest/globals';
import { costKey, StatementCosts } from './statement-costs.ts';

describe('what statements cost', () => {
  test('is a mean that follows changes within a few calls', () => {
    const costs = new StatementCosts();
    expect(costs.meanMs('a')).toBeUndefined();
    costs.note('a', 0.1);
    expect(costs.meanMs('a')).toBe(0.1);
    costs.note('a', 50);
    expect(costs.meanMs('a')).toBeGreaterThan(10);
    for (let call = 0; call < 20; call += 1) costs.note('a', 0.1);
    expect(costs.meanMs('a')).toBeLessThan(0.2);
  });

  test('is remembered of a bounded number of statements', () => {
    const costs = new StatementCosts();
    for (let statement = 0; statement < 2_000; statement += 1) costs.note(`s${statement}`, 1);
    expect(costs.meanMs('s0')).toBeUndefined();
    expect(costs.meanMs('s1999')).toBe(1);
  });

  test('is told apart by what shapes the work and not by its values', () => {
    expect(costKey('query', ['SELECT 1', [1]])).toBe(costKey('query', ['SELECT 1', [2]]));
    expect(costKey('readTable', ['t', { where: { id: 1 } }])).toBe(costKey('readTable', ['t', { where: { id: 2 } }]));
    const keys = [
      costKey('readTable', ['t', undefined]), costKey('readTable', ['u', undefined]), costKey('getTableInfo', ['t']),
      costKey('readTable', ['t', { limit: 10 }]), costKey('readTable', ['t', { limit: 10_000 }]),
      costKey('readTable', ['t', { where: { id: 1 } }]), costKey('readTable', ['t', { orderBy: ['id'] }]), costKey('readData', []),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });
});
