import { describe, expect, test } from '@jest/globals';
import { type OperationTable, type Stage, stages } from '@changeover/core';
import { caller, DeadlockError } from '../guarantees/index.ts';
import { defaultShadowSettings, type GuaranteeLevels } from '../stages/flags/stage-source.ts';
import { createStaticStageSource } from '../stages/flags/static-stage-source.ts';
import { type Notes, notesOperations, type TwoLegs, twoLegs } from '../test-kit/two-legs.ts';

/** `work` is a transaction by callback. */
const operations: OperationTable<Notes> = {
  ...notesOperations,
  work: { kind: 'write', comparison: 'none', exclusive: true },
};

const settled = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

/** Two legs whose calls end when the test says so. */
function heldLegs(
  stage: Stage,
  levels: Partial<GuaranteeLevels> = {},
  ofNotes: OperationTable<Notes> = operations,
) {
  const guarantees = { ...defaultShadowSettings.guarantees, ...levels };
  const source = createStaticStageSource(() => stage, { guarantees });
  const two = twoLegs(stage, { operations: ofNotes, stages: source });
  const held: { readonly what: string; readonly end: () => void }[] = [];
  const hold =
    (operation: string) =>
    (key: unknown, note: unknown): Promise<unknown> =>
      new Promise((resolve) => {
        const what = `${operation} ${String(note ?? key)}`;
        held.push({
          what,
          end: () => {
            resolve(what);
          },
        });
      });
  for (const leg of [two.legacy, two.pooled]) {
    leg.does.add = hold('add');
    // What is read for comparison only would stand among the callers' reads.
    if (stage !== 'reverse' || leg === two.pooled) leg.does.read = hold('read');
  }
  /** Ends the call that was made first, and lets what waited for it go on. */
  const endFirst = async (): Promise<void> => {
    held.shift()?.end();
    await settled();
  };
  return { ...two, source, held: () => held.map(({ what }) => what), endFirst };
}

describe.each(['legacy', 'shadow'] as const)('at %s the bridge adds no waiting', (stage) => {
  test('calls that nobody awaits are handed to the legacy leg in the tick in which they were made, in order', async () => {
    const { api, held } = heldLegs(stage);
    const calls = [api.read('d', '1'), api.add('d', '2'), api.read('d', '3'), api.add('d', '4')];
    expect(held().slice(0, 4)).toEqual(['read 1', 'add 2', 'read 3', 'add 4']);
    expect(calls).toHaveLength(4);
  });

  test('nor do transactions wait there: the singleton has its own queue, or none', () => {
    const { api, log } = heldLegs(stage);
    void api.work('d', () => new Promise(() => undefined));
    void api.work('d', () => new Promise(() => undefined));
    void api.add('d', 'beside');
    expect(log).toEqual(['legacy work', 'legacy work', 'legacy add']);
  });
});

test('a rehearsal before a write does not let the next read of its caller overtake that write', async () => {
  const rehearsal = Promise.withResolvers<{ tables: object; unseen: string[] }>();
  const { api, log, pooled, router } = twoLegs('shadow', {
    operations: { ...operations, add: { kind: 'write', comparison: 'rehearsed' } },
  });
  pooled.shadow = {
    admits: () => true,
    digest: () => Promise.reject(new Error('not asked for')),
    read: () => Promise.reject(new Error('not asked for')),
    rehearse: () => rehearsal.promise as never,
  };
  const write = api.add('d', 'x');
  const read = api.read('d');
  const other = caller(() => api.list('d'));
  await settled();
  expect(log).toEqual(['legacy list']);
  rehearsal.resolve({ tables: {}, unseen: ['all'] });
  await Promise.all([write, read, other]);
  expect(log.filter((line) => line.startsWith('legacy'))).toEqual([
    'legacy list',
    'legacy add',
    'legacy read',
  ]);
  router.close();
});

