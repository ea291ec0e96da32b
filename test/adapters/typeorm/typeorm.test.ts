import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { bridgeDatabase } from '@changeover/adapters/better-sqlite3';
import { bridgePool } from '@changeover/adapters/pg';
import {
  type Bridge,
  bridgeOf,
  createStaticStageSource,
  defaultShadowSettings,
  silentLogger,
} from '@changeover/bridge';
import { type Stage, systemClock } from '@changeover/core';
import Database from 'better-sqlite3';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { everyClass, Lie, lyingDatabase, lyingPgClient } from '../lies.ts';
import { type Handle, notFound, plantedIn, warmUp } from '../under-load.ts';
import type { DataSource, Row, TypeOrm } from './typeorm.ts';

/** The version that the test was written by. */
const version = '1.1.1';
const thereAndBack: readonly Stage[] = ['legacy', 'shadow', 'reverse', 'pooled', 'legacy'];
const schema = 'typeorm_test';

let folder: string;
let typeorm: TypeOrm;
let databases = 0;
/** So much time was let go by. */
let aheadMs = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-typeorm-'));
  writeFileSync(join(folder, 'package.json'), '{}');
  // Its 34 MB are no dependency of this repository's.
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', `typeorm@${version}`];
  execFileSync('npm', args, { cwd: folder, env: { ...process.env, NODE_OPTIONS: '' } });
  typeorm = createRequire(join(folder, 'package.json'))('typeorm') as TypeOrm;
}, 300_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const stages = createStaticStageSource(() => 'legacy', {
  ...defaultShadowSettings,
  sampleRate: 1,
  maxRows: 100_000,
});
const settings = {
  name: 'app',
  stages,
  storePath: ':memory:',
  logger: silentLogger,
  guardrail: { mode: 'report' },
} as const;

/** The options of a data source whose driver makes bridged handles, and the last handle that it made. */
interface Driver {
  readonly options: object;
  readonly made: () => object;
}

/** As `driver: require('pg')`, but for the pool. */
function overPg(lie?: Lie): Driver {
  let made: pg.Pool | undefined;
  const Pool = function (options: pg.PoolConfig): pg.Pool {
    made = bridgePool(new pg.Pool({ ...options, max: 1 }), {
      ...settings,
      ...(lie === undefined
        ? { max: 4 }
        : { pooled: () => new pg.Pool({ ...options, max: 4, Client: lyingPgClient(lie) }) }),
    });
    return made;
  };
  return {
    options: {
      type: 'postgres',
      url: process.env['CHANGEOVER_TEST_DATABASE_URL'],
      schema,
      driver: { ...pg, Pool },
    },
    made: () => made as pg.Pool,
  };
}

/** As `driver: require('better-sqlite3')`. */
function overSqlite(lie?: Lie): Driver {
  let made: Database.Database | undefined;
  const driver = function (file: string, options: Database.Options): Database.Database {
    made = bridgeDatabase(new Database(file, options), {
      ...settings,
      clock: { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs },
      ...(lie === undefined
        ? {}
        : { pooled: (path: string) => lyingDatabase(new Database(path), lie) }),
    });
    return made;
  };
  databases += 1;
  return {
    options: {
      type: 'better-sqlite3',
      database: join(folder, `app-${String(databases)}.db`),
      enableWAL: true,
      driver,
    },
    made: () => made as Database.Database,
  };
}

