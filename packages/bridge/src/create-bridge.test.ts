import { EventEmitter } from 'node:events';
import { inspect } from 'node:util';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Stage, stages } from '@changeover/core';
import {
  bridgeOf,
  bySql,
  caller,
  control,
  createBridge,
  createStaticStageSource,
  legacyOnly,
  read,
  silentLogger,
  type StaticStageSource,
  sub,
  transaction,
  write,
} from './index.ts';

const open: object[] = [];
afterEach(async () => {
  for (const object of open.splice(0)) await bridgeOf(object).close();
});

/** Settings of a bridge that keeps nothing and follows `stage`. */
function settings(stage: Stage | StaticStageSource) {
  return {
    storePath: ':memory:',
    logger: silentLogger,
    guardrail: { mode: 'report' as const },
    stages: typeof stage === 'string' ? createStaticStageSource(() => stage) : stage,
  };
}

/** Runs at each await, and can be built on further. */
function queryBuilder(rows: readonly number[]) {
  const builder = {
    runs: 0,
    where: () => builder,
    then: (done: (rows: unknown) => void) => {
      builder.runs += 1;
      done(rows);
    },
  };
  return builder;
}

function opened<T extends object>(object: T): T {
  open.push(object);
  return object;
}

/** A singleton of the usual kind: private state, getters, a transaction, itself as an answer. */
class Notes {
  #rows: { id: number; text: string }[] = [{ id: 1, text: 'first' }];
  readonly log: string[] = [];
  title = 'notes';
  leg: string;
  constructor(leg = 'legacy') {
    this.leg = leg;
  }
  get count(): number {
    return this.#rows.length;
  }
  set first(text: string) {
    this.log.push('first =');
    this.#rows[0] = { id: 1, text };
  }
  list(limit?: number): { id: number; text: string }[] {
    this.log.push('list');
    return this.#rows.slice(0, limit).map((row) => ({ ...row }));
  }
  async listLater(): Promise<{ id: number; text: string }[]> {
    this.log.push('listLater');
    return this.list();
  }
  add(text: string): number {
    this.log.push(`add ${text}`);
    if (text === '') throw new RangeError('an empty note');
    return this.#rows.push({ id: this.#rows.length + 1, text });
  }
  async addLater(text: string): Promise<number> {
    return this.add(text);
  }
  find(id: number, done: (error: unknown, row?: object, more?: string) => void): void {
    this.log.push('find');
    setImmediate(() => {
      if (id < 0) done(new RangeError('no such note'));
      else done(null, { id }, 'more');
    });
  }
  inTransaction<R>(work: (notes: Notes) => R): R {
    this.log.push('begin');
    return work(this);
  }
  *each(): Generator<number> {
    yield 1;
  }
  self(): this {
    return this;
  }
  async selfLater(): Promise<this> {
    return this;
  }
  close(): string {
    this.log.push('close');
    return 'closed';
  }
}

function bridgedNotes(stage: Stage | StaticStageSource) {
  const legacy = new Notes();
  const pooled = new Notes('pooled');
  const notes = opened(
    createBridge({
      ...settings(stage),
      name: 'notes',
      legacy: () => legacy,
      pooled: () => pooled,
      operations: {
        list: read.rows(),
        listLater: read.rows(),
        add: write(),
        addLater: write(),
        find: read({ callback: 'last' }),
        inTransaction: transaction(),
        each: read(),
        self: read(),
        selfLater: write(),
        close: control(),
      },
    }),
  );
  return { notes, legacy, pooled };
}

const answering = (stage: Stage): 'legacy' | 'pooled' =>
  stage === 'legacy' || stage === 'shadow' ? 'legacy' : 'pooled';

