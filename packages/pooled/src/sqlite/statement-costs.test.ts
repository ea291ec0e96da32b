import { describe, expect, test } from '@jest/globals';
import { cellsOf, costKey, StatementCosts } from './statement-costs.ts';

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

  test('is not told by one measurement among many, but by the second', () => {
    const costs = new StatementCosts();
    costs.note('a', 3);
    for (let call = 0; call < 20; call += 1) costs.note('a', 0.01);
    for (const spike of [10, 0.01, 6]) costs.note('a', spike);
    // The first says nothing, and the third comes too soon after it.
    expect(costs.meanMs('a')).toBeGreaterThan(1);
    for (let round = 0; round < 5; round += 1) {
      for (let call = 0; call < 20; call += 1) costs.note('a', 0.01);
      costs.note('a', 10);
      expect(costs.isInline('a', 0.5)).toBe(true);
    }
    costs.note('a', 10);
    expect(costs.isInline('a', 0.5)).toBe(false);
  });

  test('is soon low again after a first run that reads and compiles', () => {
    const costs = new StatementCosts();
    for (const ms of [3, 0.1, 0.1, 0.1]) costs.note('a', ms);
    expect(costs.isInline('a', 0.5)).toBe(true);
  });

  test('stays high where every other call is dear', () => {
    const costs = new StatementCosts();
    const inline: boolean[] = [];
    for (let call = 0; call < 100; call += 1) {
      costs.note('a', call % 2 === 0 ? 20 : 0.1);
      inline.push(costs.isInline('a', 0.5));
    }
    expect(inline).not.toContain(true);
  });

  test('sends scans to a worker, and keeps what is mostly rows on the main thread, up to a limit', () => {
    const costs = new StatementCosts();
    costs.note('point read', 0.05, 6);
    costs.note('scan', 3, 1);
    costs.note('rows', 3, 30_000);
    costs.note('scan for rows', 7, 30_000);
    costs.note('very many rows', 20, 300_000);
    const inline = [
      'never seen',
      'point read',
      'scan',
      'rows',
      'scan for rows',
      'very many rows',
    ].filter((statement) => costs.isInline(statement, 0.5));
    expect(inline).toEqual(['point read', 'rows']);
  });

  test('counts the cells of whatever operations yield', () => {
    expect(
      cellsOf([
        { a: 1, b: 2 },
        { a: 3, b: 4 },
      ]),
    ).toBe(4);
    expect(cellsOf({ columns: ['a'], rows: [{ a: 1 }] })).toBe(1);
    expect(['x', undefined, null, 3, [], { rows: [] }, ['t', 'u']].map(cellsOf)).toEqual([
      0, 0, 0, 0, 0, 0, 0,
    ]);
  });

  test('is remembered of a bounded number of statements', () => {
    const costs = new StatementCosts();
    for (let statement = 0; statement < 2_000; statement += 1) costs.note(`s${statement}`, 1);
    expect(costs.meanMs('s0')).toBeUndefined();
    expect(costs.meanMs('s1999')).toBe(1);
  });

  test('is told apart by what shapes the work and not by its values', () => {
    expect(costKey('query', ['SELECT 1', [1]])).toBe(costKey('query', ['SELECT 1', [2]]));
    expect(costKey('readTable', ['t', { where: { id: 1 } }])).toBe(
      costKey('readTable', ['t', { where: { id: 2 } }]),
    );
    const keys = [
      costKey('readTable', ['t', undefined]),
      costKey('readTable', ['u', undefined]),
      costKey('getTableInfo', ['t']),
      costKey('readTable', ['t', { limit: 10 }]),
      costKey('readTable', ['t', { limit: 10_000 }]),
      costKey('readTable', ['t', { where: { id: 1 } }]),
      costKey('readTable', ['t', { orderBy: ['id'] }]),
      costKey('readData', []),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('is kept by the same text whether or not a read of a row by its key was seen before', () => {
    const costs = new StatementCosts();
    const calls: readonly (readonly unknown[])[] = [
      ['t', { where: { id: 1 } }],
      ['t', { where: { id: 'a' } }],
      ['u', { where: { id: 1 } }],
      ['t', { where: { name: 'x' } }],
      ['t', { where: { id: 1, name: 'x' } }],
      ['t', { where: { id: 1 }, limit: 10 }],
      ['t', { where: { id: 1 }, orderBy: 'id' }],
      ['t', { where: { id: null } }],
      ['t', null],
      ['t'],
    ];
    for (let time = 0; time < 2; time += 1)
      for (const args of calls)
        expect(costs.keyOf({ kind: 'operation', operation: 'readTable', args })).toBe(
          costKey('readTable', args),
        );
    expect(costs.keyOf({ kind: 'operation', operation: 'query', args: ['SELECT 1'] })).toBe(
      'SELECT 1',
    );
  });
});
