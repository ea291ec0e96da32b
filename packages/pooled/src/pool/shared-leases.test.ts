import { expect, test } from '@jest/globals';
import { ManualClock, settle } from '../../../../test/kit/manual-clock.ts';
import { Budget } from '../budget.ts';
import type { Lease } from './lease.ts';
import { silentPoolObserver } from './pool-observer.ts';
import { parsePoolOptions } from './pool-options.ts';
import { Pool } from './pool.ts';
import type { Sharing } from './resource-source.ts';

interface Connection {
  readonly id: number;
  usable: boolean;
  closed: boolean;
}

function setUp(max: number, sharing: Partial<Sharing> = {}, total = 100) {
  const clock = new ManualClock();
  const opened: Connection[] = [];
  const budget = new Budget(total, clock);
  const pool = new Pool<Connection>({
    name: 'titanic',
    options: parsePoolOptions({ max }, {}, 'pool'),
    source: {
      sharing: { atOnce: 4, inAll: 8, freelyMs: 0.25, mostMs: 5, stallMs: 50, ...sharing },
      async open() {
        const connection = { id: opened.length, usable: true, closed: false };
        opened.push(connection);
        return connection;
      },
      async close(connection) {
        connection.closed = true;
      },
      cut(connection) {
        connection.closed = true;
      },
      usable: (connection) => connection.usable,
      validate: async (connection) => connection.usable,
      mayPass: () => true,
    },
    budget,
    clock,
    random: () => 0.5,
    observer: silentPoolObserver,
    fields: { engine: 'postgresql', dataset: 'titanic' },
  });
  /** Leases that were had by now, for work of so many ms. */
  const take = async (...expectedMs: (number | undefined)[]): Promise<Lease<Connection>[]> => {
    const taken = expectedMs.map((ms) => pool.acquire({ expectedMs: ms }));
    const had: Lease<Connection>[] = [];
    for (const lease of taken) void lease.then((found) => had.push(found));
    await settle();
    return had;
  };
  /** Opens as many connections as there may be, and leaves them free. */
  const warm = async (): Promise<void> => {
    for (const lease of await take(...Array<undefined>(max))) lease.release();
  };
  return { clock, pool, opened, budget, take, warm };
}

const ids = (leases: readonly Lease<Connection>[]): number[] =>
  leases.map(({ resource }) => resource.id);

test('work that is soon done shares a connection although another is free; longer work has one to itself while there is one', async () => {
  const { pool, take, warm } = setUp(3);
  await warm();
  const quick = await take(0.1, 0.1);
  expect(new Set(ids(quick)).size).toBe(1);
  expect(pool.stats()).toMatchObject({ inUse: 1, idle: 2, pending: 0 });
  const slow = await take(1, 1);
  expect(new Set(ids([...quick, ...slow])).size).toBe(3);
  // None is free any more: the one that has the least to do.
  const [late] = await take(1);
  expect(late?.resource.id).toBe(quick[0]?.resource.id);
  expect(pool.stats()).toMatchObject({ inUse: 3, idle: 0, pending: 0 });
});

test('work that is not known to be short never shares, nor does anything share with it', async () => {
  const { pool, take, warm } = setUp(1);
  await warm();
  const [alone] = await take(undefined);
  expect(await take(0.1)).toEqual([]);
  expect(pool.stats()).toMatchObject({ inUse: 1, pending: 1 });
  alone?.release();
  await settle();
  expect(pool.stats()).toMatchObject({ inUse: 1, pending: 0 });
});

test('a connection has so many places at once, and so much expected work; then callers wait, and come in where one leaves', async () => {
  const { pool, take, warm } = setUp(1);
  await warm();
  const [first, ...others] = await take(1, 1, 1, 1, 1, 1);
  expect(others).toHaveLength(3);
  expect(pool.stats()).toMatchObject({ inUse: 1, pending: 2 });
  first?.release();
  await settle();
  expect(pool.stats()).toMatchObject({ inUse: 1, pending: 1 });
  const heavy = setUp(1);
  await heavy.warm();
  expect(await heavy.take(2, 2, 2, 2)).toHaveLength(2);
});

