import { mkdir } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { findDifference } from '@changeover/compare';
import { type Engine, engines } from '@changeover/engines';
import { makeTestStores, numberedTable, type TestStores } from './test-kit/stores.ts';
import { type CommonKind, commonForm, commonForms, commonKind } from './shared-form.ts';
import { Throttle } from './throttle.ts';
import { verifyStore } from './verify-store.ts';

let stores: TestStores;

beforeAll(async () => {
  stores = await makeTestStores();
  await mkdir(stores.at('a').basePath);
});

afterAll(async () => {
  await stores.close();
});

const dataset = `verify_engines_${String(process.pid)}`;

/** One table of all that the engines can say in different words. */
const mixed: Readonly<Record<Engine, readonly string[]>> = {
  sqlite: [
    'CREATE TABLE mixed (flag BOOLEAN, big INTEGER, huge TEXT, price DECIMAL(10,2), weight REAL, name TEXT, raw BLOB, day DATE, ' +
      'at TIMESTAMP, tag UUID, doc JSON)',
    "INSERT INTO mixed VALUES (1, 9007199254740993, '170141183460469231731687303715884105727', 1.5, 0.1, 'é' || char(128512), x'00ff', " +
      "'2026-01-31', '2026-01-31T12:00:00.500', '4AC7A9E9-607C-4C8A-84F3-843F0191E3FD', '{\"b\":1,\"a\":[1.0]}')",
    "INSERT INTO mixed VALUES (0, -1, '-5', 100, -0.0, '', x'', '0001-01-01', '2026-01-31 12:00:00', NULL, '[]')",
    'INSERT INTO mixed VALUES (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)',
  ],
  duckdb: [
    'CREATE TABLE mixed (flag BOOLEAN, big BIGINT, huge HUGEINT, price DECIMAL(10,2), weight DOUBLE, name VARCHAR, raw BLOB, day DATE, ' +
      '"at" TIMESTAMP, tag UUID, doc JSON)',
    'INSERT INTO mixed VALUES (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (true, 9007199254740993, ' +
      "170141183460469231731687303715884105727, 1.50, 0.1, 'é' || chr(128512), '\\x00\\xFF'::BLOB, '2026-01-31', " +
      "'2026-01-31 12:00:00.5', '4ac7a9e9-607c-4c8a-84f3-843f0191e3fd', '{\"a\": [1], \"b\": 1}'), " +
      "(false, -1, -5, 100, '-0.0'::DOUBLE, '', ''::BLOB, '0001-01-01', '2026-01-31 12:00:00', NULL, '[]')",
  ],
  postgresql: [
    'CREATE TABLE mixed (flag boolean, big bigint, huge numeric, price numeric(10,2), weight double precision, name text, raw bytea, ' +
      'day date, at timestamp, tag uuid, doc jsonb)',
    "INSERT INTO mixed VALUES (true, 9007199254740993, 170141183460469231731687303715884105727, 1.5, 0.1, 'é' || chr(128512), " +
      "'\\x00ff', '2026-01-31', '2026-01-31 12:00:00.5', '4ac7a9e9-607c-4c8a-84f3-843f0191e3fd', '{\"b\":1,\"a\":[1.0]}'), " +
      "(false, -1, -5, 100, '-0', '', '', '0001-01-01', '2026-01-31 12:00:00', NULL, '[]'), " +
      '(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)',
  ],
};

const pairs = engines.flatMap((left) =>
  engines.filter((right) => right !== left).map((right) => [left, right] as const),
);

