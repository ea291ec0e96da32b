import { keyTarget } from '@changeover/core';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { silentLogger } from '../../log.ts';
import { Ledger } from './ledger.ts';
import type { LedgerStore, NewLedgerChange } from './ledger-store.ts';
import { PostgresLedgerStore } from './shared-ledger-store.ts';
import { SqliteLedgerStore } from './file-ledger-store.ts';

// One suite for both stores.

let folder: string;
let pool: pg.Pool;
let place: string;
let ledger: Ledger;

beforeAll(() => {
  const connectionString = process.env['CHANGEOVER_TEST_DATABASE_URL'];
  if (connectionString === undefined)
    throw new Error('no CHANGEOVER_TEST_DATABASE_URL: run the tests by npm test');
  pool = new pg.Pool({ connectionString, max: 5 });
});

afterAll(async () => {
  await pool.end();
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-ledger-store-'));
  place = `ledger_${randomBytes(6).toString('hex')}`;
});

afterEach(async () => {
  await pool.query(`drop schema if exists "${place}" cascade`);
  rmSync(folder, { recursive: true, force: true });
});

const kinds: [string, () => LedgerStore][] = [
  ['SQLite', () => new SqliteLedgerStore(join(folder, 'store.sqlite'))],
  ['PostgreSQL', () => new PostgresLedgerStore(pool, place)],
];

function line(more: Partial<NewLedgerChange> = {}): NewLedgerChange {
  return {
    at: 1_700_000_000_000,
    backend: 'sqlite',
    dataset: 'titanic',
    from: 'legacy',
    to: 'shadow',
    held: false,
    who: 'ada',
    reason: 'because of "quotes", \'quotes\' and 🦆',
    revision: 'r1',
    previous: 0,
    ...more,
  };
}

describe.each(kinds)('the ledger in %s', (_kind, open) => {
  test('gives back what was written, in order', async () => {
    const store = open();
    expect(await store.read(0)).toEqual([]);
    const [one, two] = await store.append([
      line(),
      line({ dataset: 'iris', held: true, to: 'legacy' }),
    ]);
    const read = await store.read(0);
    const { previous: _previous, ...first } = line();
    expect(read[0]).toEqual({ sequence: one, ...first });
    expect(read[1]).toMatchObject({ sequence: two, dataset: 'iris', held: true, to: 'legacy' });
    await store.close();
  });

  test('takes one of two lines that follow the same line, and says which', async () => {
    const stores = [open(), open()];
    const [first] = await (stores[0] as LedgerStore).append([line()]);
    const results = await Promise.all(
      stores.map(
        async (store, index) =>
          await store.append([
            line({ previous: first ?? 0, to: 'reverse', who: String(index) }),
            line({ dataset: `own-${String(index)}` }),
          ]),
      ),
    );
    const winners = results.map(([sequence]) => sequence !== undefined);
    expect(winners.filter((won) => won)).toHaveLength(1);
    // What nobody else wrote is written in either case.
    expect(results.every(([, own]) => own !== undefined)).toBe(true);
    expect(
      (await (stores[0] as LedgerStore).read(0)).filter(({ dataset }) => dataset === 'titanic'),
    ).toHaveLength(2);
    for (const store of stores) await store.close();
  });

  test('is there for the next process', async () => {
    const first = open();
    await first.append([line()]);
    await first.close();
    const second = open();
    expect(await second.read(0)).toHaveLength(1);
    await second.close();
  });

  test('takes a hundred lines at once', async () => {
    const store = open();
    const lines = Array.from({ length: 100 }, (_, index) => line({ dataset: `d${String(index)}` }));
    expect(new Set(await store.append(lines)).size).toBe(100);
    expect(await store.read(0)).toHaveLength(100);
    await store.close();
  });

  test('several that are opened for the first time at once make one table', async () => {
    const stores = Array.from({ length: 5 }, open);
    await Promise.all(stores.map(async (store) => await store.read(0)));
    await Promise.all(
      stores.map(
        async (store, index) => await store.append([line({ dataset: `d${String(index)}` })]),
      ),
    );
    expect(await (stores[0] as LedgerStore).read(0)).toHaveLength(5);
    for (const store of stores) await store.close();
  });

  test('carries a ledger: a hold in one process holds in another', async () => {
    const ledgers = [open(), open()].map(
      (store) => new Ledger({ store, logger: silentLogger, reviewIntervalMs: 10 }),
    );
    const [first, second] = ledgers as [Ledger, Ledger];
    const told = new Promise<void>((resolve) => {
      second.subscribe(() => {
        if (second.isHeld('sqlite', keyTarget('titanic'))) resolve();
      });
    });
    first.hold('sqlite', keyTarget('titanic'), { who: 'ada', reason: 'it looks wrong' });
    await told;
    for (const ledger of ledgers) await ledger.close();
  });
});

test('a PostgreSQL that is not there is told once, and ends nothing', async () => {
  const nowhere = new pg.Pool({ connectionString: 'postgres://nobody@127.0.0.1:1/none', max: 1 });
  const errors: string[] = [];
  const told = new Promise<void>((resolve) => {
    const error = (_fields: object, message: string): void => {
      errors.push(message);
      resolve();
    };
    const logger = { ...silentLogger, error };
    ledger = new Ledger({
      store: new PostgresLedgerStore(nowhere, place),
      logger,
      reviewIntervalMs: 5,
    });
  });
  await told;
  await ledger.review();
  expect(errors).toEqual([expect.stringMatching(/nothing steps forward/)]);
  expect(ledger.limitsOn('sqlite', keyTarget('titanic'))).toMatchObject([
    { by: 'ledger', stage: 'legacy' },
  ]);
  await ledger.close();
  await nowhere.end();
});

test('a schema that is no plain name is refused', () => {
  expect(() => new PostgresLedgerStore(pool, 'a"; drop')).toThrow(RangeError);
});