describe.each(stages)('at %s', (stage) => {
  test('a synchronous read answers in the same tick, from the answering leg', async () => {
    const { notes, legacy, pooled } = bridgedNotes(stage);
    expect(notes.list()).toEqual([{ id: 1, text: 'first' }]);
    expect({ legacy, pooled }[answering(stage)].log).toEqual(['list']);
    await bridgeOf(notes).idle();
    const both = stage === 'shadow' || stage === 'reverse';
    expect(legacy.log.length + pooled.log.length).toBe(both ? 2 : 1);
    const { match, shed } = bridgeOf(notes).recorder.summary().totals;
    expect([match, shed]).toEqual([both ? 1 : 0, 0]);
  });

  test('an asynchronous read answers a promise', async () => {
    const { notes } = bridgedNotes(stage);
    const answer = notes.listLater();
    expect(answer).toBeInstanceOf(Promise);
    expect(await answer).toEqual([{ id: 1, text: 'first' }]);
  });

  test('a write is made once, synchronous and asynchronous', async () => {
    const { notes, legacy, pooled } = bridgedNotes(stage);
    expect(notes.add('two')).toBe(2);
    expect(await notes.addLater('three')).toBe(3);
    await bridgeOf(notes).idle();
    expect([...legacy.log, ...pooled.log]).toEqual(['add two', 'add three']);
  });

  test('what a call throws reaches the caller as it is, at once', () => {
    const { notes } = bridgedNotes(stage);
    expect(() => notes.add('')).toThrow(new RangeError('an empty note'));
    expect(bridgeOf(notes).recorder.summary().totals.failed).toBe(1);
  });

  test('a callback is called once, with all that the leg gave', async () => {
    const { notes } = bridgedNotes(stage);
    const calls: unknown[][] = [];
    await new Promise<void>((resolve) => {
      notes.find(7, (...outcome: unknown[]) => {
        calls.push(outcome);
        resolve();
      });
    });
    await new Promise<void>((resolve) => {
      notes.find(-1, (...outcome: unknown[]) => {
        calls.push(outcome);
        resolve();
      });
    });
    await bridgeOf(notes).idle();
    expect(calls).toEqual([[null, { id: 7 }, 'more'], [new RangeError('no such note')]]);
  });

  test('a method that takes a callback promises where it is given none', async () => {
    const { notes } = bridgedNotes(stage);
    const find = notes.find as unknown as (id: number) => Promise<object>;
    expect(await find(7)).toEqual({ id: 7 });
    await expect(find(-1)).rejects.toThrow('no such note');
  });

  test('a synchronous transaction stays synchronous and runs once, all of it on one leg', () => {
    const { notes, legacy, pooled } = bridgedNotes(stage);
    let runs = 0;
    const answer = notes.inTransaction(() => {
      runs += 1;
      notes.add('inside');
      return notes.list().length;
    });
    expect([answer, runs]).toEqual([2, 1]);
    const used = answering(stage) === 'legacy' ? legacy : pooled;
    expect(used.log).toEqual(['begin', 'add inside', 'list']);
    expect((used === legacy ? pooled : legacy).log).toEqual([]);
  });

  test("an iterator is the answering leg's, and is not compared", async () => {
    const { notes } = bridgedNotes(stage);
    expect([...notes.each()]).toEqual([1]);
    await bridgeOf(notes).idle();
    const { match, mismatch, inconclusive } = bridgeOf(notes).recorder.summary().totals;
    expect([match, mismatch, inconclusive]).toEqual([0, 0, 0]);
  });

  test('getters and properties come from the answering leg; private fields and instanceof work', () => {
    const { notes } = bridgedNotes(stage);
    expect([notes.count, notes.leg]).toEqual([1, answering(stage)]);
    expect(notes).toBeInstanceOf(Notes);
    const { list } = notes;
    expect(list()).toHaveLength(1);
    expect([notes.list.name, notes.list.length, notes.list === notes.list]).toEqual([
      'list',
      1,
      true,
    ]);
  });

  test('what is set is read again on whichever leg answers, and a setter runs once', () => {
    const { notes, legacy, pooled } = bridgedNotes(stage);
    notes.title = 'mine';
    expect([notes.title, legacy.title, pooled.title]).toEqual(['mine', 'mine', 'mine']);
    notes.first = 'changed';
    expect(notes.list()).toEqual([{ id: 1, text: 'changed' }]);
    expect([...legacy.log, ...pooled.log].filter((line) => line === 'first =')).toHaveLength(1);
  });

  test('it is shown as the legacy object is', () => {
    const { notes, legacy } = bridgedNotes(stage);
    expect(inspect(notes)).toBe(inspect(legacy));
    expect(Object.getOwnPropertySymbols(notes)).toEqual([]);
  });

  test('a method that answers its own leg answers the bridge, promised or not', async () => {
    const { notes } = bridgedNotes(stage);
    expect(notes.self()).toBe(notes);
    expect(await notes.selfLater()).toBe(notes);
  });

  test('a control call reaches both legs', async () => {
    const { notes, legacy, pooled } = bridgedNotes(stage);
    await (notes.close() as unknown as Promise<string>);
    expect([legacy.log, pooled.log]).toEqual([['close'], ['close']]);
  });
});