describe.each(['reverse', 'pooled'] as const)('at %s', (stage) => {
  test('calls of one caller are made in the order in which they were issued, reads beside reads', async () => {
    const { api, held, endFirst } = heldLegs(stage);
    const calls = [
      api.add('d', '1'),
      api.add('d', '2'),
      api.read('d', '3'),
      api.read('d', '4'),
      api.add('d', '5'),
    ];
    const seen = [held()];
    for (let call = 0; call < 4; call += 1) {
      await endFirst();
      seen.push(held());
    }
    expect(seen).toEqual([['add 1'], ['add 2'], ['read 3', 'read 4'], ['read 4'], ['add 5']]);
    expect(calls).toHaveLength(5);
  });

  test('independent callers do not wait for each other', async () => {
    const { api, held } = heldLegs(stage);
    void api.add('d', 'slow');
    void caller(() => api.add('d', 'other'));
    void caller(() => api.read('d', 'third'));
    expect(held()).toEqual(['add slow', 'add other', 'read third']);
  });

  test('by process, all callers are one', () => {
    const { api, held } = heldLegs(stage, { order: 'process' });
    void api.add('d', 'slow');
    void caller(() => api.add('d', 'other'));
    expect(held()).toEqual(['add slow']);
  });

  test('where order was let go, nothing waits', () => {
    const { api, held } = heldLegs(stage, { order: 'none' });
    void api.add('d', '1');
    void api.add('d', '2');
    void api.read('d', '3');
    expect(held()).toEqual(['add 1', 'add 2', 'read 3']);
  });

  test('where the singleton keeps none, as a pool of several connections, nothing waits', () => {
    const { api, held } = heldLegs(
      stage,
      {},
      {
        ...operations,
        add: { kind: 'write', comparison: 'none', unordered: true },
      },
    );
    void api.add('d', '1');
    void api.add('d', '2');
    expect(held()).toEqual(['add 1', 'add 2']);
  });

  test("a transaction keeps the key's other writes out until it ends, reads of others go on", async () => {
    const { api, held, log } = heldLegs(stage);
    const over = Promise.withResolvers<undefined>();
    const work = api.work('d', () => over.promise);
    void caller(() => api.add('d', 'outside'));
    void caller(() => api.work('d', async () => undefined));
    void caller(() => api.add('e', 'another key'));
    void caller(() => api.read('d', 'meanwhile'));
    await settled();
    expect(held().slice(0, 2)).toEqual(['add another key', 'read meanwhile']);
    expect(log.filter((line) => line === 'pooled work')).toHaveLength(1);
    over.resolve(undefined);
    await work;
    await settled();
    expect(held()).toContain('add outside');
  });

  test('where exclusion was let go, transactions run side by side', () => {
    const { api, log } = heldLegs(stage, { exclusion: 'none' });
    for (let at = 0; at < 2; at += 1)
      void caller(() => api.work('d', () => new Promise(() => undefined)));
    expect(log).toEqual(['pooled work', 'pooled work']);
  });

  test('two transactions that want each other: one is refused, naming both keys', async () => {
    const { api, cell } = heldLegs(stage);
    const both = await Promise.allSettled(
      [
        ['a', 'b'],
        ['b', 'a'],
      ].map(([first = '', second = '']) =>
        caller(() =>
          api.work(first, async () => {
            await settled();
            return await api.work(second, async () => 'done');
          }),
        ),
      ),
    );
    expect(both[0]).toEqual({ status: 'fulfilled', value: 'done' });
    expect(both[1]).toMatchObject({
      reason: { name: 'DeadlockError', key: 'notes:a', heldKey: 'notes:b' },
    });
    expect((both[1] as PromiseRejectedResult).reason).toBeInstanceOf(DeadlockError);
    // It was the caller's function that let it through.
    expect(cell('work', stage, 'b').failed).toBe(0);
  });

  test('a call that fails lets the next one of its caller go on', async () => {
    const { api, pooled } = heldLegs(stage);
    pooled.does.add = (_key, note) => {
      if (note === 'bad') throw new RangeError('no');
      return 1;
    };
    const [bad, good] = await Promise.allSettled([api.add('d', 'bad'), api.add('d', 'good')]);
    expect([bad.status, good.status]).toEqual(['rejected', 'fulfilled']);
  });
});

