import { afterEach, describe, expect, test } from '@jest/globals';
import { bridgeKnex, type BridgeKnexOptions } from '@changeover/adapters/knex';
import { bridgeOf, createStaticStageSource, silentLogger, WiringError } from '@changeover/bridge';
import { createPostgresClassifier } from '@changeover/classify/postgresql';
import { InvalidOptionError, type Stage } from '@changeover/core';
import knex, { type Knex } from 'knex';
import {
  type BridgedKnex,
  bridgedKnex,
  type BridgedKnexOptions,
  compared,
} from './bridged-knex.ts';

const quiet: BridgeKnexOptions = {
  name: 'db',
  stages: createStaticStageSource(() => 'legacy'),
  storePath: ':memory:',
  logger: silentLogger,
};
const log: Knex.Logger = { warn: () => undefined };

/** What Knex's types leave out of a client. */
interface Connections {
  acquireConnection(): Promise<{ query(sql: string): Promise<{ rows: unknown[] }> }>;
  releaseConnection(connection: unknown): Promise<void>;
}

describe('what is refused', () => {
  test('an option that there is not, and those that exclude each other', () => {
    const db = knex({ client: 'pg' });
    expect(() => bridgeKnex(db, { ...quiet, legcy: 1 } as unknown as BridgeKnexOptions)).toThrow(
      InvalidOptionError,
    );
    expect(() => bridgeKnex(db, { ...quiet, pooled: () => db, max: 3 })).toThrow(
      InvalidOptionError,
    );
    expect(() => bridgeKnex(db, { ...quiet, max: 0 })).toThrow('above 0');
  });

  test('what is no Knex instance, and a transaction', () => {
    const nothing: unknown = {};
    expect(() => bridgeKnex(nothing as Knex, quiet)).toThrow(WiringError);
    const client = { _query: () => undefined, transacting: true };
    expect(() => bridgeKnex({ client } as unknown as Knex, quiet)).toThrow(WiringError);
  });

  test.each([
    ['sqlite3', 'better-sqlite3'],
    ['pgnative', 'pg'],
  ])('the client %s, with what to use instead', (driverName, other) => {
    const db = knex({ client: 'pg' });
    Object.assign(db.client as object, { driverName });
    expect(() => bridgeKnex(db, quiet)).toThrow(`Make it with client: '${other}'`);
  });

  test('an engine that there is no classifier for', () => {
    expect(() => bridgeKnex(knex({ client: 'mysql2' }), quiet)).toThrow(
      'There is no classifier for the client mysql2',
    );
  });

  test('a pooled leg of another engine, and a database in memory: every call stays at legacy', async () => {
    const memory = { client: 'better-sqlite3', connection: ':memory:', useNullAsDefault: true };
    for (const pooled of [() => knex({ client: 'pg' }), undefined]) {
      const db = bridgeKnex(knex(memory), {
        ...quiet,
        stages: createStaticStageSource(() => 'pooled'),
        ...(pooled === undefined ? {} : { pooled }),
      });
      await expect(bridgeOf(db).ready()).rejects.toThrow(
        pooled === undefined ? 'in memory' : 'two engines',
      );
      await db.raw('create table here (n integer)');
      expect(await db('here').insert({ n: 1 })).toEqual([1]);
      await db.destroy();
    }
  });

  test('to be initialized again with a classifier that was closed with it', async () => {
    const classifier = createPostgresClassifier({ query: () => Promise.reject(new Error('none')) });
    const db = bridgeKnex(knex({ client: 'pg', connection: {} }), { ...quiet, classifier });
    await db.destroy();
    expect(() => {
      db.initialize();
    }).toThrow(WiringError);
  });
});