test('an operation whose pooled leg can only promise goes no further than shadow', async () => {
  const source = createStaticStageSource(() => 'shadow');
  const legacy = { get: (id: number) => ({ id }) };
  const pooled = { get: async (id: number) => ({ id }) };
  const store = opened(
    createBridge({
      ...settings(source),
      name: 'store',
      legacy: () => legacy,
      pooled: () => pooled,
      operations: { get: read() },
    }),
  );
  expect(store.get(1)).toEqual({ id: 1 });
  await bridgeOf(store).idle();
  expect(bridgeOf(store).recorder.summary().totals.match).toBe(1);
  source.set(() => 'pooled');
  expect(store.get(2)).toEqual({ id: 2 });
});

describe('what would go wrong later is refused at the first use', () => {
  class Store {
    list(): number[] {
      return [];
    }
    other(): void {
      // Not declared.
    }
  }
  const make = (options: object): Store =>
    opened(
      createBridge({
        ...settings('legacy'),
        name: 'store',
        legacy: () => new Store(),
        pooled: () => new Store(),
        operations: { list: read.rows(), other: write() },
        ...options,
      }),
    );

  test('a pooled leg without a declared method, by name', () => {
    expect(() => make({ pooled: () => Object.assign({}, new Store()) }).list()).toThrow(
      /the pooled leg has no method list: .*; the pooled leg has no method other/,
    );
  });

  test('a member that was not declared, with what to type', () => {
    const store = make({ operations: { list: read.rows() } });
    expect(() => store.list()).toThrow(/other is not declared: add other: read\(\)/);
  });

  test('or it stays with the legacy leg, where that is asked for', () => {
    const store = make({ operations: { list: read.rows() }, undeclared: 'legacy' });
    store.other();
    expect(store.list()).toEqual([]);
  });

  test('a declared member that the legacy leg lacks, with the one that was meant', () => {
    expect(() =>
      make({ operations: { lst: read.rows(), list: read(), other: write() } }).list(),
    ).toThrow(/the legacy leg has no method lst: did you mean "list"/);
  });

  test('a query builder, which runs at each await', () => {
    const builder = queryBuilder([]);
    const db = opened(
      createBridge({
        ...settings('legacy'),
        name: 'db',
        legacy: () => ({ table: () => builder }),
        pooled: () => ({ table: () => builder }),
        operations: { table: read() },
      }),
    );
    expect(() => db.table()).toThrow(/query builder, which runs at each await/);
    expect(builder.runs).toBe(0);
  });

  test('but not of a method that stays with the legacy leg: its caller has the builder, which runs when it is awaited', async () => {
    const builder = queryBuilder([1]);
    const db = opened(
      createBridge({
        ...settings('pooled'),
        name: 'db',
        legacy: () => ({ table: () => builder }),
        pooled: () => ({}),
        operations: { table: legacyOnly() },
      }),
    );
    const table = db.table().where();
    expect(builder.runs).toBe(0);
    expect(await table).toEqual([1]);
    expect(builder.runs).toBe(1);
  });

  test('but not of a read whose callers are said to await it at once: it runs once', async () => {
    const builder = queryBuilder([]);
    const db = opened(
      createBridge({
        ...settings('pooled'),
        name: 'db',
        legacy: () => ({ table: () => builder }),
        pooled: () => ({ table: () => builder }),
        operations: { table: read({ async: true }) },
      }),
    );
    await expect(db.table()).resolves.toEqual([]);
    expect(builder.runs).toBe(1);
  });

  test.each([[{}], [7], ['x'.repeat(201)]])('a key that is %p', (key) => {
    expect(() => make({ key: { list: () => key } }).list()).toThrow(
      /it must be a text of 1 to 200/,
    );
  });

  test('a leg that is no function, no operations, and one that was not called', () => {
    expect(() => make({ legacy: new Store() })).toThrow(/write legacy: \(\) => the object/);
    expect(() => make({ operations: undefined })).toThrow(/what each method is/);
    expect(() => make({ operations: { list: read, other: write() } })).toThrow(
      /list is declared as function: write list: read\(\)/,
    );
    expect(() => make({ operations: { inside: sub({ list: 'read' as never }) } })).toThrow(
      /inside\.list is declared as string/,
    );
  });

  test('a leg that gives nothing', () => {
    expect(() => make({ legacy: () => undefined }).list()).toThrow(
      /The legacy leg of "store" is undefined: legacy must give the object itself/,
    );
  });

  test('again at the next use, by the same legacy object', () => {
    let made = 0;
    const store = make({
      operations: { list: read.rows() },
      legacy: () => {
        made += 1;
        return new Store();
      },
    });
    expect(() => store.list()).toThrow(/other is not declared/);
    expect(() => store.list()).toThrow(/other is not declared/);
    expect(made).toBe(1);
  });

  test('an option that is none, and a name that flags can not have', () => {
    expect(() => make({ operatoins: {} })).toThrow(/did you mean "operations"/);
    expect(() => make({ name: 'my store' })).toThrow(/use 1 to 63 letters/);
  });
});

