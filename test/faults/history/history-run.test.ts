import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Engine } from 'changeover';
import { FaultyPostgres } from '../faulty-postgres.ts';
import { seededRandom } from '../random.ts';
import { runHistories } from './history-run.ts';
import { plants } from './plant.ts';

let postgres: FaultyPostgres;
beforeAll(async () => {
  postgres = await FaultyPostgres.start();
});
afterAll(async () => {
  await postgres.stop();
});

const engines: readonly Engine[] = ['sqlite', 'duckdb', 'postgresql'];

test('an order of the calls explains what callers were told, at each stage and across changes of it, whatever befalls connections', async () => {
  const { problems, calls, histories } = await runHistories({
    postgres,
    engines,
    random: seededRandom(7),
    order: 'caller',
  });
  expect(problems).toEqual([]);
  expect({ histories, enough: calls > 1_000 }).toEqual({ histories: 18, enough: true });
});

test('and so does one in which the whole process is one caller, where that is in force', async () => {
  const { problems } = await runHistories({
    postgres,
    engines,
    random: seededRandom(7),
    order: 'process',
    places: ['flips and faults'],
  });
  expect(problems).toEqual([]);
});

describe.each(plants)('a %s in the pooled leg', (plant) => {
  test.each(engines)('is found on %s', async (engine) => {
    const { problems } = await runHistories({
      postgres,
      engines: [engine],
      plant,
      places: ['pooled'],
      order: 'process',
      random: seededRandom(7),
    });
    expect(problems).toEqual([expect.stringContaining('impossible: ')]);
  });
});
