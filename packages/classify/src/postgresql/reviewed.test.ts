import { expect, test } from '@jest/globals';
import pg from 'pg';
import { Findings } from '../findings.ts';
import { noteBuiltin } from './calls.ts';
import * as reviewed from './reviewed.ts';

test("every volatile function of the server's own is reviewed, and no other acts less for it", async () => {
  const client = new pg.Client(process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '');
  await client.connect();
  const { rows } = await client.query<{ name: string; version: number }>(
    `select distinct proname as name, current_setting('server_version_num')::int / 10000 as version
     from pg_proc where provolatile = 'v' and oid < 16384`,
  );
  await client.end();
  const known = new Set([
    ...reviewed.volatileAndActs,
    ...reviewed.clock,
    ...reviewed.randomSource,
    ...reviewed.determined,
    ...reviewed.connectionFacts,
    ...reviewed.serverState,
  ]);
  const unknown = rows.map(({ name }) => name).filter((name) => !known.has(name));
  // On a newer server an unknown name acts; on the one that was reviewed there is none.
  expect(rows[0]?.version === 18 ? unknown : []).toEqual([]);
  for (const name of [...unknown, 'of_a_newer_server']) {
    const findings = new Findings();
    noteBuiltin(name, true, findings);
    expect(findings.acts).toHaveLength(1);
  }
});

test('no function is both harmless and among those that act', () => {
  const harmless = [
    ...reviewed.clock,
    ...reviewed.randomSource,
    ...reviewed.determined,
    ...reviewed.connectionFacts,
    ...reviewed.serverState,
  ];
  expect(
    harmless.filter(
      (name) => reviewed.volatileAndActs.has(name) || reviewed.actsThoughStable.has(name),
    ),
  ).toEqual([]);
});
