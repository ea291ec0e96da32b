import { expect, test } from '@jest/globals';
import { knownNames, nearestName } from './nearest-name.ts';

const names = ['pools', 'budgets', 'breaker', 'callTimeoutMs'];

test.each([
  ['pool', 'pools'],
  ['Budgets', 'budgets'],
  ['braeker', 'breaker'],
  // Two letters in the wrong order are one mistake.
  ['poosl', 'pools'],
  ['opol', undefined],
  ['callTimeout', 'callTimeoutMs'],
  ['colour', undefined],
  ['', undefined],
])('%j is near %j', (typed, nearest) => {
  expect(nearestName(typed, names)).toBe(nearest);
});

test('a name that is not there is answered by the one that was meant, and by all there are', () => {
  expect(knownNames('pool', names)).toBe(
    'did you mean "pools"? known are pools, budgets, breaker, callTimeoutMs',
  );
  expect(knownNames('colour', names)).toBe('known are pools, budgets, breaker, callTimeoutMs');
});
