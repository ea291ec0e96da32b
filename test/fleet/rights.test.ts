import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { type Logger, silentLogger } from '@changeover/bridge';
import { readSharedRecordings } from 'changeover';
import { FleetDatabase } from '../../packages/bridge/src/fleet/fleet-database.ts';
import { pgbouncerProgram, startPgbouncer } from '../kit/pgbouncer.ts';
import { notRun } from '../kit/not-run.ts';
import { ownDatabase } from './own-database.ts';
import { VirtualPod } from './virtual-pod.ts';

const url = ownDatabase('rights');

describe('a role that may not make schemas', () => {
  let owner: pg.Client;
  let role: string;
  let asRole: FleetDatabase;

  beforeEach(async () => {
    role = `plain_${randomBytes(6).toString('hex')}`;
    owner = new pg.Client({ connectionString: url() });
    await owner.connect();
    await owner.query(`create role ${role} login password 'x'`);
    const place = new URL(url());
    place.username = role;
    place.password = 'x';
    asRole = new FleetDatabase(place.href, silentLogger);
  });
  afterEach(async () => {
    await asRole.close();
    await owner.query(`drop owned by ${role}`);
    await owner.query(`drop role ${role}`);
    await owner.end();
  });

  test('is told what an administrator types, which suffices', async () => {
    const failure = await asRole.exchange('{"x":"0"}').then(String, (error: unknown) => error);
    expect(failure).toMatchObject({ code: 'STORE_NOT_ALLOWED' });
    const [typed = ''] = /create schema .*[^.]/.exec((failure as Error).message) ?? [];
    expect(typed).toBe(`create schema changeover authorization "${role}"`);
    await owner.query(typed);
    expect(await asRole.exchange('{"x":"0"}')).toMatchObject({ l: null });
  });

  test('uses a schema of another role that has granted it what the documents say, and is told so where it has not', async () => {
    const asOwner = new FleetDatabase(url(), silentLogger);
    await asOwner.exchange('{"x":"0"}');
    await asOwner.close();
    await expect(asRole.exchange('{"x":"0"}')).rejects.toThrow('docs/fleet.md, "Rights"');
    await owner.query(`grant usage on schema changeover to ${role};
      grant select, insert, update, delete on all tables in schema changeover to ${role};
      grant usage on all sequences in schema changeover to ${role}`);
    expect(await asRole.exchange('{"x":"0"}')).toMatchObject({ l: null });
  });
});

const byStatement =
  'rows that a pooler does not let add up are told of as such, and neither counts nor steps wait for that';

if (pgbouncerProgram() === undefined) notRun('pgbouncer', [byStatement]);
else
  test(byStatement, async () => {
    const lines: string[] = [];
    const note = (_fields: object, line?: string): void => {
      lines.push(line ?? '');
    };
    const logger: Logger = { ...silentLogger, warn: note, error: note };
    const direct = new URL(url());
    const pooler = await startPgbouncer({ url: direct.href, poolMode: 'statement' });
    const through = new URL(pooler.url);
    through.pathname = direct.pathname;
    const asOwner = new FleetDatabase(direct.href, silentLogger);
    const pod = new VirtualPod(through.href, logger);
    try {
      while (pod.stage !== 'pooled') await pod.pass(1_000);
      // One that ended long ago.
      await asOwner.query(
        `insert into changeover.writer (writer, run, host, pid, node, started_at, last_at, seen)
           values ('gone', 'run', 'host', 1, 'v24', 1, 1, now() - interval '1 hour')`,
      );
      for (let second = 0; second < 25; second += 1) {
        pod.count('one', 1);
        await pod.pass(1_000);
      }
      expect(lines).toEqual([expect.stringContaining('pool_mode = transaction')]);
      expect((await readSharedRecordings(direct.href)).totals.calls).toBe(25);
    } finally {
      await pod.close();
      await asOwner.close();
      await pooler.stop();
    }
  });
