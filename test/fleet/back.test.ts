import { expect, test } from '@jest/globals';
import { silentLogger } from '@changeover/bridge';
import pg from 'pg';
import { typeChangeover } from '../command/run-changeover.ts';
import { FleetDatabase } from '../../packages/bridge/src/fleet/fleet-database.ts';
import { ownDatabase } from './own-database.ts';

const url = ownDatabase('back');

async function query(text: string): Promise<readonly unknown[]> {
  const client = new pg.Client({ connectionString: url() });
  await client.connect();
  try {
    return (await client.query<object>(text)).rows;
  } finally {
    await client.end();
  }
}

test('a step back waits for no count, however long it takes to add them up', async () => {
  const database = new FleetDatabase(url(), silentLogger);
  await database.query('select 1');
  await database.close();
  await query(
    `insert into changeover.cell (writer, part, hour, backend, dataset, operation, stage, counts, last_at)
     select 'one', n, 1, 'notes', 'key-' || n, 'list', 'reverse', '[]', 1 from generate_series(1, 3) n`,
  );
  // Whoever asks for counts never gets any.
  await query(
    `do $$ declare was text := pg_get_function_arguments('changeover.read_keys_1'::regproc);
     begin execute format('create or replace function changeover.read_keys_1(%s) returns table (kind text, value text)
       language plpgsql as %L', was, 'begin raise exception ''counts were asked for''; end'); end $$`,
  );
  const type = (...args: string[]): ReturnType<typeof typeChangeover> =>
    typeChangeover([...args, '--reason', 'pager'], { CHANGEOVER_STORE: url() });
  expect((await type('rollback', 'notes', 'key-9')).err).toMatch(/key-1/);
  for (const args of [
    ['rollback', 'notes', 'key-1'],
    ['hold', 'notes', 'key-2'],
    ['kill', 'notes'],
  ])
    expect(await type(...args)).toMatchObject({ code: 0, err: '' });
  expect(await query('select dataset, held from changeover.ledger order by sequence')).toEqual([
    { dataset: 'key-1', held: true },
    { dataset: 'key-2', held: true },
    { dataset: '', held: true },
  ]);
  expect((await type('resume', 'notes')).err).toMatch(/counts were asked for/);
});
