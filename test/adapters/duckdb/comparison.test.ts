import { describe, expect, test } from '@jest/globals';
import { bridgeOf, createStaticStageSource, defaultShadowSettings } from '@changeover/bridge';
import type { DuckDBConnection } from '@duckdb/node-api';
import { DuckDBInstance } from '@duckdb/node-api';
import { bridgedOn, make, rows } from './kit.ts';
import { lying } from './lying-connection.ts';

const setup = [
  'create table note(id int primary key, text varchar, tags varchar[], seen timestamp, price decimal(9, 2))',
  `insert into note select n, 'note ' || n, ['a', n::varchar], timestamp '2024-01-01' + interval (n) days, n / 4
   from range(1, 5) r(n)`,
];

describe.each(['shadow', 'reverse'] as const)('comparisons at %s', (stage) => {
  test.each([
    ['run', (db: DuckDBConnection) => db.run('select * from note')],
    ['runAndRead', (db) => db.runAndRead('select * from note')],
    ['runAndReadAll', (db) => db.runAndReadAll('select * from note order by id')],
    ['runAndReadUntil', (db) => db.runAndReadUntil('select * from note where id > $1', 1, [1])],
    ['streamAndReadAll', (db) => db.streamAndReadAll('select * from note')],
    ['startThenReadAll', (db) => db.startThenReadAll('select count(*) from note')],
    ['startStreamThenReadAll', (db) => db.startStreamThenReadAll('select max(seen) from note')],
    ['no row', (db) => db.run('select * from note where false')],
    ['an error', (db) => db.run("select * from note where error('no')").catch(() => undefined)],
    [
      'a prepared statement',
      async (db) => {
        const prepared = await db.prepare('select * from note where id = $1 and text = $2');
        prepared.bind([2, 'note 2']);
        return prepared.runAndReadAll();
      },
    ],
  ] as [string, (db: DuckDBConnection) => Promise<unknown>][])('%s matches', async (_way, ask) => {
    const { db, compared, counts } = await make(stage, setup);
    await compared(() => ask(db));
    expect(counts()).toMatchObject({ match: 1, mismatch: 0, inconclusive: 0 });
  });

  test.each([
    ['a value', 'id, text', "id, replace(text, '3', 'three') as text"],
    ['a value in a list', 'id, tags', "id, case id when 2 then ['a'] else tags end as tags"],
    ['a type', 'id', 'id::bigint as id'],
    ['a date by a microsecond', 'seen', 'seen + interval 1 microsecond as seen'],
    ['the last digit of a decimal', 'price', '(price + 0.01)::decimal(9, 2) as price'],
    ['the name of a column', 'id', 'id as number'],
    ['an order', 'id from note order by id', 'id from note order by id desc'],
    ['a row', 'id from note', 'id from note where id <> 4'],
    ['an error', 'id from note', "error('no') as id from note"],
  ])('a pooled leg that differs in %s is a mismatch', async (_what, asked, answered) => {
    const instance = await DuckDBInstance.create();
    const own = await instance.connect();
    for (const sql of setup) await own.run(sql);
    const text = (what: string): string =>
      what.includes(' from ') ? `select ${what}` : `select ${what} from note`;
    const { db, compared, counts } = await bridgedOn(instance, stage, {
      pooled: async () =>
        lying(await instance.connect(), (sql) => (sql === text(asked) ? text(answered) : sql)),
    });
    own.closeSync();
    await compared(() => db.runAndReadAll(text(asked)).catch(() => undefined));
    expect(counts()).toMatchObject({ mismatch: 1, match: 0 });
    expect(bridgeOf(db).recorder.summary().sampleGroups[0]).toMatchObject({
      samples: [{ call: { args: [`text(${String(text(asked).length)})`], adapted: true } }],
    });
  });

  test('what acts, streams or tells of the connection is not compared', async () => {
    const { db, idle, counts } = await make(stage, setup);
    for (let use = 0; use < 20; use += 1) {
      await db.run('update note set text = text');
      await (await db.stream('select * from note')).getRows();
      await (await db.start('select * from note')).getResult();
      await rows(db, 'select txid_current()');
      await rows(db, 'select random()');
      await idle();
    }
    const { match, mismatch } = counts();
    expect(match + mismatch).toBe(0);
  });

  test('more rows than the stage takes are not compared', async () => {
    const settings = { ...defaultShadowSettings, sampleRate: 1, maxRows: 3 };
    const { db, idle } = await make(stage, setup, {
      stages: createStaticStageSource({ db: stage }, settings),
    });
    const shed = () => bridgeOf(db).recorder.summary().totals.shedByReason['too-large'] ?? 0;
    while (shed() === 0) {
      await db.run('select * from note');
      await idle();
    }
    expect(bridgeOf(db).recorder.summary().totals.match).toBe(0);
  });

  test('a result whose rows its caller has begun to take is compared whole', async () => {
    const { db, compared, counts } = await make(stage, setup);
    await compared(async () => {
      const result = await db.run('select id from note');
      expect(await result.getRows()).toHaveLength(4);
    });
    expect(counts()).toMatchObject({ match: 1, mismatch: 0 });
  });
});