test('a thenable that can not be built on is started once', async () => {
  let runs = 0;
  const lazy = () => ({
    then: (done: (value: number) => void) => {
      runs += 1;
      done(runs);
    },
  });
  const db = opened(
    createBridge({
      ...settings('legacy'),
      name: 'db',
      legacy: () => ({ run: lazy }),
      pooled: () => ({ run: lazy }),
      operations: { run: write() },
    }),
  );
  expect(await db.run()).toBe(1);
  expect(runs).toBe(1);
});

test('instances of classes are inconclusive, never a match by what they show, unless told what they are compared as', async () => {
  class Secret {
    #value: number;
    constructor(value: number) {
      this.#value = value;
    }
    get value(): number {
      return this.#value;
    }
  }
  const make = (compareAs?: (answer: Secret) => unknown) =>
    opened(
      createBridge({
        ...settings('shadow'),
        name: 'secrets',
        legacy: () => ({ get: () => new Secret(1) }),
        pooled: () => ({ get: () => new Secret(2) }),
        operations: { get: read(compareAs === undefined ? {} : { compareAs }) },
      }),
    );
  const plain = make();
  plain.get();
  await bridgeOf(plain).idle();
  expect(bridgeOf(plain).recorder.summary().totals).toMatchObject({ match: 0, inconclusive: 1 });
  const told = make(({ value }) => value);
  for (let call = 0; call < 2; call += 1) {
    told.get();
    await bridgeOf(told).idle();
  }
  expect(bridgeOf(told).recorder.summary().totals.match).toBe(0);
  expect(bridgeOf(told).recorder.summary().totals.mismatch).toBeGreaterThan(0);
});

test('keys move by themselves, by what an argument or the surroundings say', () => {
  const stages = createStaticStageSource(({ dataset }) => (dataset === 'b' ? 'pooled' : 'legacy'));
  const leg = (name: string) => ({ who: (_tenant: string) => name });
  const store = opened(
    createBridge({
      ...settings(stages),
      name: 'store',
      legacy: () => leg('legacy'),
      pooled: () => leg('pooled'),
      operations: { who: read() },
      key: { who: (tenant) => tenant },
    }),
  );
  expect([store.who('a'), store.who('b')]).toEqual(['legacy', 'pooled']);
});

