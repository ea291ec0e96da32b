import { expect, test } from '@jest/globals';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import { ShapeCounts } from '../recorder/cell.ts';
import { type ShapeQuotaOptions, ShapeQuotas, TokenBucket } from './budgets.ts';

test('a bucket begins full, gives what it holds, and fills at its rate up to its capacity', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket(clock, { capacity: 2, perSecond: 1 });
  expect([bucket.take(), bucket.take(), bucket.take()]).toEqual([true, true, false]);
  await clock.advance(999);
  expect(bucket.take()).toBe(false);
  await clock.advance(1);
  expect(bucket.take()).toBe(true);
  await clock.advance(60_000);
  expect(bucket.level).toBe(2);
});

test('what is spent beyond what is there is paid back before anything is given', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket(clock, { capacity: 100, perSecond: 50, initial: 10 });
  bucket.spend(30);
  expect(bucket.level).toBe(-20);
  expect(bucket.msUntil(0)).toBe(400);
  expect(bucket.msUntil(5)).toBe(500);
  await clock.advance(400);
  expect(bucket.msUntil(0)).toBe(0);
  expect(bucket.take()).toBe(false);
});

test('what was taken and not used can be put back, up to the capacity', () => {
  const bucket = new TokenBucket(new ManualClock(), { capacity: 1, perSecond: 1 });
  expect(bucket.take()).toBe(true);
  bucket.giveBack();
  bucket.giveBack();
  expect(bucket.level).toBe(1);
});

function open(options: ShapeQuotaOptions): {
  clock: ManualClock;
  quotas: ShapeQuotas;
  taken: (shape: string, tries: number) => number;
} {
  const clock = new ManualClock();
  const quotas = new ShapeQuotas(clock, options);
  const shapes = new Map<string, ShapeCounts>();
  const taken = (name: string, tries: number): number => {
    const key = { backend: 'b', dataset: 'd', operation: 'o', stage: 'shadow' } as const;
    const shape = shapes.get(name) ?? new ShapeCounts({ ...key, shape: name });
    shapes.set(name, shape);
    return Array.from({ length: tries }, () => quotas.take(shape)).filter(Boolean).length;
  };
  return { clock, quotas, taken };
}

test('each shape has its first comparisons, however many calls of others there are', () => {
  const { taken } = open({ first: 3 });
  expect(taken('hot', 1_000)).toBe(3);
  expect(taken('rare', 10)).toBe(3);
});

test('a shape that is seen for a minute has its quota again', async () => {
  const { clock, taken } = open({ first: 20, perMinute: 20 });
  expect(taken('a', 100)).toBe(20);
  let more = 0;
  for (let second = 0; second < 60; second += 1) {
    await clock.advance(1_000);
    more += taken('a', 100);
  }
  expect(more).toBe(20);
});

test('all shapes together have so many a second and no more, and of many those go first that had least', async () => {
  const { clock, taken } = open({ first: 4, perSecond: 10 });
  // Two seconds' worth at once.
  for (const shape of ['a', 'b', 'c', 'd', 'e']) taken(shape, 1);
  expect(['a', 'b', 'c', 'd', 'e'].map((shape) => taken(shape, 9))).toEqual([3, 3, 2, 2, 2]);
  let given = 0;
  for (let shape = 0; shape < 100; shape += 1) given += taken(`new ${String(shape)}`, 1);
  expect(given).toBe(3);
  await clock.advance(900);
  expect(taken('c', 9)).toBe(0);
  for (let shape = 0; shape < 100; shape += 1) given += taken(`new ${String(shape)}`, 1);
  expect(given).toBe(12);
});

test('what was not begun is left for another call', () => {
  const { quotas, taken } = open({ first: 1 });
  const shape = new ShapeCounts({
    backend: 'b',
    dataset: 'd',
    operation: 'o',
    shape: '',
    stage: 'shadow',
  });
  expect([quotas.take(shape), quotas.take(shape)]).toEqual([true, false]);
  quotas.giveBack(shape);
  expect(quotas.take(shape)).toBe(true);
  expect(taken('other', 1)).toBe(1);
});
