import { describe, expect, test } from '@jest/globals';
import type { ReadTableOptions } from '../api/storage-backend.ts';
import { datasetPrograms } from '../dataset-programs.ts';
import { emptyStepResult, runProgram, type Step } from '../program.ts';

const lasting = datasetPrograms({ engine: 'sqlite', dataset: 'orders', lasting: true });
const made = datasetPrograms({ engine: 'sqlite', dataset: 'orders' });

/** What a read sends last, whatever the engine answers. */
function sent(programs: typeof made, table: string, options: ReadTableOptions): Step | undefined {
  let last: Step | undefined;
  runProgram(programs.readTable(table, options), (step) => {
    last = step;
    return emptyStepResult;
  });
  return last;
}

describe('programs that last', () => {
  test('ask for a row by its key as those made for one call do, the second time too', () => {
    for (const options of [
      { where: { id: 1 } },
      { where: { id: 'a' } },
      { where: { id: 2n } },
      { where: { 'na"me': 'x' } },
      { where: { id: null } },
      { where: { id: [1, 2] } },
      { where: { id: 1, name: 'x' } },
      { where: { id: 1 }, columns: ['name'] },
      { where: { id: 1 }, orderBy: 'name' },
      { where: {} },
      { where: 'id = 1' },
      {},
    ] satisfies ReadTableOptions[]) {
      const expected = sent(made, 't', options);
      expect(sent(lasting, 't', options)).toEqual(expected);
      expect(sent(lasting, 't', options)).toEqual(expected);
    }
    expect(sent(lasting, 'u', { where: { id: 1 } })).toEqual(sent(made, 'u', { where: { id: 1 } }));
  });

  test('refuse what can not be named each time', () => {
    for (let time = 0; time < 2; time += 1) {
      expect(() => sent(lasting, '', { where: { id: 1 } })).toThrow(/table/i);
      expect(() => sent(lasting, 't', { where: { '': 1 } })).toThrow(/column/i);
    }
  });

  test('ask rightly past the number of texts that they keep', () => {
    for (let column = 0; column < 1_100; column += 1) {
      const options = { where: { [`c${String(column)}`]: 1 } };
      expect(sent(lasting, 't', options)).toEqual(sent(made, 't', options));
    }
  });
});