test('a statement that reads is compared, and one that acts or can not be told runs once', async () => {
  const log: string[] = [];
  const leg = (name: string) => ({
    query: async (sql: string): Promise<{ n: number }[]> => {
      log.push(`${name} ${sql}`);
      return [{ n: 1 }];
    },
  });
  const db = opened(
    createBridge({
      ...settings('shadow'),
      name: 'db',
      legacy: () => leg('legacy'),
      pooled: () => leg('pooled'),
      operations: {
        query: bySql({
          classify: (sql) => ({ effect: sql.startsWith('select') ? 'reads' : 'unknown' }),
        }),
      },
    }),
  );
  await db.query('select 1');
  await db.query('insert 1');
  await bridgeOf(db).idle();
  expect(log.sort()).toEqual(['legacy insert 1', 'legacy select 1', 'pooled select 1']);
});

test('objects inside are bridged, and what is to stay stays', async () => {
  const leg = (name: string) => ({
    nodes: { upsert: async (id: string) => `${name} ${id}` },
    version: () => name,
  });
  const db = opened(
    createBridge({
      ...settings('pooled'),
      name: 'db',
      legacy: () => leg('legacy'),
      pooled: () => leg('pooled'),
      operations: { nodes: sub({ upsert: write() }), version: legacyOnly() },
    }),
  );
  expect(await db.nodes.upsert('a')).toBe('pooled a');
  expect(db.version()).toBe('legacy');
  expect(
    bridgeOf(db)
      .recorder.summary()
      .byOperation.map(({ operation }) => operation),
  ).toContain('nodes.upsert');
});

describe('a member of an object inside that nobody declared', () => {
  const leg = (name: string) => ({
    db: {
      nodes: { upsert: (id: string) => `${name} ${id}`, drop: () => `${name} dropped`, size: 1 },
      version: () => name,
    },
  });
  const make = (undeclared: 'refuse' | 'legacy') =>
    opened(
      createBridge({
        ...settings('pooled'),
        name: 'app',
        legacy: () => leg('legacy'),
        pooled: () => leg('pooled'),
        operations: { db: sub({ nodes: sub({ upsert: write() }) }) },
        undeclared,
      }),
    );

  test('is refused by its whole name, with all others and what to type', () => {
    const app = make('refuse');
    expect(() => app.db.nodes.upsert('a')).toThrow(
      /db\.version is not declared: add version: read\(\).* to sub\(\{ … \}\) of db, or undeclared.*db\.nodes\.drop is not declared/,
    );
  });

  test('or stays with the legacy leg and is counted, where that is asked for', () => {
    const app = make('legacy');
    expect(app.db.nodes.upsert('a')).toBe('pooled a');
    expect([app.db.nodes.drop(), app.db.version(), app.db.nodes.size]).toEqual([
      'legacy dropped',
      'legacy',
      1,
    ]);
    const { byOperation } = bridgeOf(app).recorder.summary();
    expect(byOperation.map(({ operation, calls }) => `${operation} ${calls}`).sort()).toEqual([
      'db.nodes.drop 1',
      'db.nodes.upsert 1',
      'db.version 1',
    ]);
  });

  test('and one that is declared and not there is named with those that are', () => {
    const app = opened(
      createBridge({
        ...settings('legacy'),
        name: 'app',
        legacy: () => leg('legacy'),
        pooled: () => leg('pooled') as never,
        operations: { db: sub({ nodes: sub({ upsrt: write() } as never) }) },
        undeclared: 'legacy',
      }),
    );
    expect(() => app.db.nodes.upsert('a')).toThrow(
      /no method db\.nodes\.upsrt: .*db\.nodes\.upsert/,
    );
  });
});

