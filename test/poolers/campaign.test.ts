import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testGraceMs } from '../faults/call-log.ts';
import { runFault } from '../faults/campaign.ts';
import { FaultyPostgres, type Pooler, poolers } from '../faults/faulty-postgres.ts';
import { postgresqlFaults } from '../faults/postgresql-faults.ts';
import { haproxyProgram } from '../kit/haproxy.ts';
import { notRun } from '../kit/not-run.ts';
import { pgbouncerProgram } from '../kit/pgbouncer.ts';

/** What befalls PostgreSQL, befalls it behind a pooler too. */
function describeThrough(pooler: Pooler): void {
  describe(`through ${pooler}`, () => {
    let postgres: FaultyPostgres;
    beforeAll(async () => {
      postgres = await FaultyPostgres.start(pooler);
    });
    afterAll(() => postgres.stop());

    test.each(postgresqlFaults.map((fault) => [fault.name, fault] as const))(
      '%s: what must hold, holds',
      async (_name, fault) => {
        const { problems, calls } = await runFault(fault, postgres, testGraceMs);
        expect(problems).toEqual([]);
        expect(calls).toBeGreaterThan(5);
      },
    );
  });
}

for (const pooler of poolers) {
  const program = pooler === 'haproxy' ? haproxyProgram() : pgbouncerProgram();
  if (program !== undefined) describeThrough(pooler);
  else
    notRun(
      pooler,
      postgresqlFaults.map(({ name }) => `${name}, through ${pooler}`),
    );
}
