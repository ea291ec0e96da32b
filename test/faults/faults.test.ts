import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { testGraceMs } from './call-log.ts';
import { faults, runFault, runSeed } from './campaign.ts';
import { FaultyPostgres } from './faulty-postgres.ts';

let postgres: FaultyPostgres;
beforeAll(async () => {
  postgres = await FaultyPostgres.start();
});
afterAll(async () => {
  await postgres.stop();
});

test.each(faults.map((fault) => [fault.name, fault] as const))(
  '%s: what must hold, holds',
  async (_name, fault) => {
    const { problems, calls } = await runFault(fault, postgres, testGraceMs);
    expect(problems).toEqual([]);
    expect(calls).toBeGreaterThan(5);
  },
);

test.each([1])('seed %i: faults mixed', async (seed) => {
  const { problems, faults: happened } = await runSeed(seed, postgres, testGraceMs);
  expect({ happened, problems }).toEqual({ happened, problems: [] });
});

test.each(['sqlite: a file is corrupt', 'duckdb: another process holds the file'])(
  '%s, and again: the second time finds nothing of the first',
  async (name) => {
    const fault = faults.find((each) => each.name === name);
    if (fault === undefined) throw new Error(`there is no fault ${name}`);
    const { problems } = await runFault(fault, postgres, testGraceMs, 2);
    expect(problems).toEqual([]);
  },
);
