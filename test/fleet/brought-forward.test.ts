import { expect, test } from '@jest/globals';
import pg from 'pg';
import { readSharedRecordings } from 'changeover';
import { storeVersion } from '../../packages/bridge/src/fleet/fleet-schema.ts';
import { ownDatabase } from './own-database.ts';

const url = ownDatabase('forward');
/** In the order in which a message goes through them. */
const tables = ['writer', 'cell', 'shape', 'sample_group', 'sample', 'ledger'];

async function version(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ version: number }>('select version from changeover.store');
  return rows[0]?.version ?? 0;
}

test('a store is brought forward while a message of another program is under way, and neither fails', async () => {
  await readSharedRecordings(url());
  const client = new pg.Client(url());
  await client.connect();
  try {
    await client.query('update changeover.store set version = version - 1');
    await client.query('begin');
    let forward: Promise<unknown> | undefined;
    for (const table of tables) {
      await client.query(`lock table changeover.${table} in row exclusive mode`);
      forward ??= readSharedRecordings(url());
      // It waits for the first table by now, and must hold none of the others.
      await waitingFor(client, 'writer');
    }
    await client.query('commit');
    await forward;
    expect(await version(client)).toBe(storeVersion);
  } finally {
    await client.end();
  }
});

async function waitingFor(client: pg.Client, table: string): Promise<void> {
  for (;;) {
    const { rows } = await client.query(
      "select from pg_locks where not granted and relation = to_regclass('changeover.' || $1)",
      [table],
    );
    if (rows.length > 0) return;
  }
}
