import { afterAll, beforeAll, describe } from '@jest/globals';
import { stages } from 'changeover';
import { openRouted } from '../conformance/harness.ts';
import { describeStorageBackend } from '../conformance/storage-backend-suite.ts';
import { haproxyProgram, startHaproxy } from '../kit/haproxy.ts';
import { notRun } from '../kit/not-run.ts';
import { pgbouncerProgram, startPgbouncer } from '../kit/pgbouncer.ts';

const direct = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
const ignored = ['options', 'extra_float_digits', 'idle_in_transaction_session_timeout'];

interface InFront {
  readonly url: string;
  stop(): Promise<void>;
}

/** The whole contract of the storage API, through what stands in front of the server. */
function describeThrough(title: string, start: () => Promise<InFront>): void {
  describe(title, () => {
    let inFront: InFront;
    beforeAll(async () => {
      inFront = await start();
    });
    afterAll(() => inFront.stop());
    for (const stage of stages)
      describeStorageBackend(`at ${stage}`, 'postgresql', () =>
        openRouted('postgresql', stage, inFront.url),
      );
  });
}

const pgbouncers = (['transaction', 'session'] as const).flatMap((poolMode) =>
  [ignored, []].map((ignoreStartupParameters) => ({
    title: `PgBouncer by ${poolMode}, which ${ignoreStartupParameters.length > 0 ? 'drops' : 'refuses'} what is asked for at the start`,
    // By session each client keeps a connection of the server.
    options: { poolMode, ignoreStartupParameters, settings: { default_pool_size: '90' } },
  })),
);

if (pgbouncerProgram() === undefined)
  notRun(
    'pgbouncer',
    pgbouncers.map(({ title }) => title),
  );
else
  for (const { title, options } of pgbouncers)
    describeThrough(title, () => startPgbouncer({ url: direct, ...options }));

const byHaproxy = 'HAProxy in front of one server';
if (haproxyProgram() === undefined) notRun('haproxy', [byHaproxy]);
else describeThrough(byHaproxy, () => startHaproxy([direct]));
