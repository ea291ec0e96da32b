import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import { ChildSet } from './child-set.ts';
import type { ChildLease, ChildUse } from './child-set.ts';

let clock: ManualClock;
let started: ChildProcess[];
let set: ChildSet;

beforeEach(() => {
  clock = new ManualClock();
  started = [];
  set = new ChildSet({
    clock,
    max: 2,
    idleTimeoutMs: 30_000,
    onChild: (child) => {
      started.push(child);
    },
  });
});
afterEach(() => set.close());

const take = (dataset: string, use: ChildUse = 'statement'): Promise<ChildLease> =>
  set.take(dataset, use).lease;

test('nothing is started before it is needed, and who gives one back leaves it to the next', async () => {
  expect(set.alive).toBe(0);
  const first = await take('a');
  first.end();
  const second = await take('b');
  expect(second.child).toBe(first.child);
  expect(started).toHaveLength(1);
});

test('the one that a connection is open in is preferred', async () => {
  const [first, second] = await Promise.all([take('a'), take('b')]);
  first.end();
  second.end();
  expect((await set.take('b', 'statement', second.child).lease).child).toBe(second.child);
});

test('as many run at once as may; the next waits for one, or until one has run for so long that it may never end', async () => {
  const [first] = await Promise.all([take('a'), take('b')]);
  const third = take('c');
  expect(set.alive).toBe(2);
  first.end();
  expect((await third).child).toBe(first.child);
  const fourth = take('d');
  await clock.advance(1_000);
  await fourth;
  expect(set.alive).toBe(3);
});

test('of those who wait, the dataset that has least is served first', async () => {
  const [first] = await Promise.all([take('a'), take('a')]);
  const order: string[] = [];
  const waiting = take('a').then(() => order.push('a'));
  // It is still waiting when all is closed.
  waiting.catch(() => undefined);
  const served = take('b').then(() => order.push('b'));
  first.end();
  await served;
  expect(order).toEqual(['b']);
});

test('transactions have processes of their own, share them when there are more, and take none from statements', async () => {
  const [first, second] = await Promise.all([take('a', 'transaction'), take('b', 'transaction')]);
  const third = await take('c', 'transaction');
  expect(first.child).not.toBe(second.child);
  expect([first.child, second.child]).toContain(third.child);
  const statement = await take('d');
  expect([first.child, second.child]).not.toContain(statement.child);
});

test('a process that is being started is there for the next, if its caller gives up', async () => {
  const coming = set.take('a', 'statement');
  coming.cancel(new Error('given up'));
  await expect(coming.lease).rejects.toThrow('given up');
  await once(started[0] as ChildProcess, 'message');
  const next = await take('b');
  expect(started).toEqual([next.child.process]);
});

test('one that nobody has used for long is ended', async () => {
  const lease = await take('a');
  await clock.advance(60_000);
  expect(set.alive).toBe(1);
  lease.end();
  await clock.advance(60_000);
  expect(set.alive).toBe(0);
  await lease.child.ended;
  expect(started[0]?.signalCode).toBe('SIGKILL');
});

test('closing ends all, and refuses who waits or comes', async () => {
  await Promise.all([take('a'), take('b')]);
  const waiting = take('c');
  const closed = set.close();
  await expect(waiting).rejects.toMatchObject({ code: 'CLOSED' });
  await closed;
  expect(set.alive).toBe(0);
  await expect(take('d')).rejects.toMatchObject({ code: 'CLOSED' });
});
