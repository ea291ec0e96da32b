import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Engine, StorageApi as StorageBackend } from 'changeover';
import {
  answerOrCode,
  atEachStage,
  type FourStages,
  ofEachStage,
  openFourStages,
} from './four-stages.ts';

// What a caller hands in may be anything. It gets the same answer or the same kind of error at each stage, and soon.

const engines: readonly Engine[] = ['sqlite', 'duckdb', 'postgresql'];
let opened: FourStages;
const unhandled: unknown[] = [];
const note = (error: unknown): void => {
  unhandled.push(error);
};

beforeAll(() => {
  opened = openFourStages();
  process.on('unhandledRejection', note);
});
afterAll(async () => {
  await opened.close();
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});

type Call = (storage: StorageBackend, dataset: string, engine: Engine) => Promise<unknown>;

/** As callers without types hand it in. */
const any = (value: unknown): never => value as never;

const revoked = (): unknown => {
  const { proxy, revoke } = Proxy.revocable({ a: 1 }, {});
  revoke();
  return proxy;
};
const thrown = (): never => {
  throw new Error('thrown by an argument');
};
const trapped = (): unknown =>
  new Proxy({}, { get: thrown, ownKeys: thrown, has: thrown, getOwnPropertyDescriptor: thrown });
const cyclic = (): unknown => {
  const made: Record<string, unknown> = {};
  made['itself'] = made;
  return made;
};
const deep = (levels: number): unknown => {
  let made: unknown = 1;
  for (let level = 0; level < levels; level += 1) made = { made };
  return made;
};
class Money {
  readonly cents: number;
  constructor(cents: number) {
    this.cents = cents;
  }
  toJSON(): string {
    return `${this.cents / 100} €`;
  }
}
class OneRow {
  get limit(): number {
    return 1;
  }
}
const one = (engine: Engine): string => (engine === 'postgresql' ? '$1' : '?');

const stored =
  (value: () => unknown): Call =>
  async (storage, dataset) => {
    await storage.writeTable(dataset, 'made', any([{ a: value() }]), { ifExists: 'replace' });
    return await storage.readTable(dataset, 'made');
  };
const bound =
  (value: () => unknown): Call =>
  async (storage, dataset, engine) => {
    await storage.execute(dataset, `INSERT INTO texts VALUES (${one(engine)})`, any([value()]));
    return await storage.readTable(dataset, 'texts');
  };
const read =
  (options: () => unknown): Call =>
  (storage, dataset) =>
    storage.readTable(dataset, 'numbers', any(options()));

const written = (text: string): unknown => [{ a: text }];
const refused = { error: 'INVALID_ARGUMENT' };
const failed = { error: 'STATEMENT_FAILED' };

const values: readonly (readonly [string, () => unknown, unknown])[] = [
  ['a nested value with a toJSON of its class', () => new Money(250), written('"2.5 €"')],
  ['a list of these', () => [new Money(100)], 'a list'],
  ['a URL', () => new URL('https://example.org/a'), written('"https://example.org/a"')],
  ['a proxy of a plain object', () => new Proxy({ x: 1 }, {}), written('{"x":1}')],
  ['an object with a function in it', () => ({ f: thrown, x: 1 }), written('{"x":1}')],
  [
    'an object without a prototype',
    () => Object.assign(Object.create(null) as object, { x: 1 }),
    written('{"x":1}'),
  ],
  ['a list with a hole', () => [1, , 3], 'a list'],
  ['a promise', () => Promise.resolve(1), written('{}')],
  ['a map', () => new Map([[1, 2]]), written('{}')],
  ['a symbol', () => Symbol('a'), refused],
  ['a function', () => thrown, refused],
  ['an object that refers to itself', cyclic, refused],
  ['an object whose toJSON throws', () => ({ toJSON: thrown }), refused],
  ['an object 20,000 levels deep', () => deep(20_000), refused],
];

