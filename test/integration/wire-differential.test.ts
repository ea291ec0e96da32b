import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { StorageBackend as LegacyStorage } from '@changeover/legacy';
import { type StorageApi, StorageBackendFactory, type StorageError } from 'changeover';
import fc from 'fast-check';
import { TcpProxy } from '../kit/tcp-proxy.ts';

// The pooled leg reads PostgreSQL's protocol by itself; the legacy leg goes over the driver's own parser. Random answers in random
// pieces must be the same on both, and so must errors in the middle of one.

/** A long run says how many: `CHANGEOVER_TEST_CASES=100000 npm test -- test/integration/wire-differential`. */
const cases = Number(process.env['CHANGEOVER_TEST_CASES'] ?? 400);
const seed = Number(process.env['CHANGEOVER_TEST_SEED'] ?? 20261128);
const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
const dataset = `wire_${process.pid.toString(36)}`;

let basePath: string;
let proxy: TcpProxy;
let factory: StorageBackendFactory;
let pooled: StorageApi;
let legacy: ReturnType<typeof LegacyStorage.getInstance>;

beforeAll(async () => {
  basePath = mkdtempSync(join(tmpdir(), 'changeover-wire-'));
  proxy = await TcpProxy.start(databaseUrl);
  factory = new StorageBackendFactory({ basePath, databaseUrl: proxy.urlFor(databaseUrl) });
  pooled = factory.storage('postgresql');
  LegacyStorage.configure({ basePath, databaseUrl });
  legacy = LegacyStorage.getInstance('postgresql');
  await legacy.createDataset(dataset);
});

afterAll(async () => {
  await legacy.dropDataset(dataset);
  await legacy.closeConnections();
  await factory.close();
  await proxy.stop();
  rmSync(basePath, { recursive: true, force: true });
});

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
/** What PostgreSQL can hold in a text. */
const text = fc
  .string({ unit: 'grapheme', maxLength: 40 })
  .map((each) => each.replaceAll('\u0000', ''));
const whole = (bits: number): fc.Arbitrary<string> =>
  fc.bigInt({ min: -(2n ** BigInt(bits - 1)), max: 2n ** BigInt(bits - 1) - 1n }).map(String);
const number = fc.oneof(
  fc.double().map((each) => (Object.is(each, -0) ? '-0' : String(each))),
  fc.constantFrom('NaN', 'Infinity', '-Infinity', '-0', '5e-324'),
);
const moment = fc.oneof(
  fc
    .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
    .map((each) => each.toISOString()),
  fc.constantFrom('infinity', '-infinity', '0044-03-15 12:00:00 BC', '10000-01-01 00:00:00.000001'),
);

/** Texts that each type takes. */
const types: Readonly<Record<string, fc.Arbitrary<string>>> = {
  boolean: fc.constantFrom('t', 'f'),
  smallint: whole(16),
  integer: whole(32),
  bigint: whole(64),
  real: fc.constantFrom('NaN', 'Infinity', '-0', '1.5', '3.4028235e38', '0.1', '16777217'),
  'double precision': number,
  numeric: fc.oneof(
    fc.tuple(whole(100), fc.nat(30)).map(([digits, scale]) => `${digits}e-${String(scale)}`),
    fc.constantFrom('NaN', 'Infinity', '0.00', '-0.0'),
  ),
  text,
  'varchar(200)': text,
  'char(50)': text,
  name: text.map((each) => each.slice(0, 10)),
  bytea: fc.uint8Array({ maxLength: 40 }).map((each) => `\\x${Buffer.from(each).toString('hex')}`),
  date: moment,
  timestamp: moment,
  timestamptz: moment,
  time: fc.constantFrom('00:00:00', '23:59:59.999999', '24:00:00', '12:34:56.5'),
  interval: fc.constantFrom(
    '1 year 2 mons -3 days 04:05:06.789',
    '0',
    '-00:00:00.000001',
    '99 years',
  ),
  uuid: fc.uuid(),
  json: fc.json(),
  jsonb: fc.json().filter((each) => !each.includes('\\u0000')),
  'integer[]': fc.constantFrom('{}', '{1,2,NULL}', '{{1,2},{3,4}}'),
  'text[]': fc.constantFrom('{}', '{"a b",NULL,"NULL","\\"x"}', '{"{",","}'),
  'bytea[]': fc.constantFrom('{}', '{"\\\\x00ff",NULL}'),
  inet: fc.constantFrom('127.0.0.1', '::1/64'),
  int4range: fc.constantFrom('empty', '[1,5)', '(,)'),
};