describe.each([
  ['changeover/pg', overPg],
  ['changeover/better-sqlite3', overSqlite],
])('TypeORM over %s', (_name, driverOf) => {
  let driver: Driver;
  let source: DataSource;
  let bridge: Bridge;
  let Author: object;
  let Book: object;

  async function open(made: Driver): Promise<void> {
    driver = made;
    const { DataSource, EntitySchema } = typeorm;
    const id = { type: Number, primary: true, generated: true };
    Author = new EntitySchema({
      name: 'Author',
      columns: { id, name: { type: String, unique: true }, sold: { type: Number, default: 0 } },
      relations: { books: { type: 'one-to-many', target: 'Book', inverseSide: 'author' } },
    });
    Book = new EntitySchema({
      name: 'Book',
      columns: { id, title: { type: String } },
      relations: { author: { type: 'many-to-one', target: 'Author', inverseSide: 'books' } },
    });
    stages.set(() => 'legacy');
    const direct = new pg.Client(process.env['CHANGEOVER_TEST_DATABASE_URL']);
    await direct.connect();
    await direct.query(`drop schema if exists ${schema} cascade; create schema ${schema}`);
    await direct.end();
    source = new DataSource({ ...driver.options, entities: [Author, Book], synchronize: true });
    await source.initialize();
    bridge = bridgeOf(driver.made());
  }

  async function close(): Promise<void> {
    await source.destroy();
    await bridge.close();
  }

  beforeEach(() => open(driverOf()));
  afterEach(close);

  const totals = () => bridge.recorder.summary().totals;

  test('saves, finds, transactions and the query builder give the same at every stage and back, and no write is made twice', async () => {
    const authors = source.getRepository(Author);
    const books = source.getRepository(Book);
    let made = 0;
    for (const stage of thereAndBack) {
      stages.set(() => stage);
      made += 1;
      const author = await authors.save({ name: `author ${String(made)}` });
      expect(author['id']).toBe(made);
      await books.save({ title: `first of ${String(made)}`, author });
      await source.transaction(async (manager) => {
        const inside = manager.getRepository(Book);
        await inside.save({ title: `second of ${String(made)}`, author });
        expect(await inside.count()).toBe(2 * made);
        await manager.getRepository(Author).increment({ id: author['id'] }, 'sold', 1);
      });
      await authors.increment({ name: 'author 1' }, 'sold', 1);
      expect(await authors.count()).toBe(made);
      expect(await books.count()).toBe(2 * made);
      const found = await authors
        .createQueryBuilder('author')
        .leftJoinAndSelect('author.books', 'book')
        .where('author.name = :name', { name: `author ${String(made)}` })
        .orderBy('book.id')
        .getMany();
      expect(found).toHaveLength(1);
      expect((found[0]?.['books'] as Row[]).map(({ title }) => title)).toEqual([
        `first of ${String(made)}`,
        `second of ${String(made)}`,
      ]);
    }
    // Each stage added one, and its transaction one more to its own.
    expect(await authors.findOneBy({ name: 'author 1' })).toMatchObject({ sold: made + 1 });
    await bridge.idle();
    expect(totals().mismatch).toBe(0);
  });

  test('a transaction that is given up leaves nothing, by function or by query runner', async () => {
    for (const stage of thereAndBack) {
      stages.set(() => stage);
      await expect(
        source.transaction(async (manager) => {
          await manager.getRepository(Author).save({ name: 'given up' });
          throw new Error('given up');
        }),
      ).rejects.toThrow('given up');
      const runner = source.createQueryRunner();
      await runner.startTransaction();
      await runner.manager.getRepository(Author).save({ name: 'rolled back' });
      // A transaction inside, which is a savepoint.
      await expect(
        runner.manager.transaction(async (manager) => {
          await manager.getRepository(Author).save({ name: 'inside' });
          throw new Error('only inside');
        }),
      ).rejects.toThrow('only inside');
      expect(await runner.manager.getRepository(Author).count()).toBe(1);
      await runner.rollbackTransaction();
      await runner.release();
      expect(await source.getRepository(Author).count()).toBe(0);
    }
  });

  test('a constraint fails as it does without a bridge, at every stage', async () => {
    const authors = source.getRepository(Author);
    await authors.save({ name: 'only once' });
    for (const stage of thereAndBack) {
      stages.set(() => stage);
      await expect(authors.save({ name: 'only once' })).rejects.toMatchObject({
        name: 'QueryFailedError',
        driverError: { code: expect.stringMatching(/^(?:23505|SQLITE_CONSTRAINT_UNIQUE)$/) },
      });
      expect(await authors.count()).toBe(1);
    }
  });

  test('what a repository finds is compared at shadow and reverse', async () => {
    const authors = source.getRepository(Author);
    await authors.save({ name: 'ann' });
    for (const stage of ['shadow', 'reverse'] as const) {
      stages.set(() => stage);
      const before = totals().match;
      for (let round = 0; round < 200 && totals().match === before; round += 1) {
        expect(await authors.find({ order: { id: 'ASC' } })).toEqual([
          { id: 1, name: 'ann', sold: 0 },
        ]);
        await bridge.idle();
      }
      expect(totals().match).toBeGreaterThan(before);
    }
    expect(totals().mismatch).toBe(0);
  });

  test.each(['shadow', 'reverse'] as const)(
    'under load at %s, every kind of fault in what the pooled leg answers a repository is found, as what it is',
    async (stage) => {
      await close();
      const lie = new Lie(/FROM .*"author"/);
      await open(driverOf(lie));
      const authors = source.getRepository(Author);
      for (const name of ['Ann', 'Bob', 'Cid', 'Dan']) await authors.save({ name, sold: 7 });
      stages.set(() => stage);
      let written = 0;
      const handle: Handle = {
        bridge,
        read: (inOrder) => authors.find(inOrder ? { order: { id: 'ASC' } } : {}),
        readOther: () => source.getRepository(Book).count(),
        write: () => {
          written += 1;
          return source.getRepository(Book).save({ title: `book ${String(written)}` });
        },
        // What a synchronous handle runs for comparison may take a share of the time.
        pass: () => {
          aheadMs += 120_000;
        },
      };
      await warmUp(handle);
      const faults = plantedIn(lie);
      expect(await notFound(handle, faults)).toEqual([]);
      expect(new Set(faults.map((fault) => fault.class))).toEqual(new Set(everyClass));
    },
  );
});