describe('on PostgreSQL', () => {
  let bridged: BridgedKnex;
  afterEach(async () => {
    await bridged[Symbol.asyncDispose]();
  });

  async function open(stage: Stage, options?: BridgedKnexOptions) {
    bridged = await bridgedKnex('postgresql', options);
    bridged.stages.set(() => stage);
    return bridged.db;
  }

  test.each(['reverse', 'pooled'] as const)(
    'at %s who reads a stream may write meanwhile',
    async (stage) => {
      const db = await open(stage);
      await db('account').insert([1, 2, 3].map((n) => ({ owner: String(n), balance: n })));
      const stream: AsyncIterable<unknown> = db('account').orderBy('id').stream();
      for await (const row of stream) {
        const { id } = row as { id: number };
        await db('account').where({ id }).increment('balance', 10);
      }
      expect(await bridged.direct('account').orderBy('id').pluck('balance')).toEqual([11, 12, 13]);
    },
  );

  test.each(['reverse', 'pooled'] as const)(
    'at %s what goes past its transaction does not wait for its end',
    async (stage) => {
      const db = await open(stage);
      await db.transaction(async (trx) => {
        await trx('account').insert({ owner: 'in', balance: 1 });
        await db('account').insert({ owner: 'past', balance: 1 });
        expect(await db('account').pluck('owner')).toEqual(['past']);
      });
      expect(await bridged.direct('account').count({ n: '*' })).toEqual([{ n: '2' }]);
    },
  );

  test.each(['legacy', 'pooled'] as const)(
    'at %s what waits for a transaction handle fails as Knex does, in the time that is configured, and was not run',
    async (stage) => {
      const db = await open(stage, { config: { acquireConnectionTimeout: 1_000, log } });
      const trx = await db.transaction();
      const waits = db('account').insert({ owner: 'waits', balance: 1 });
      const error = await waits.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(knex.KnexTimeoutError);
      expect((error as Error).message).toMatch(/^Knex: Timeout acquiring a connection/);
      await trx('account').insert({ owner: 'in', balance: 1 });
      await trx.commit();
      expect(await db('account').pluck('owner')).toEqual(['in']);
    },
  );

  test.each(['legacy', 'reverse', 'pooled'] as const)(
    'at %s two transactions of an instance with many connections are open beside each other, with a write beside them',
    async (stage) => {
      const db = await open(stage, { config: { pool: { min: 0, max: 5 } } });
      const [one, other] = [await db.transaction(), await db.transaction()];
      await one('account').insert({ owner: 'one', balance: 1 });
      await other('account').insert({ owner: 'other', balance: 1 });
      await db('account').insert({ owner: 'beside', balance: 1 });
      await other.commit();
      await one.rollback();
      expect(await db('account').orderBy('owner').pluck('owner')).toEqual(['beside', 'other']);
    },
  );

  test.each(['legacy', 'pooled'] as const)(
    'at %s a statement that runs out of its time says so, and the next one runs',
    async (stage) => {
      const db = await open(stage, { config: { log } });
      for (const cancel of [true, false]) {
        const late = db.raw('select pg_sleep(20)').timeout(50, { cancel }).then();
        await expect(late).rejects.toBeInstanceOf(knex.KnexTimeoutError);
        await expect(late).rejects.toThrow(/^Defined query timeout of 50ms exceeded/);
        expect(await db('account').select()).toEqual([]);
      }
    },
  );

  test('a read that ran out of its time is not run on the other leg, where nothing would cut it', async () => {
    const db = await open('shadow', { config: { log } });
    const totals = () => bridged.bridge.recorder.summary().totals;
    for (let round = 0; round < 50 && totals().compared === 0; round += 1) {
      const late = db.raw('select pg_sleep(60)').timeout(50, { cancel: true });
      await expect(late.then()).rejects.toThrow('timeout');
      await bridged.bridge.idle();
    }
    // The server's word that it was cut may come after the time-out's.
    expect(totals().inconclusive).toBe(totals().compared);
    const sleeping = "select pid from pg_stat_activity where state = 'active' and query like ?";
    const { rows } = await bridged.direct.raw<{ rows: unknown[] }>(sleeping, ['%pg_sleep(60)']);
    expect(rows).toEqual([]);
  });

  test('at legacy the time of a statement counts from when it has its connection', async () => {
    const db = await open('legacy', { config: { log } });
    const trx = await db.transaction();
    let isOver = false;
    const late = db
      .raw('select pg_sleep(60)')
      .timeout(50, { cancel: true })
      .then()
      .finally(() => {
        isOver = true;
      });
    late.catch(() => undefined);
    await trx.raw('select pg_sleep(0.2)');
    expect(isOver).toBe(false);
    await trx.commit();
    await expect(late).rejects.toThrow(/^Defined query timeout of 50ms exceeded/);
  });

  test('a statement that runs out of its time before it has a connection is not run', async () => {
    const db = await open('pooled', { config: { log } });
    const trx = await db.transaction();
    for (const cancel of [true, false]) {
      const late = db('account').insert({ owner: 'late', balance: 1 }).timeout(50, { cancel });
      await expect(late.then()).rejects.toBeInstanceOf(knex.KnexTimeoutError);
    }
    await trx.commit();
    expect(await db('account').select()).toEqual([]);
  });

  test.each(['serializable', 'repeatable read'] as const)(
    'a transaction is %s, and reads only, as it was asked for',
    async (isolationLevel) => {
      const db = await open('pooled');
      await db.transaction(
        async (trx) => {
          const { rows } = await trx.raw<{ rows: unknown[] }>('show transaction_isolation');
          expect(rows).toEqual([{ transaction_isolation: isolationLevel }]);
          await expect(
            trx.transaction((inner) => inner('account').insert({ owner: 'a', balance: 1 })),
          ).rejects.toThrow('read-only');
        },
        { isolationLevel, readOnly: true },
      );
    },
  );

  test('a setting stays for the statements after it', async () => {
    const db = await open('pooled');
    await db.raw("set application_name = 'mine'");
    const { rows } = await db.raw<{ rows: unknown[] }>('show application_name');
    expect(rows).toEqual([{ application_name: 'mine' }]);
  });

  test('a server that is not there is the error of the driver, and the legacy leg answers reads at reverse', async () => {
    let isGone = false;
    const db = await open('reverse', {
      pooled: (config) => {
        const instance = knex(config);
        const client = instance.client as { acquireConnection(): Promise<unknown> };
        const acquire = client.acquireConnection.bind(client);
        client.acquireConnection = () => (isGone ? Promise.reject(new Error('gone')) : acquire());
        return instance;
      },
    });
    await db('account').insert({ owner: 'a', balance: 1 });
    // Until it is known to read: a statement that may act has no fallback.
    await compared(bridged, () => db('account').pluck('owner'));
    isGone = true;
    expect(await db('account').pluck('owner')).toEqual(['a']);
    await expect(db('account').insert({ owner: 'b', balance: 1 })).rejects.toThrow(/^gone$/);
  });

  test('after destroy nothing runs, until it is initialized again', async () => {
    const db = await open('pooled');
    await db('account').insert({ owner: 'before', balance: 1 });
    const first = bridgeOf(db);
    expect((db.client as { pool: unknown }).pool).toBeDefined();
    await db.destroy();
    await db.destroy();
    expect((db.client as { pool: unknown }).pool).toBeUndefined();
    await expect(db('account').select()).rejects.toThrow('Unable to acquire a connection');
    db.initialize();
    expect(await db('account').pluck('owner')).toEqual(['before']);
    expect(bridgeOf(db)).not.toBe(first);
    expect(bridgeOf(db).recorder.summary().totals.pooled.count).toBe(1);
  });

  test('destroy ends the pool at once where nothing runs, and lets end what was issued before', async () => {
    const db = await open('legacy');
    const { pool } = db.client as { readonly pool: { readonly destroyed: boolean } };
    await db('account').select();
    const issued = db('account').insert({ owner: 'issued', balance: 1 }).then();
    const ended = db.destroy();
    expect(pool.destroyed).toBe(false);
    await issued;
    await ended;
    expect(pool.destroyed).toBe(true);
    db.initialize();
    const again = db.client as { readonly pool: { readonly destroyed: boolean } };
    void db.destroy();
    expect(again.pool.destroyed).toBe(true);
  });

  test('destroy waits for a connection that a comparison waits for, and Knex has nothing to warn of', async () => {
    const warned: unknown[] = [];
    const waits = Promise.withResolvers<undefined>();
    const connects = Promise.withResolvers<undefined>();
    const slowly = (connection: unknown, done: (error: null, of: unknown) => void): void => {
      waits.resolve(undefined);
      void connects.promise.then(() => {
        done(null, connection);
      });
    };
    const db = await open('reverse', {
      config: {
        log: { warn: (message: unknown) => warned.push(message) },
        pool: { min: 0, max: 1, afterCreate: slowly },
      },
      pooled: (config) => knex({ ...config, pool: { min: 0, max: 1 } }),
    });
    const seen = { waiting: false };
    void waits.promise.then(() => {
      seen.waiting = true;
    });
    while (!seen.waiting) await db('account');
    const ended = db.destroy();
    connects.resolve(undefined);
    await ended;
    expect(warned).toEqual([]);
  });

  test.each(['legacy', 'pooled'] as const)(
    'at %s a program may ask for a connection of the driver: statements on it are bridged, and others find one less',
    async (stage) => {
      const db = await open(stage, {
        config: { acquireConnectionTimeout: 300, log },
        settings: { max: 1 },
      });
      const client = db.client as Connections;
      const connection = await client.acquireConnection();
      const { rows } = await connection.query('select pg_backend_pid() as pid');
      const same = await db
        .raw<{ rows: unknown[] }>('select pg_backend_pid() as pid')
        .connection(connection);
      expect(same.rows).toEqual(rows);
      await db('account').insert({ owner: 'on it', balance: 1 }).connection(connection);
      await expect(db('account').select()).rejects.toBeInstanceOf(knex.KnexTimeoutError);
      await client.releaseConnection(connection);
      expect(await db('account').pluck('owner')).toEqual(['on it']);
      const { legacy, pooled } = bridged.bridge.recorder.summary().totals;
      expect(stage === 'legacy' ? pooled.count : legacy.count).toBe(0);
    },
  );

  test('the function that gives the connection its settings is asked once for both legs', async () => {
    let asked = 0;
    const connection = (): Knex.StaticConnectionConfig => {
      asked += 1;
      return { connectionString: process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '' };
    };
    const db = await open('legacy', { config: { connection } });
    asked = 0;
    await Promise.all([db('account').select(), bridged.bridge.ready()]);
    bridged.stages.set(() => 'pooled');
    await db('account').select();
    expect(asked).toBe(1);
  });

  test('keys move by themselves, told by the statement', async () => {
    const db = await open('legacy', {
      settings: { key: ({ sql }) => (sql.includes('account') ? 'accounts' : undefined) },
    });
    bridged.stages.set(({ dataset }) => (dataset === 'accounts' ? 'pooled' : 'legacy'));
    await db('account').insert({ owner: 'a', balance: 1 });
    await db.raw('select 1');
    const { pooled, legacy } = bridged.bridge.recorder.summary().totals;
    expect({ pooled: pooled.count, legacy: legacy.count }).toEqual({ pooled: 1, legacy: 1 });
  });
});
