import { describe, expect, test } from '@jest/globals';
import { type Bridged, bridgedClients, stages } from './kit.ts';

const other = 'adapter_pg_settings_other';
const clients = bridgedClients('adapter_pg_settings', [
  'create table notes(id int primary key, text text)',
  "insert into notes values (1, 'of the first schema')",
  `drop schema if exists ${other} cascade; create schema ${other}`,
  `create table ${other}.notes(id int primary key, text text)`,
  `insert into ${other}.notes values (1, 'of the other schema')`,
]);

/** Runs a read until it was compared: texts are learned at first sight, and a busy loop sheds comparisons. */
async function readUntilCompared({ db, idle, counts }: Bridged, sql: string): Promise<unknown> {
  const before = counts();
  let rows: unknown;
  for (let round = 0; round < 2_000; round += 1) {
    rows = (await db.query(sql)).rows;
    await idle();
    const { match, mismatch } = counts();
    if (match + mismatch > before.match + before.mismatch) return rows;
  }
  throw new Error(`nothing was compared of ${sql}: ${JSON.stringify(counts())}`);
}

describe.each(['shadow', 'reverse'] as const)('at %s', (stage) => {
  test.each([
    ['SET', `set search_path to ${other}`],
    ['set_config', `select set_config('search_path', '${other}', false)`],
    ['a transaction that sets', `begin; set search_path to ${other}; commit`],
  ])('what %s changed holds for comparisons too', async (_, sql) => {
    const bridged = await clients.make(stage);
    const read = 'select text from notes where id = 1';
    expect(await readUntilCompared(bridged, read)).toEqual([{ text: 'of the first schema' }]);
    for (const each of sql.split('; ')) await bridged.db.query(each);
    expect(await readUntilCompared(bridged, read)).toEqual([{ text: 'of the other schema' }]);
    await bridged.db.query('reset search_path');
    expect(await readUntilCompared(bridged, read)).toEqual([{ text: 'of the first schema' }]);
    expect(bridged.counts().mismatch).toBe(0);
  });

  test('a read whose settings are no more in force is not compared', async () => {
    const bridged = await clients.make(stage);
    const { db, idle, counts } = bridged;
    const read = 'select text from notes where id = 1';
    await readUntilCompared(bridged, read);
    await db.query(`set search_path to ${other}`);
    await readUntilCompared(bridged, read);
    for (let round = 0; round < 20; round += 1) {
      const reading = db.query(read);
      const setting = db.query(
        `set search_path to adapter_pg_settings${round % 2 ? '' : '_other'}`,
      );
      await Promise.all([reading, setting]);
    }
    await idle();
    expect(counts()).toMatchObject({ mismatch: 0, inconclusive: expect.any(Number) });
    expect(counts().inconclusive).toBeGreaterThan(0);
  });
});

test.each(stages)(
  'at %s what is listened to is told once, and once after a move',
  async (stage) => {
    const bridged = await clients.make(stage);
    const { db, move } = bridged;
    const told: string[] = [];
    db.on('notification', ({ payload }) => told.push(payload ?? ''));
    await db.query('listen adapter_pg_settings');
    await db.query("set application_name to 'listening'");
    const read = 'select text from notes';
    if (stage === 'shadow' || stage === 'reverse') await readUntilCompared(bridged, read);
    move('pooled');
    await db.query("select pg_notify('adapter_pg_settings', 'once')");
    while (told.length === 0) await db.query(read);
    for (let round = 0; round < 5; round += 1) await db.query(read);
    move('legacy');
    for (let round = 0; round < 5; round += 1) await db.query(read);
    await db.query("select pg_notify('adapter_pg_settings', 'again')");
    while (told.length === 1) await db.query(read);
    for (let round = 0; round < 5; round += 1) await db.query(read);
    expect(told).toEqual(['once', 'again']);
  },
);