describe('between engines', () => {
  beforeAll(async () => {
    for (const engine of engines) {
      await stores.run(engine, stores.at('a'), dataset, [
        ...mixed[engine],
        ...numberedTable(engine, 't', 300),
      ]);
    }
  });

  test.each(pairs)(
    'a dataset in %s is its copy in %s, whatever words they use',
    async (engine, other) => {
      const result = await verifyStore(
        { ...stores.at('a'), engine, dataset, against: { engine: other }, showValues: true },
        { env: {}, segmentRows: 100 },
      );
      expect(
        result.tables.map(({ table, verdict, difference }) => [table, verdict, difference]),
      ).toEqual([
        ['mixed', 'match', undefined],
        ['t', 'match', undefined],
      ]);
    },
  );

  test.each([
    ['flag', 'UPDATE mixed SET flag = false WHERE flag'],
    ['big', 'UPDATE mixed SET big = 9007199254740992 WHERE big > 5'],
    ['huge', 'UPDATE mixed SET huge = 170141183460469231731687303715884105726 WHERE big > 5'],
    ['price', 'UPDATE mixed SET price = 1.51 WHERE big > 5'],
    ['weight', 'UPDATE mixed SET weight = 0.1000000001 WHERE big > 5'],
    ['name', "UPDATE mixed SET name = 'e' WHERE big > 5"],
    ['name', "UPDATE mixed SET name = NULL WHERE name = ''"],
    ['raw', "UPDATE mixed SET raw = '\\x00fe' WHERE big > 5"],
    ['day', "UPDATE mixed SET day = '2026-02-01' WHERE big > 5"],
    ['at', "UPDATE mixed SET at = '2026-01-31 12:00:00.500001' WHERE big > 5"],
    ['tag', "UPDATE mixed SET tag = '4ac7a9e9-607c-4c8a-84f3-843f0191e3fe' WHERE big > 5"],
    ['doc', 'UPDATE mixed SET doc = \'{"b":1,"a":[2]}\' WHERE big > 5'],
  ])('and a change of %s is seen: %s', async (column, change) => {
    const changed = `${dataset}_x`;
    await stores.run('postgresql', stores.at('a'), changed, [
      'DROP TABLE IF EXISTS mixed',
      ...mixed.postgresql,
      change,
    ]);
    const result = await verifyStore(
      {
        ...stores.at('a'),
        engine: 'sqlite',
        dataset,
        tables: ['mixed'],
        against: { engine: 'postgresql', dataset: changed },
      },
      { env: {} },
    );
    expect(result.tables[0]?.difference).toMatchObject({
      columns: [column],
      rows: { left: 1, right: 1 },
    });
  });
});

describe.each(engines)('%s, while others write', (engine) => {
  test('through both legs there is a match in one snapshot, and what was written meanwhile is not in it', async () => {
    const name = `${dataset}_w`;
    await stores.run(engine, stores.at('a'), name, numberedTable(engine, 't', 1_500));
    let writing: Promise<void> = Promise.resolve();
    let writes = 0;
    const result = await verifyStore(
      {
        ...stores.at('a'),
        engine,
        dataset: name,
        onProgress: () => {
          if (writes >= 10) return;
          writes += 1;
          writing = writing.then(() =>
            stores.run(engine, stores.at('a'), name, [
              "UPDATE t SET name = name || '!'",
              'DELETE FROM t WHERE id = 1400',
              "INSERT INTO t VALUES (5000, 'new', 1.0, 1)",
            ]),
          );
        },
      },
      {
        env: {},
        segmentRows: 50,
        throttle: {
          load: () => 0,
          nowMs: () => 0,
          sleep: async () => undefined,
          // Each part waits for the write that was begun, so that there is one between any two.
          yield: async () => {
            await writing;
          },
        },
      },
    );
    await writing;
    expect(writes).toBe(10);
    expect(result).toMatchObject({ verdict: 'match' });
    expect(result.tables[0]).toMatchObject({
      rows: { left: 1_500, right: 1_500 },
      compared: { snapshot: 'shared' },
    });
  });
});

