import { expect, test } from '@jest/globals';
import { requireNode } from './require-node.ts';

test.each(['18.20.0', '20.20.2', '21.99.0', '22.12.0'])(
  'Node %s is refused in one sentence',
  (found) => {
    expect(() => {
      requireNode(found);
    }).toThrow(`Changeover needs Node 22.13 or newer; this is Node ${found}.`);
  },
);

test.each(['22.13.0', '22.20.1', '23.0.0', '24.21.0', '100.0.0'])('Node %s is not', (found) => {
  requireNode(found);
});