test('nobody joins before one who waits, so that a transaction gets its turn', async () => {
  const { pool, take, warm } = setUp(1);
  await warm();
  const [quick] = await take(0.1);
  let transaction: Lease<Connection> | undefined;
  void pool.acquire().then((lease) => {
    transaction = lease;
  });
  expect(await take(0.1)).toEqual([]);
  quick?.release();
  await settle();
  expect(transaction?.held).toBe(true);
  expect(pool.stats()).toMatchObject({ inUse: 1, pending: 1 });
});

test('after so many in all a connection takes no more, and is given back, to be looked at', async () => {
  const { opened, take, warm } = setUp(1);
  await warm();
  let [last] = await take(0.1);
  for (let joined = 1; joined < 8; joined += 1) {
    const [next] = await take(0.1);
    last?.release();
    last = next;
  }
  (opened[0] as Connection).usable = false;
  expect(await take(0.1)).toEqual([]);
  last?.release();
  await settle();
  expect(opened).toHaveLength(2);
});

test('nobody joins on a connection that is broken or was retired', async () => {
  for (const spoil of [
    (set: ReturnType<typeof setUp>) => {
      (set.opened[0] as Connection).usable = false;
    },
    (set: ReturnType<typeof setUp>) => {
      set.pool.retireAll();
    },
  ]) {
    const set = setUp(1);
    await set.warm();
    const [quick] = await set.take(0.1);
    spoil(set);
    expect(await set.take(0.1)).toEqual([]);
    quick?.release();
    await settle();
    expect(set.opened.map(({ closed }) => closed)).toEqual([true, false]);
  }
});

test('a shared connection can not be pinned; once it is retired nobody joins, and it is closed after the last has ended', async () => {
  const { opened, take, warm } = setUp(1);
  await warm();
  const [first, second] = await take(0.1, 0.1);
  expect(() => {
    first?.pin();
  }).toThrow(TypeError);
  first?.retire();
  expect(await take(0.1)).toEqual([]);
  first?.release();
  expect(second?.resource.closed).toBe(false);
  second?.release();
  await settle();
  expect(opened.map(({ closed }) => closed)).toEqual([true, false]);
});

test('where all have something to do, one more is opened for who comes next, unless the budget is spent', async () => {
  const roomy = setUp(2);
  await roomy.take(1);
  await roomy.take(1);
  expect(roomy.opened).toHaveLength(2);
  expect(roomy.pool.stats()).toMatchObject({ inUse: 1, idle: 1 });
  const spent = setUp(2, {}, 1);
  await spent.take(1);
  expect(await spent.take(1)).toHaveLength(1);
  expect(spent.opened).toHaveLength(1);
  expect(spent.budget.waiting).toBe(0);
});

test('where nothing was answered for long, all who share are sent away and nobody joins; one who is there alone stays', async () => {
  const { clock, take, warm } = setUp(2);
  await warm();
  const pair = await take(0.1, 0.1);
  const [single] = await take(5);
  const sent: number[] = [];
  [...pair, ...(single === undefined ? [] : [single])].forEach((lease, index) => {
    lease.onDispersed = () => {
      sent.push(index);
    };
  });
  await clock.advance(49);
  expect(sent).toEqual([]);
  await clock.advance(60);
  expect(sent.slice(0, 2)).toEqual([0, 1]);
  expect(sent).not.toContain(2);
  expect(await take(0.1)).toEqual([]);
});

test('an answer in between is taken for progress: nobody is sent away', async () => {
  const { clock, take, warm } = setUp(1, { atOnce: 16, inAll: 100 });
  await warm();
  let sent = 0;
  const leases = await take(...Array<number>(8).fill(0.1));
  for (const lease of leases)
    lease.onDispersed = () => {
      sent += 1;
    };
  for (const lease of leases) {
    await clock.advance(45);
    lease.release();
  }
  expect(sent).toBe(0);
});

test('what is done about work whose caller has gone is done when nobody else is there, for one after the other', async () => {
  const { take, warm } = setUp(1);
  await warm();
  const [first, second, third] = await take(0.1, 0.1, 0.1);
  const done: string[] = [];
  second?.whenAlone(() => {
    done.push('second');
  });
  expect(await take(0.1)).toEqual([]);
  first?.whenAlone(() => {
    done.push('first');
  });
  expect(done).toEqual([]);
  third?.release();
  expect(done).toEqual(['first']);
  first?.release();
  expect(done).toEqual(['first', 'second']);
});