interface Column {
  readonly name: string;
  readonly type: string;
  readonly values: readonly (string | undefined)[];
}

/** So many values of a column are made up; a longer answer has them again and again. */
const madeUp = 12;
/** A result of many rows is read by a function that is made for its columns: here from 100 on. */
const manyRows = { min: 95, max: 260 } as const;
const column: fc.Arbitrary<Column> = fc.constantFrom(...Object.keys(types)).chain((type) =>
  fc.record({
    // Two columns may have one name.
    name: fc
      .oneof(
        fc.constantFrom('a', 'A', 'id', 'Count', '?column?', '__proto__', 'valueOf'),
        text
          .filter((name) => name !== '')
          .map((name) => Buffer.from(name).subarray(0, 20).toString().replaceAll('\ufffd', '')),
      )
      .filter((name) => name !== ''),
    type: fc.constant(type),
    values: fc.array(fc.option(types[type] as fc.Arbitrary<string>, { nil: undefined, freq: 6 }), {
      minLength: madeUp,
      maxLength: madeUp,
    }),
  }),
);

/** One statement: columns of random types, so many rows, and where it fails. */
const statement = fc
  .record({
    columns: fc.array(column, { minLength: 1, maxLength: 8 }),
    rows: fc.oneof(
      { weight: 3, arbitrary: fc.nat(madeUp) },
      { weight: 1, arbitrary: fc.integer(manyRows) },
    ),
    failsAt: fc.oneof(
      { weight: 5, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: madeUp }) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: manyRows.max }) },
    ),
  })
  .map(({ columns, rows, failsAt }) => {
    const list = columns
      .map(
        ({ name, type, values }) =>
          `(ARRAY[${values
            .map((value) => (value === undefined ? 'NULL' : quoted(value)))
            .join(
              ',',
            )}]::text[])[(g - 1) % ${String(madeUp)} + 1]::${type} AS "${name.replaceAll('"', '""')}"`,
      )
      .join(', ');
    // Known only when that row is made, which may be after others were sent.
    const failure = failsAt === undefined ? '' : `, 1 / (g - ${String(failsAt)}) AS failure`;
    return `SELECT ${list}${failure} FROM generate_series(1, ${String(rows)}) g`;
  });

/** An answer with the class of each value, or what an error says. */
async function outcomeOf(storage: Pick<StorageApi, 'query'>, sql: string): Promise<unknown> {
  try {
    const { columns, rows } = await storage.query(dataset, sql);
    return {
      columns,
      rows,
      classes: rows.map((row) => Object.values(row).map((value) => classOf(value))),
    };
  } catch (error) {
    const { name, code, message, engineCode } = error as StorageError & { engineCode?: unknown };
    return { name, code, message, engineCode };
  }
}

function classOf(value: unknown): string {
  return typeof value === 'object' && value !== null
    ? ((Object.getPrototypeOf(value) as { constructor?: { name: string } } | null)?.constructor
        ?.name ?? 'none')
    : typeof value;
}

test(
  `${String(cases)} random statements have the answers and errors that the driver gives, however these are cut into pieces`,
  async () => {
    const answered = { rows: 0, many: 0, errors: 0 };
    await fc.assert(
      fc.asyncProperty(
        statement,
        fc.infiniteStream(fc.integer({ min: 1, max: 200 })),
        fc.constantFrom(1, 50),
        async (sql, pieces, times) => {
          const lengths = pieces[Symbol.iterator]();
          proxy.pieceBytes = () => times * (lengths.next().value as number);
          const expected = await outcomeOf(legacy, sql);
          const found = await outcomeOf(pooled, sql);
          expect(found).toStrictEqual(expected);
          const { rows } = found as { readonly rows?: readonly unknown[] };
          if (rows === undefined) answered.errors += 1;
          else answered.rows += 1;
          if (rows !== undefined && rows.length >= manyRows.min) answered.many += 1;
        },
      ),
      { seed, numRuns: cases },
    );
    expect(answered.rows).toBeGreaterThan(cases / 4);
    expect(answered.many).toBeGreaterThan(cases / 10);
    expect(answered.errors).toBeGreaterThan(0);
  },
  60_000 + cases * 100,
);
