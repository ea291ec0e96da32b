import { describe, expect, test } from '@jest/globals';
import { bridgeOf, createStaticStageSource, silentLogger } from '@changeover/bridge';
import { bridgeClient } from '@changeover/adapters/pg';
import pg from 'pg';
import { bridgedClients, stages, thereAndBack } from './kit.ts';

const clients = bridgedClients('adapter_pg_client', [
  'create table notes(id serial primary key, text text not null, at timestamptz default now())',
]);

describe.each(stages)('at %s', (stage) => {
  test('a row that was written is read, updated and removed', async () => {
    const { db } = await clients.make(stage);
    const { rows } = await db.query<{ id: number }>(
      'insert into notes(text) values ($1) returning id',
      ['film'],
    );
    const id = rows[0]?.id;
    expect((await db.query('select text from notes where id = $1', [id])).rows).toEqual([
      { text: 'film' },
    ]);
    expect(
      (await db.query('update notes set text = $2 where id = $1', [id, 'lens'])).rowCount,
    ).toBe(1);
    expect(
      (await db.query({ text: 'select text from notes where id = $1', values: [id] })).rows,
    ).toEqual([{ text: 'lens' }]);
    expect((await db.query('delete from notes where id = $1', [id])).rowCount).toBe(1);
    expect((await db.query('select text from notes where id = $1', [id])).rowCount).toBe(0);
  });

  test('whoever hears that the client has ended has heard how what it cut ended', async () => {
    const { db } = await clients.make(stage);
    const heard: string[] = [];
    db.once('end', () => heard.push('end'));
    const cut = new pg.Query('select pg_sleep(60)');
    cut.on('error', ({ message }) => heard.push(message));
    db.query(cut);
    await db.end();
    expect(heard).toEqual(['Connection terminated', 'end']);
    await expect(db.query('select 1')).rejects.toThrow('Client was closed');
  });

  test('pipelined statements are waited for', async () => {
    const { url } = clients;
    const raw = new pg.Client({ connectionString: url, pipeline: true });
    const db = bridgeClient(raw, {
      name: 'db',
      stages: createStaticStageSource({ db: stage }),
      storePath: ':memory:',
      logger: silentLogger,
    });
    await db.connect();
    const asked = [1, 2].map((n) => db.query<{ n: number }>(`select ${String(n)} as n`));
    await db.end();
    expect((await Promise.all(asked)).map(({ rows }) => rows)).toEqual([[{ n: 1 }], [{ n: 2 }]]);
    await bridgeOf(db).close();
  });
});

test('a transaction stays where it began, whatever the stage is by then', async () => {
  const { db, move } = await clients.make('legacy');
  for (const stage of thereAndBack) {
    await db.query('BEGIN');
    await db.query("insert into notes(text) values ('mid')");
    move(stage);
    expect((await db.query("select * from notes where text = 'mid'")).rowCount).toBe(1);
    await db.query('ROLLBACK');
    expect((await db.query("select * from notes where text = 'mid'")).rowCount).toBe(0);
  }
});