test('two stores that are written to one after the other race; what differs for good is still found', async () => {
  const name = `${dataset}_r`;
  const [left, right] = [stores.at('a'), stores.at('b')];
  await mkdir(right.basePath);
  for (const store of [left, right])
    await stores.run('sqlite', store, name, numberedTable('sqlite', 't', 500));
  await stores.run('sqlite', right, name, ['DELETE FROM t WHERE id = 100']);
  let rounds = 0;
  const verify = (atRound: (round: number) => Promise<void>): ReturnType<typeof verifyStore> => {
    let phase = '';
    let writing: Promise<void> = Promise.resolve();
    return verifyStore(
      {
        ...left,
        engine: 'sqlite',
        dataset: name,
        against: { basePath: right.basePath },
        by: 'values',
        onProgress: (progress) => {
          if (progress.phase === 'locate' && phase !== 'locate') {
            rounds += 1;
            writing = atRound(rounds);
          }
          phase = progress.phase;
        },
      },
      {
        env: {},
        segmentRows: 50,
        throttle: {
          load: () => 0,
          nowMs: () => 0,
          sleep: async () => undefined,
          yield: async () => {
            await writing;
            await setImmediate();
          },
        },
      },
    );
  };
  // The copy catches up after the first look.
  const raced = await verify(async () => {
    await stores.run('sqlite', left, name, ['DELETE FROM t WHERE id = 100']);
  });
  expect(raced).toMatchObject({ verdict: 'raced', counts: { raced: 1 } });
  // One row stays different while others come and go.
  await stores.run('sqlite', right, name, ["UPDATE t SET name = 'x' WHERE id IN (7, 1)"]);
  const found = await verify(async () => {
    await stores.run('sqlite', left, name, ["UPDATE t SET name = 'x' WHERE id = 1"]);
  });
  expect(found.tables[0]).toMatchObject({
    verdict: 'mismatch',
    difference: { class: 'value', rows: { left: 1, right: 1 }, samples: [{ row: 7 }] },
  });
});

