import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Stage, stages as allStages } from '@changeover/core';
import knex, { type Knex } from 'knex';
import {
  type Account,
  type BridgedKnex,
  bridgedKnex,
  type BridgedKnexOptions,
  compared,
  engines,
} from './bridged-knex.ts';

const stagesAndBack: readonly Stage[] = [...allStages, 'legacy'];

describe.each(engines)('a bridged Knex over %s', (engine) => {
  let bridged: BridgedKnex;
  beforeEach(async () => {
    bridged = await bridgedKnex(engine);
  });
  afterEach(async () => {
    await bridged[Symbol.asyncDispose]();
  });

  async function another(options: BridgedKnexOptions): Promise<void> {
    await bridged[Symbol.asyncDispose]();
    bridged = await bridgedKnex(engine, options);
  }

  function at(stage: Stage): void {
    bridged.stages.set(() => stage);
  }

  const totals = () => bridged.bridge.recorder.summary().totals;
  const owners = (): Promise<string[]> =>
    Promise.resolve(bridged.direct<Account>('account').orderBy('owner').pluck('owner'));
  const insert = (db: Knex, owner: string, balance = 1) => db('account').insert({ owner, balance });

  test('reads, writes and transactions go through every stage and back with nothing lost and nothing doubled', async () => {
    const { db } = bridged;
    let expected = 0;
    for (const stage of stagesAndBack) {
      at(stage);
      const inserted = await insert(db, `one ${String(expected)}`).returning('id');
      expected += 1;
      expect(inserted).toEqual([{ id: expected }]);
      await db.transaction((trx) => insert(trx, `two ${String(expected)}`));
      expected += 1;
      expect(await db('account').select().orderBy('id')).toHaveLength(expected);
      expect(await owners()).toHaveLength(expected);
    }
    await bridged.bridge.idle();
    expect(totals()).toMatchObject({ mismatch: 0, inconclusive: 0, failed: 0 });
  });

  test.each(['shadow', 'reverse'] as const)(
    'a read at %s is compared with the other leg and matches',
    async (stage) => {
      at(stage);
      await insert(bridged.db, 'a');
      await compared(bridged, () => bridged.db('account').select());
      expect(totals().match).toBeGreaterThan(0);
      expect(totals()).toMatchObject({ mismatch: 0, inconclusive: 0 });
    },
  );

  test('big integers, dates and bytes are compared by value', async () => {
    at('shadow');
    const sql =
      engine === 'sqlite'
        ? "select 9007199254740993 as big, x'00ff' as bytes, '2024-02-29' as day"
        : "select 9007199254740993::bigint as big, '\\x00ff'::bytea as bytes, date '2024-02-29' as day, interval '1 day 2 hours' as span, 1.50::numeric as price";
    await compared(bridged, () => bridged.db.raw(sql));
    expect(totals().match).toBeGreaterThan(0);
    expect(totals()).toMatchObject({ mismatch: 0, inconclusive: 0 });
  });

  test('a pooled leg that answers wrong is a mismatch, and the caller never sees it', async () => {
    await another({ pooled: (config) => changing(knex(config)) });
    await bridged.direct('account').insert({ owner: 'a', balance: 1 });
    at('shadow');
    for (let round = 0; round < 200 && totals().mismatch === 0; round += 1) {
      expect(await bridged.db('account').select('balance')).toEqual([{ balance: 1 }]);
      await bridged.bridge.idle();
    }
    expect(totals().mismatch).toBeGreaterThan(0);
    // The statement as its caller passed it, and nothing of the adapter's own.
    expect(bridged.bridge.recorder.summary().sampleGroups[0]).toMatchObject({
      samples: [{ call: { args: [expect.stringMatching(/^text\(\d+\)$/)], adapted: true } }],
    });
  });

  describe.each(allStages)('at %s', (stage) => {
    beforeEach(() => {
      at(stage);
    });

    test('a write tells how many rows it changed, and runs once', async () => {
      const { db } = bridged;
      const inserted = await db('account').insert([
        { owner: 'a', balance: 1 },
        { owner: 'b', balance: 2 },
      ]);
      if (engine === 'sqlite') expect(inserted).toEqual([2]);
      else expect(inserted).toMatchObject({ command: 'INSERT', rowCount: 2 });
      expect(await db('account').increment('balance', 1)).toBe(2);
      expect(await db('account').where({ owner: 'b' }).del()).toBe(1);
      expect(await bridged.direct('account').select('balance')).toEqual([{ balance: 2 }]);
    });

    test('a builder that is awaited twice runs twice, as in Knex', async () => {
      const { db } = bridged;
      await insert(db, 'a', 0);
      const builder = db('account').increment('balance', 1);
      await builder;
      await builder;
      expect(await bridged.direct('account').pluck('balance')).toEqual([2]);
    });

    test('first, pluck, raw, columnInfo, hasTable and batchInsert answer as Knex does', async () => {
      const { db, direct } = bridged;
      await db.batchInsert('account', [
        { owner: 'a', balance: 1 },
        { owner: 'b', balance: 2 },
      ]);
      for (const ask of [
        (one: Knex) => one('account').orderBy('id').first(),
        (one: Knex) => one('account').orderBy('id').pluck('owner'),
        (one: Knex) => one('account').columnInfo(),
        (one: Knex) => one.schema.hasTable('account'),
        (one: Knex) => one.schema.hasColumn('account', 'nothing'),
        (one: Knex) => one('account').count({ n: '*' }),
      ])
        expect(await ask(db)).toEqual(await ask(direct));
      const raw = (await db.raw('select owner from account where balance = ?', [2])) as unknown;
      expect(engine === 'sqlite' ? raw : (raw as { rows: unknown }).rows).toEqual([{ owner: 'b' }]);
    });

    test('a transaction that throws leaves nothing, and its error is the one that was thrown', async () => {
      const { db } = bridged;
      const refusal = new Error('no');
      const work = db.transaction(async (trx) => {
        await insert(trx, 'a');
        expect(await trx('account').select()).toHaveLength(1);
        throw refusal;
      });
      await expect(work).rejects.toBe(refusal);
      expect(await owners()).toEqual([]);
      // Nothing is held back by it.
      await insert(db, 'b');
      expect(await owners()).toEqual(['b']);
    });

    test('nested transactions go back to their savepoints', async () => {
      const { db } = bridged;
      await db.transaction(async (trx) => {
        await insert(trx, 'a');
        await expect(
          trx.transaction(async (inner) => {
            await insert(inner, 'b');
            throw new Error('only this');
          }),
        ).rejects.toThrow('only this');
        await trx.savepoint((inner) => insert(inner, 'c'));
      });
      expect(await owners()).toEqual(['a', 'c']);
    });

    test('a transaction handle and a transaction provider commit and roll back', async () => {
      const { db } = bridged;
      const trx = await db.transaction();
      await insert(trx, 'a');
      expect(trx.isCompleted()).toBe(false);
      await trx.commit();
      expect(trx.isCompleted()).toBe(true);
      await expect(insert(trx, 'late')).rejects.toThrow('already complete');
      const provided = await db.transactionProvider()();
      await db('account').transacting(provided).insert({ owner: 'b', balance: 1 });
      await provided.rollback();
      expect(await owners()).toEqual(['a']);
    });

    test('a transaction keeps the leg it began on when the stage changes', async () => {
      const { db } = bridged;
      const trx = await db.transaction();
      await insert(trx, 'a');
      at(stage === 'pooled' ? 'legacy' : 'pooled');
      expect(await trx('account').pluck('owner')).toEqual(['a']);
      await trx.commit();
      await insert(db, 'b');
      expect(await owners()).toEqual(['a', 'b']);
    });

    test('BEGIN and COMMIT as statements are one transaction on one connection', async () => {
      const { db } = bridged;
      await db.raw('begin');
      await insert(db, 'a');
      expect(await owners()).toEqual([]);
      await db.raw('rollback');
      await db.raw('begin');
      await insert(db, 'b');
      await db.raw('commit');
      expect(await owners()).toEqual(['b']);
      await db.transaction((trx) => trx('account').del());
      expect(await owners()).toEqual([]);
    });

    test('a stream gives every row, and can be left early', async () => {
      const { db } = bridged;
      await bridged
        .direct('account')
        .insert(Array.from({ length: 5 }, (_, n) => ({ owner: String(n), balance: n })));
      const read = (): NodeJS.ReadableStream => db('account').orderBy('id').stream();
      const seen: string[] = [];
      for await (const row of read()) seen.push((row as unknown as Account).owner);
      expect(seen).toEqual(['0', '1', '2', '3', '4']);
      for await (const row of read()) {
        expect(row).toMatchObject({ owner: '0' });
        break;
      }
      // The connection came back.
      expect(await db('account').pluck('owner')).toHaveLength(5);
      await expect(drained(db('nowhere').stream())).rejects.toThrow(/nowhere/);
      await bridged.bridge.idle();
      expect(totals()).toMatchObject({ mismatch: 0, inconclusive: 0 });
    });

    test('an error is the one that Knex throws, and is told to its listeners', async () => {
      const { db, direct } = bridged;
      const told: unknown[] = [];
      db.on('query-error', (error: unknown) => told.push(error));
      const alone = await errorOf(direct('nowhere').select());
      const found = await errorOf(db('nowhere').select());
      expect(found.constructor).toBe(alone.constructor);
      expect(found).toMatchObject({
        message: alone.message,
        code: (alone as { code?: string }).code,
      });
      expect(told).toEqual([found]);
      await insert(db, 'a');
      expect((await errorOf(insert(db, 'a'))).message).toMatch(/unique/i);
    });

    test('each statement is told once to the listeners, with its answer', async () => {
      const { db } = bridged;
      const told: string[] = [];
      const uids = new Set<unknown>();
      db.on('query', ({ sql, __knexUid }: { sql: string; __knexUid: unknown }) => {
        told.push(`query ${sql}`);
        uids.add(__knexUid);
      });
      db.on('query-response', (rows: unknown, { __knexUid }: { __knexUid: unknown }) => {
        told.push(`response ${JSON.stringify(rows)}`);
        uids.add(__knexUid);
      });
      const { sql } = db('account').select('owner').toSQL().toNative();
      await db('account').select('owner');
      await bridged.bridge.idle();
      expect(told).toEqual([`query ${sql}`, 'response []']);
      expect(uids.size).toBe(1);
    });

    test('eight callers that read and then write in transactions lose no increment', async () => {
      const { db } = bridged;
      await bridged.direct('account').insert({ owner: 'counter', balance: 0 });
      const increment = async (): Promise<void> => {
        for (let round = 0; round < 5; round += 1)
          await db.transaction(async (trx) => {
            const { balance } = (await trx<Account>('account').first()) ?? { balance: NaN };
            await trx('account').update({ balance: balance + 1 });
          });
      };
      await Promise.all(Array.from({ length: 8 }, increment));
      expect(await bridged.direct('account').pluck('balance')).toEqual([40]);
    });

    test('what nobody awaits takes effect in the order in which it was written', async () => {
      const { db } = bridged;
      await insert(db, 'a', 0);
      const writes = [1, 2, 3, 4].map((balance) => db('account').update({ balance }).then());
      expect(await db('account').select('balance')).toEqual([{ balance: 4 }]);
      await Promise.all(writes);
      expect(await bridged.direct('account').pluck('balance')).toEqual([4]);
    });

    test('a temporary table is there for the statements after it, at once', async () => {
      const { db } = bridged;
      await db.raw('create temporary table scratch (n integer)');
      await Promise.all([1, 2, 3].map((n) => db('scratch').insert({ n })));
      expect(await db('scratch').orderBy('n').pluck('n')).toEqual([1, 2, 3]);
    });

    test('a table is altered, and a read after it sees the column', async () => {
      const { db } = bridged;
      await insert(db, 'a');
      await db.schema.alterTable('account', (table) => {
        table.text('note').nullable();
      });
      await db.schema.alterTable('account', (table) => {
        table.renameColumn('note', 'remark');
      });
      expect(await db('account').select('owner', 'remark')).toEqual([{ owner: 'a', remark: null }]);
      await db.schema.alterTable('account', (table) => {
        table.dropColumn('remark');
      });
      expect(await db('account').first()).toEqual({ id: 1, owner: 'a', balance: 1 });
    });

    test('a clone with user parameters goes the same way', async () => {
      const clone = bridged.db.withUserParams({ tenant: 'berlin' });
      await insert(clone, 'a');
      await clone.transaction(async (trx) => {
        expect(trx.userParams).toEqual({ tenant: 'berlin' });
        await insert(trx, 'b');
      });
      expect(await owners()).toEqual(['a', 'b']);
      expect(totals().calls).toBeGreaterThanOrEqual(2);
    });

    test('migrations run, are listed and are taken back', async () => {
      const migrationSource = {
        getMigrations: () => Promise.resolve(['1_kid']),
        getMigrationName: (name: string) => name,
        getMigration: () =>
          Promise.resolve({
            up: (db: Knex) => db.schema.createTable('kid', (table) => table.increments()),
            down: (db: Knex) => db.schema.dropTable('kid'),
          }),
      };
      const { db } = bridged;
      await db.migrate.latest({ migrationSource });
      expect(await db('kid').select()).toEqual([]);
      expect(await db.migrate.list({ migrationSource })).toMatchObject([[{ name: '1_kid' }], []]);
      await db.migrate.rollback({ migrationSource });
      expect(await db.schema.hasTable('kid')).toBe(false);
    });
  });
});

async function errorOf(promise: PromiseLike<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  return new Error('it did not fail');
}

async function drained(stream: AsyncIterable<unknown>): Promise<unknown[]> {
  const rows: unknown[] = [];
  for await (const row of stream) rows.push(row);
  return rows;
}

/** An instance whose driver answers one more than there is. */
function changing(instance: Knex): Knex {
  const client = instance.client as {
    _query(connection: unknown, query: object): Promise<{ response: unknown }>;
  };
  const query = client._query.bind(client);
  client._query = async (connection, given) => {
    const answer = await query(connection, given);
    const { response } = answer as { response: { rows?: Account[] } | Account[] };
    const rows = Array.isArray(response) ? response : (response.rows ?? []);
    for (const row of rows) if ('balance' in row) Object.assign(row, { balance: row.balance + 1 });
    return answer;
  };
  return instance;
}
