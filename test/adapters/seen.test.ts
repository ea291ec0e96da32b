import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { Bridge, Stage } from 'changeover';
import { sql } from 'kysely';
import { bridgedHandle } from './better-sqlite3/bridged-handle.ts';
import { bridgedKysely } from './kysely/bridged-kysely.ts';
import { bridgedClients } from './pg/kit.ts';
import { bridgeOf } from '@changeover/bridge';

const stages: readonly Stage[] = ['legacy', 'shadow', 'reverse', 'pooled'];

/** What an adapter's callers were seen to rely on of the session: the use, and the calls with their places. */
function sessionUses(bridge: Bridge): { use: string | undefined; what: string; site: string }[] {
  return bridge.recorder
    .reliance()
    .filter(({ guarantee }) => guarantee === 'session')
    .flatMap(({ use, sites, kept }) => {
      expect(kept).toBe(true);
      return sites.map(({ site, what }) => ({ use, what, site: site ?? 'not sampled' }));
    });
}

/** The shapes of statements that were counted, without those of texts that were not learned yet. */
function shapesOf(bridge: Bridge): string[] {
  const { shapes } = bridge.recorder.summary();
  return [...new Set(shapes.map(({ shape }) => shape))].filter((shape) => shape !== '').sort();
}

const here = expect.stringMatching(/^test\/adapters\/seen\.test\.ts:\d+$/);

/** What a text does is learned in the background, once for each. */
async function until(holds: () => boolean, again: () => unknown = nextTurn): Promise<void> {
  while (!holds()) await again();
}

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

describe.each(stages)('at %s', (stage) => {
  test('better-sqlite3: what relies on the handle’s session is counted with its place, and statements by shape', async () => {
    const handle = bridgedHandle({
      schema: 'create table note (id integer primary key, t)',
      stage,
    });
    ends.push(() => handle.close());
    const { db, bridge } = handle;
    const insert = 'insert into note (t) values (?)';
    await handle.learned(insert, 'select last_insert_rowid()', 'select t from note where id = 7');
    db.prepare(insert).run('a');
    db.prepare('select last_insert_rowid()').pluck().get();
    db.prepare('select t from note where id = 7').get();
    db.prepare('select t from note where id = 8').get();
    db.transaction(() => {
      db.prepare(insert).run('b');
      // A transaction has its connection to itself.
      db.prepare('select last_insert_rowid()').pluck().get();
    })();
    expect(sessionUses(bridge)).toEqual([
      { use: 'lastWrite', what: 'get: select last_insert_rowid ( )', site: here },
    ]);
    expect(shapesOf(bridge)).toEqual(
      expect.arrayContaining([
        'insert into note ( t ) values ( ? )',
        'select t from note where id = ?',
      ]),
    );
  });

  test('Kysely: the same', async () => {
    const opened = await bridgedKysely('postgresql');
    ends.push(async () => {
      await opened[Symbol.asyncDispose]();
    });
    const { db, bridge, stages: source } = opened;
    source.set(() => stage);
    await sql`set statement_timeout = 9000`.execute(db);
    await until(() => sessionUses(bridge).length > 0);
    await db.transaction().execute((trx) => sql`set local statement_timeout = 8000`.execute(trx));
    const owners = 'select "owner" from "account" where "id" = ?';
    await until(
      () => shapesOf(bridge).includes(owners),
      () => db.selectFrom('account').select('owner').where('id', '=', 1).execute(),
    );
    expect(new Set(sessionUses(bridge).map(({ use, what }) => `${String(use)} ${what}`))).toEqual(
      new Set(['sets executeQuery: set statement_timeout = ?']),
    );
  });
});

describe.each(stages)('at %s', (stage) => {
  const clients = bridgedClients(`seen_${stage}`, ['create table note (id int, t text)']);

  test('pg: the same, a setting that is the first statement of all included', async () => {
    const { db } = await clients.make(stage);
    const bridge = bridgeOf(db);
    await db.query('set statement_timeout = 9000');
    await db.query('select pg_advisory_lock(7)');
    await until(() => new Set(sessionUses(bridge).map(({ use }) => use)).size === 2);
    expect(sessionUses(bridge)).toEqual(
      expect.arrayContaining([
        { use: 'sets', what: 'query: set statement_timeout = ?', site: here },
        { use: 'locks', what: 'query: select pg_advisory_lock ( ? )', site: here },
      ]),
    );
    await until(
      () => shapesOf(bridge).includes('select t from note where id = ?'),
      () => db.query('select t from note where id = $1', [1]),
    );
  });
});