test('frozen objects, classes with statics, functions and emitters can be bridged', () => {
  const frozen = opened(
    createBridge({
      ...settings('pooled'),
      name: 'frozen',
      legacy: (): Readonly<{ who(): string }> => Object.freeze({ who: () => 'legacy' }),
      pooled: () => ({ who: () => 'pooled' }),
      operations: { who: read() },
    }),
  );
  expect([frozen.who(), Object.keys(frozen)]).toEqual(['pooled', ['who']]);
  class Repository {
    static #made = 0;
    static make(): number {
      return (this.#made += 1);
    }
  }
  const statics = opened(
    createBridge({
      ...settings('legacy'),
      name: 'statics',
      callable: true,
      legacy: () => Repository,
      pooled: () => ({ make: () => 0 }),
      operations: { make: write() },
    }),
  );
  expect([statics.make(), statics.make(), typeof statics]).toEqual([1, 2, 'function']);
  class Emitting extends EventEmitter {
    fire(): boolean {
      return this.emit('fired', this);
    }
  }
  const emitter = opened(
    createBridge({
      ...settings('legacy'),
      name: 'emitter',
      legacy: () => new Emitting(),
      pooled: () => new Emitting(),
      operations: { fire: write() },
    }),
  );
  let heard = 0;
  expect(emitter.on('fired', () => (heard += 1))).toBe(emitter);
  emitter.fire();
  expect(heard).toBe(1);
});

test('a promised leg answers as soon as it is there, and awaiting the bridge waits for nothing', async () => {
  const { promise, resolve } = Promise.withResolvers<{ who(): Promise<string> }>();
  const source = createStaticStageSource(() => 'legacy');
  const store = opened(
    createBridge({
      ...settings(source),
      name: 'store',
      legacy: () => promise,
      pooled: () => ({ who: async () => 'pooled' }),
      operations: { who: read() },
    }),
  );
  const answer = store.who();
  // eslint-disable-next-line @typescript-eslint/await-thenable -- That it can be awaited is what is tested.
  expect(await store).toBe(store);
  resolve({ who: async () => 'legacy' });
  expect(await answer).toBe('legacy');
  await bridgeOf(store).ready();
  source.set(() => 'pooled');
  expect(await store.who()).toBe('pooled');
});

test.each([
  ['rejects', (): Promise<never> => Promise.reject(new Error('no server'))],
  [
    'throws',
    (): never => {
      throw new Error('no server');
    },
  ],
])(
  'a pooled leg whose function %s leaves every call with the legacy leg, and is logged once',
  async (_how, pooled) => {
    const logged: unknown[] = [];
    const store = opened(
      createBridge({
        ...settings('pooled'),
        logger: { ...silentLogger, error: (...line: unknown[]) => logged.push(line) },
        name: 'store',
        legacy: () => ({ who: async () => 'legacy' }),
        pooled,
        operations: { who: read() },
      }),
    );
    await expect(bridgeOf(store).ready()).rejects.toThrow('no server');
    expect(await store.who()).toBe('legacy');
    expect(await store.who()).toBe('legacy');
    expect(logged).toEqual([
      [{ backend: 'store', err: new Error('no server') }, expect.stringMatching(/stays with/)],
    ]);
  },
);

test('a write that says how is rehearsed or observed, and still made once', async () => {
  const make = (wrong: number) => {
    const rows: number[] = [];
    const log: string[] = [];
    const leg = (name: string) => ({
      add: async (n: number) => {
        log.push(`${name} add`);
        rows.push(n);
        return rows.length;
      },
      rehearseAdd: async (_n: number) => {
        log.push(`${name} rehearse`);
        return rows.length + 1 + wrong;
      },
      sum: async () => rows.length + (name === 'pooled' ? wrong : 0),
    });
    const db = opened(
      createBridge({
        ...settings('shadow'),
        name: 'db',
        undeclared: 'legacy',
        legacy: () => ({ ...leg('legacy'), put: leg('legacy').add }),
        pooled: () => ({ ...leg('pooled'), put: leg('pooled').add }),
        operations: {
          add: write({
            rehearse: (pooled: ReturnType<typeof leg>, n: number) => pooled.rehearseAdd(n),
          }),
          put: write({ observe: (one: ReturnType<typeof leg>) => one.sum() }),
        },
      }),
    );
    return { db, log };
  };
  const right = make(0);
  await right.db.add(1);
  await right.db.put(1);
  await bridgeOf(right.db).idle();
  expect(right.log).toEqual(['pooled rehearse', 'legacy add', 'legacy add']);
  expect(bridgeOf(right.db).recorder.summary().totals).toMatchObject({ match: 2, mismatch: 0 });
  const wrong = make(1);
  for (let call = 0; call < 4; call += 1) {
    await wrong.db.add(1);
    await wrong.db.put(1);
    await bridgeOf(wrong.db).idle();
  }
  const { totals, sampleGroups } = bridgeOf(wrong.db).recorder.summary();
  expect(totals.match).toBe(0);
  expect(totals.mismatch).toBeGreaterThanOrEqual(3);
  const said = sampleGroups.find(({ operation }) => operation === 'add')?.samples[0]?.summary;
  expect(said).toMatch(/^the rehearsal on the pooled leg answered otherwise: value.* off by 1/);
});

test('bridges that share services are counted together, and end with the one that made them', async () => {
  const list = (rows: readonly number[]) => ({ list: async () => rows });
  const first = opened(
    createBridge({
      name: 'first',
      legacy: () => list([1]),
      pooled: () => list([1]),
      operations: { list: read.rows() },
      ...settings('shadow'),
    }),
  );
  const { services, recorder } = bridgeOf(first);
  const second = createBridge({
    name: 'second',
    legacy: () => list([2]),
    pooled: () => list([3]),
    operations: { list: read.rows() },
    services,
  });
  expect(bridgeOf(second).services).toBe(services);

  await Promise.all([first.list(), second.list()]);
  await bridgeOf(first).idle();
  await services.idle();
  expect(recorder.summary().totals).toMatchObject({ match: 1, mismatch: 1 });

  await bridgeOf(first).close();
  expect(await second.list()).toEqual([2]);
  await bridgeOf(second).idle();
  expect(recorder.summary().totals).toMatchObject({ match: 1, mismatch: 1 });
});

describe("order and exclusion over anyone's object", () => {
  /** An object whose calls take a turn of the event loop, and that keeps no order by itself. */
  class Counter {
    #value = 0;
    readonly log: string[] = [];
    async set(value: number): Promise<void> {
      this.log.push(`set ${String(value)}`);
      await new Promise(setImmediate);
      this.#value = value;
    }
    async get(): Promise<number> {
      return this.#value;
    }
    async increment(): Promise<number> {
      const value = this.#value;
      await new Promise(setImmediate);
      this.#value = value + 1;
      return this.#value;
    }
    now(): number {
      return this.#value;
    }
    setNow(value: number): void {
      this.log.push(`setNow ${String(value)}`);
      this.#value = value;
    }
    atOnce<R>(work: () => R): R {
      return work();
    }
  }
  const bridged = (stage: Stage | StaticStageSource) => {
    const legacy = new Counter();
    const pooled = new Counter();
    const counter = opened(
      createBridge({
        ...settings(stage),
        name: 'counter',
        legacy: () => legacy,
        pooled: () => pooled,
        operations: {
          set: write(),
          get: read(),
          increment: write({ exclusive: true }),
          now: read(),
          setNow: write(),
          atOnce: transaction(),
        },
      }),
    );
    return { counter, legacy, pooled };
  };

  test.each(['reverse', 'pooled'] as const)(
    'a read sees the un-awaited write before it at %s',
    async (stage) => {
      const { counter } = bridged(stage);
      void counter.set(1);
      void counter.set(2);
      expect(await counter.get()).toBe(2);
    },
  );

  test('an exclusive write of independent callers loses nothing at pooled', async () => {
    const { counter } = bridged('pooled');
    await Promise.all(Array.from({ length: 20 }, () => caller(() => counter.increment())));
    expect(await counter.get()).toBe(20);
  });

  test('at legacy calls are what the object makes of them: nothing waits', async () => {
    const { counter } = bridged('legacy');
    void counter.set(1);
    expect(await counter.get()).toBe(0);
    await Promise.all(Array.from({ length: 20 }, () => caller(() => counter.increment())));
    expect(await counter.get()).toBeLessThan(20);
  });

  test('what answers at once is made at once, on the leg of the writes in flight', async () => {
    const source = createStaticStageSource(() => 'legacy');
    const { counter, legacy, pooled } = bridged(source);
    counter.setNow(5);
    const slow = counter.set(6);
    source.set(() => 'pooled');
    counter.setNow(7);
    expect(legacy.log).toEqual(['setNow 5', 'set 6', 'setNow 7']);
    const inside = counter.atOnce(() => {
      counter.setNow(8);
      return counter.now();
    });
    expect(inside).toBe(8);
    await slow;
    counter.setNow(9);
    expect(pooled.log).toEqual(['setNow 9']);
  });
});