describe('the form that values of two engines have in common', () => {
  test.each<[CommonKind, unknown, unknown]>([
    ['decimal', '1.50', 1.5],
    ['decimal', '-0.500', -0.5],
    ['decimal', 1e21, '1000000000000000000000'],
    ['decimal', '0.00', 0],
    ['decimal', '1e-7', '0.0000001'],
    ['decimal', 1e-7, '0.00000010'],
    ['decimal', 12345678901234567890n, '12345678901234567890.0'],
    ['boolean', 1, true],
    ['boolean', 'false', false],
    ['single', 0.1, 0.10000000149011612],
    ['padded', 'a  ', 'a'],
    ['timestamp', '2026-01-31T12:00:00.100', '2026-01-31 12:00:00.1'],
    ['timestamp', '0044-03-15 00:00:00 (BC)', '0044-03-15 00:00:00 BC'],
    ['zoned', '2026-01-31T12:00:00.000Z', '2026-01-31 12:00:00+00'],
    ['json', '{"a":1,"b":[1.0]}', { b: [1], a: 1 }],
    ['integer', '9007199254740993', 9007199254740993n],
    ['date', '2026-01-31 00:00:00', '2026-01-31'],
    ['single', 1e-45, 1.401298464324817e-45],
    ['timestamp', '0044-03-15 (BC) 12:00:00', '0044-03-15 12:00:00 BC'],
    ['zoned', '0044-03-15 (BC) 12:00:00+00', '0044-03-15 12:00:00+00 BC'],
    ['interval', '00:00:00', '00:00:00'],
    ['interval', '1 year 2 months 3 days 04:05:06.7', '1 year 2 mons 3 days 04:05:06.7'],
    ['interval', '-1 year -2 months', '-1 years -2 mons'],
    ['interval', '1 month -1 day 03:00:00', '1 mon -1 days +03:00:00'],
    ['interval', '-1 day 02:00:00', '-1 days +02:00:00'],
    ['json', '[9007199254740993]', [9007199254740993n]],
    ['json', '{"#a":1}', { '#a': 1 }],
    ['json', '[-0]', [0]],
  ])('%s: %p is %p', (kind, a, b) => {
    const form = commonForms[kind];
    expect(form?.(a as never)).toEqual(form?.(b as never));
  });

  test.each<[CommonKind, unknown, unknown]>([
    ['decimal', '1.5', '15'],
    ['decimal', '1e1', '1'],
    ['decimal', '', '0'],
    ['decimal', '0.10', '0.01'],
    ['json', 'abc', '"abc"'],
    ['boolean', 2, true],
    ['timestamp', '2026-01-31 12:00:00.01', '2026-01-31 12:00:00.1'],
    ['integer', '1.0', 1],
    ['json', '1', '"1"'],
    ['zoned', '2026-01-31 12:00:00+02', '2026-01-31 12:00:00+00'],
    ['json', '9007199254740993', '9007199254740992'],
    ['single', 16777217, 16777216],
    ['single', 0.123456789, Math.fround(0.123456789)],
    ['json', '{"#number":"1e0"}', '1'],
    ['json', '[null]', [NaN]],
    ['json', [Infinity], [-Infinity]],
    ['json', '["9007199254740993"]', [9007199254740993n]],
    ['interval', '24:00:00', '1 day'],
    ['interval', '1 month', '30 days'],
    ['interval', '-00:00:01', '00:00:01'],
    ['timestamp', '0044-03-15 (BC) 12:00:00', '0044-03-15 12:00:00'],
    ['json', '{"#number":"123456789012345678905e-1"}', '12345678901234567890.5'],
  ])('%s: %p is not %p', (kind, a, b) => {
    const form = commonForms[kind];
    expect(form?.(a as never)).not.toEqual(form?.(b as never));
  });

  test.each<[string, unknown, string, unknown, boolean]>([
    ['FLOAT[]', [0.10000000149011612, null], 'real[]', [0.1, null], true],
    ['DECIMAL(5,2)[]', ['1.50'], 'numeric[]', ['1.5'], true],
    ['DATE[]', ['0044-03-15 (BC)'], 'date[]', ['0044-03-15 BC'], true],
    ['INTEGER[][]', [[1], [2]], 'integer[]', [[1], [2]], true],
    ['DOUBLE[]', [NaN], 'double precision[]', [null], false],
    ['DOUBLE[]', [-0], 'double precision[]', [0], false],
    ['DOUBLE[]', [NaN], 'double precision[]', [NaN], true],
    ['BLOB[]', [Uint8Array.of(0)], 'bytea[]', [Buffer.of(0)], true],
    ['INTEGER[]', [], 'integer[]', [null], false],
    ['STRUCT(a INTEGER)[]', [{ a: 1 }], 'jsonb', '[{"a": 1.0}]', true],
    ['VARCHAR[]', ['1'], 'jsonb', '[1]', false],
  ])('DuckDB %s %j and PostgreSQL %s %j are one: %p', (duckdb, a, postgresql, b, one) => {
    const form =
      commonForm({ engine: 'duckdb', type: duckdb }, { engine: 'postgresql', type: postgresql }) ??
      ((value) => value);
    expect(findDifference([form(a as never)], [form(b as never)], true) === undefined).toBe(one);
  });

  test.each<[string, string, CommonKind]>([
    ['BOOLEAN', 'boolean', 'boolean'],
    ['TEXT', 'jsonb', 'json'],
    ['INTEGER', 'numeric(10,2)', 'decimal'],
    ['REAL', 'real', 'single'],
    ['TEXT', 'text', 'text'],
    ['TEXT', 'integer[]', 'json'],
    ['', 'text', 'text'],
    ['DATETIME', 'timestamp with time zone', 'zoned'],
    ['VARCHAR(3)', 'character(3)', 'padded'],
  ])('SQLite %s and PostgreSQL %s meet as %s', (sqlite, postgresql, kind) => {
    expect(
      commonKind({ engine: 'sqlite', type: sqlite }, { engine: 'postgresql', type: postgresql }),
    ).toBe(kind);
  });
});

test('it rests as long as the load is high, and longer where others of the process wait', async () => {
  const slept: number[] = [];
  const loads = [0.9, 0.95, 0.4];
  let now = 0;
  const throttle = new Throttle({ maxLoad: 0.8, maxDelayMs: 10, pauseMs: 5 }, undefined, {
    load: () => loads.shift() ?? 0,
    nowMs: () => now,
    yield: async () => {
      now += 30;
    },
    sleep: async (durationMs) => {
      slept.push(durationMs);
      now += durationMs;
    },
  });
  const reasons: string[] = [];
  await throttle.between((why) => {
    reasons.push(why);
  });
  expect(slept).toEqual([120, 5, 1_000, 1_000]);
  expect(reasons).toEqual([
    'the load is 0.90 a processor, above 0.8',
    'the load is 0.95 a processor, above 0.8',
  ]);
  const stop = AbortSignal.abort(new Error('enough'));
  await expect(new Throttle({}, stop).between(() => undefined)).rejects.toThrow('enough');
});