describe('a pooled leg that keeps the order of adds', () => {
  /** Whose calls it was handed. */
  function orderedLegs(levels: Partial<GuaranteeLevels> = {}) {
    const two = heldLegs('pooled', levels);
    const callers: (object | undefined)[] = [];
    two.pooled.keepsOrder = (operation) => operation === 'add';
    two.pooled.endable = (call, by) => {
      callers.push(by);
      return { answer: call(), end: () => false };
    };
    return { ...two, callers };
  }

  test('is handed those of one caller without waiting for answers, and told whose they are', () => {
    const { api, held, callers } = orderedLegs();
    for (let at = 0; at < 3; at += 1) void api.add('d', `${at}`);
    expect(held()).toEqual(['add 0', 'add 1', 'add 2']);
    expect(callers[0]).toBeDefined();
    expect(new Set(callers).size).toBe(1);
    void caller(() => api.add('d', 'other'));
    expect(callers[3]).not.toBe(callers[0]);
  });

  test('is handed a read after the answers of the adds before it, and what follows it after its own', async () => {
    const { api, held, endFirst } = orderedLegs();
    for (const note of ['1', '2']) void api.add('d', note);
    void api.read('d', '3');
    for (const note of ['4', '5']) void api.add('d', note);
    expect(held()).toEqual(['add 1', 'add 2']);
    await endFirst();
    expect(held()).toEqual(['add 2']);
    await endFirst();
    expect(held()).toEqual(['read 3']);
    await endFirst();
    expect(held()).toEqual(['add 4', 'add 5']);
  });

  test('does not get a transaction between them, nor them into one', async () => {
    const { api, held, endFirst, log } = orderedLegs();
    const over = Promise.withResolvers<undefined>();
    void api.add('d', '1');
    const work = api.work('d', () => over.promise);
    void api.add('d', '2');
    await settled();
    expect([held(), log.includes('pooled work')]).toEqual([['add 1'], false]);
    await endFirst();
    expect([held(), log.includes('pooled work')]).toEqual([[], true]);
    over.resolve(undefined);
    await work;
    await settled();
    expect(held()).toEqual(['add 2']);
  });

  test('is handed sixteen at most: a move back takes the others along', async () => {
    const { api, held, source, endFirst, log } = orderedLegs();
    const calls = Array.from({ length: 20 }, (_, at) => api.add('d', `${at}`));
    expect(held()).toHaveLength(16);
    await endFirst();
    expect(held().at(-1)).toBe('add 16');
    expect(held()).toHaveLength(16);
    source.set(() => 'legacy');
    while (held().length > 0) await endFirst();
    expect(await Promise.all(calls)).toEqual(calls.map((_, at) => `add ${at}`));
    expect(log.filter((line) => line === 'legacy add')).toHaveLength(3);
    expect(log.lastIndexOf('pooled add')).toBeLessThan(log.indexOf('legacy add'));
  });

  test('is told of nobody where order was let go, and of one where all are one caller', () => {
    const free = orderedLegs({ order: 'none' });
    void free.api.add('d', '1');
    expect(free.callers).toEqual([undefined]);
    const one = orderedLegs({ order: 'process' });
    void caller(() => one.api.add('d', '1'));
    void caller(() => one.api.add('d', '2'));
    expect(one.held()).toEqual(['add 1', 'add 2']);
    expect(one.callers[1]).toBe(one.callers[0]);
  });

  test('is not asked for more than one at a time by an operation that it says nothing of', () => {
    const two = orderedLegs();
    two.pooled.keepsOrder = () => false;
    for (const note of ['1', '2']) void two.api.add('d', note);
    expect(two.held()).toEqual(['add 1']);
  });
});

describe('a change of stage', () => {
  test.each<[Stage, Stage]>([
    ['legacy', 'pooled'],
    ['pooled', 'legacy'],
  ])("from %s to %s keeps the order of a caller's own calls", async (from, to) => {
    const { api, held, endFirst, source } = heldLegs(from);
    void api.add('d', '1');
    source.set(() => to);
    void api.read('d', '2');
    void api.add('d', '3');
    void api.read('d', '4');
    expect(held()).toEqual(['add 1']);
    const order: string[] = [];
    for (let call = 0; call < 4; call += 1) {
      order.push(held()[0] ?? 'nothing');
      await endFirst();
    }
    expect(order).toEqual(['add 1', 'read 2', 'add 3', 'read 4']);
  });
});

test.each(stages)(
  '8 callers that each read, compute and write 25 times lose nothing at %s',
  async (stage) => {
    const two: TwoLegs = twoLegs(stage, { operations });
    let counter = 0;
    let queue: Promise<unknown> = Promise.resolve();
    // The singleton runs one transaction after another; the pooled leg all at once.
    two.legacy.does.work = (_key, run) => {
      const turn = queue.then(run as () => Promise<unknown>);
      queue = turn.catch(() => undefined);
      return turn;
    };
    await Promise.all(
      Array.from({ length: 8 }, () =>
        caller(async () => {
          for (let at = 0; at < 25; at += 1)
            await two.api.work('d', async () => {
              const read = counter;
              await settled();
              counter = read + 1;
            });
        }),
      ),
    );
    expect(counter).toBe(200);
  },
);
