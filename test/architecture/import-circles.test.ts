import { expect, test } from '@jest/globals';
import { type Circle, importCircles } from './import-circles.ts';

/** Functions that call each other because the language that they read is nested: an expression holds a query, a query expressions. */
const recursive: readonly (readonly string[])[] = [
  [
    'classify/src/postgresql/translate-expression.ts',
    'classify/src/postgresql/translate-query.ts',
    'classify/src/postgresql/translate-statement.ts',
  ],
  ['classify/src/query/analyse.ts', 'classify/src/query/sources.ts'],
];

/** Types that name each other, as a gate and the calls at it do. What is undone is taken out of here; nothing is added. */
const ofTypes: readonly (readonly string[])[] = [
  [
    'bridge/src/guarantees/admission.ts',
    'bridge/src/guarantees/caller.ts',
    'bridge/src/guarantees/key-gate.ts',
    'bridge/src/guarantees/lane.ts',
    'bridge/src/guarantees/wait-graph.ts',
    'bridge/src/guarantees/write-turns.ts',
  ],
];

/** Every circle is one that is known; one that is smaller than what is known of it is to be written here as it is now. */
function strange(found: readonly Circle[], known: readonly Circle[]): readonly string[] {
  const names = known.map((circle) => circle.join(' '));
  return found.map((circle) => circle.join(' ')).filter((circle) => !names.includes(circle));
}

test('no file imports itself by way of others, but where what it reads is nested', () => {
  expect(strange(importCircles(false), recursive)).toEqual([]);
  // Or nothing was read.
  expect(importCircles(false).length).toBeGreaterThan(0);
});

test('types stand on the side that owns them, but for the circles that are left', () => {
  expect(strange(importCircles(true), [...recursive, ...ofTypes])).toEqual([]);
});
