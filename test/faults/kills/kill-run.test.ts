import { expect, test } from '@jest/globals';
import { engines } from 'changeover';
import { runKills } from './kill-run.ts';

test.each(engines)(
  'on %s what was acknowledged is counted after the process was killed, and no call twice',
  async (engine) => {
    const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
    const { problems, acknowledged } = await runKills({ engine, databaseUrl, kills: 2, seed: 11 });
    expect(problems).toEqual([]);
    expect(acknowledged).toBeGreaterThan(40);
  },
  60_000,
);