const calls: readonly (readonly [string, Call, unknown])[] = [
  ['options that are a revoked proxy', read(revoked), failed],
  ['options whose traps throw', read(trapped), failed],
  [
    'options whose getter throws',
    read(() => ({
      get limit() {
        return thrown();
      },
    })),
    failed,
  ],
  ['options of a class', read(() => new OneRow()), [{ id: 1 }]],
  ['options that inherit', read(() => Object.create({ limit: 1 })), [{ id: 1 }]],
  ['options that are a proxy', read(() => new Proxy({ limit: 1 }, {})), [{ id: 1 }]],
  ['a condition that is a proxy', read(() => ({ where: new Proxy({ id: 2 }, {}) })), [{ id: 2 }]],
  [
    'a condition with a list that is a proxy',
    read(() => ({ where: { id: new Proxy([2], {}) } })),
    [{ id: 2 }],
  ],
  ['a limit that only says it is a number', read(() => ({ limit: { valueOf: () => 1 } })), refused],
  [
    'a row that is a revoked proxy',
    (storage, dataset) => storage.writeTable(dataset, 'made', any([revoked()])),
    failed,
  ],
  [
    'a row whose traps throw',
    (storage, dataset) => storage.writeTable(dataset, 'made', any([trapped()])),
    failed,
  ],
  [
    'a row whose getter throws',
    (storage, dataset) =>
      storage.writeTable(
        dataset,
        'none',
        any([
          {
            get a() {
              return thrown();
            },
          },
        ]),
      ),
    failed,
  ],
  [
    'parameters that are a revoked proxy',
    (storage, dataset) => storage.query(dataset, 'SELECT 1 AS x', any(revoked())),
    failed,
  ],
  [
    'parameters that are no list',
    (storage, dataset) => storage.query(dataset, 'SELECT 1 AS x', any({ length: 1 })),
    refused,
  ],
  [
    'a parameter that is a hole',
    async (storage, dataset, engine) => {
      await storage.execute(dataset, `INSERT INTO texts VALUES (${one(engine)})`, any(Array(1)));
      return await storage.readTable(dataset, 'texts');
    },
    [{ a: null }],
  ],
  [
    'metadata that is a proxy',
    async (storage, dataset) => {
      await storage.updateMetadata(dataset, any(new Proxy({ a: new Money(5) }, {})));
      return await storage.getMetadata(dataset);
    },
    { a: '0.05 €' },
  ],
  [
    'metadata that refers to itself',
    (storage, dataset) => storage.updateMetadata(dataset, any({ a: cyclic() })),
    refused,
  ],
  [
    'a statement that only says it is a text',
    (storage, dataset) => storage.query(dataset, any({ toString: thrown })),
    refused,
  ],
  [
    'a table that only says it is a text',
    (storage, dataset) => storage.readTable(dataset, any({ toString: thrown })),
    { error: 'INVALID_NAME' },
  ],
  [
    'a transaction that throws undefined',
    (storage, dataset) =>
      storage.transaction(dataset, () => {
        throw undefined;
      }),
    { error: 'no code: undefined' },
  ],
];

/** Text that took seconds to be read by patterns, or for ever. */
const texts: readonly (readonly [string, (engine: Engine) => string, unknown])[] = [
  [
    'a comment of 400 KB',
    () => `/*${' a'.repeat(200_000)}*/ SELECT 1 AS x`,
    { columns: ['x'], rows: [{ x: 1 }] },
  ],
  ['a comment of 400 KB that nothing closes', () => `/*${' a'.repeat(200_000)}`, 'an error'],
  ['60 KB of comments that open', () => `${'/*'.repeat(30_000)}SELECT 1`, 'an error'],
  [
    '30 comments before a word',
    () => `${'/**/'.repeat(30)} SELECT 1 AS x`,
    { columns: ['x'], rows: [{ x: 1 }] },
  ],
  [
    'a text of 400 KB',
    () => `SELECT length('${"''".repeat(200_000)}') AS x`,
    { columns: ['x'], rows: [{ x: 200_000 }] },
  ],
  ['quotes that nothing closes', () => `SELECT 1 ${'"\''.repeat(30_001)}`, 'an error'],
  ['dollars that nothing closes', () => `SELECT ${'$a$$b'.repeat(20_000)}`, 'an error'],
  ['blanks before a sign', () => `SELECT ${' '.repeat(200_000)}!`, 'an error'],
  ['thousands of calls that nothing closes', () => `SELECT ${'date('.repeat(20_000)}`, 'an error'],
];

describe.each(engines)('%s', (engine) => {
  const dataset = `hostile_${process.pid.toString(36)}`;
  const storage = (): StorageBackend => opened.bridge.storage(engine);

  beforeAll(async () => {
    opened.setStage('legacy');
    await storage().createDataset(dataset);
    await storage().writeTable(dataset, 'numbers', [{ id: 1 }, { id: 2 }]);
    await storage().execute(dataset, 'CREATE TABLE texts (a text)');
  });
  afterAll(async () => {
    opened.setStage('legacy');
    await storage().dropDataset(dataset);
  });

  const told = (call: Call) =>
    ofEachStage(async (stage) => {
      opened.setStage('legacy');
      await storage().execute(dataset, 'DELETE FROM texts');
      opened.setStage(stage);
      const answer = await answerOrCode(() => call(storage(), dataset, engine));
      await opened.bridge.idle();
      return answer;
    });

  test.each(values)('stores %s as it does at each stage', async (_name, value, expected) => {
    const asWritten = await told(stored(value));
    expect(asWritten).toEqual(atEachStage(asWritten.legacy));
    const asBound = await told(bound(value));
    // PostgreSQL has a form of its own for lists.
    expect(asBound).toEqual(atEachStage(expected === 'a list' ? asBound.legacy : expected));
  });

  test.each(calls)('answers %s alike at each stage', async (_name, call, expected) => {
    expect(await told(call)).toEqual(atEachStage(expected));
  });

  test('finds no table of a name that no statement has room for, as it never did', async () => {
    const missing = await told((storage, name) => storage.readTable(name, 'x'.repeat(1_000_000)));
    expect(missing.legacy).toHaveProperty('error');
    expect(missing).toEqual(atEachStage(missing.legacy));
  });

  test.each(texts)('reads %s once, by query and execute', async (_name, text, expected) => {
    const sql = text(engine);
    const queried = await told((storage, dataset) => storage.query(dataset, sql));
    if (expected === 'an error') expect(queried.legacy).toHaveProperty('error');
    else expect(queried.legacy).toEqual(expected);
    expect(queried).toEqual(atEachStage(queried.legacy));
    const executed = await told((storage, dataset) => storage.execute(dataset, sql));
    expect(executed).toEqual(atEachStage(executed.legacy));
  });
});
