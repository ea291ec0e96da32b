import { describe, expect, test } from '@jest/globals';
import type { OperationTable, Stage } from '@changeover/core';
import type { ShapeCounts } from '../recorder/cell.ts';
import { type Notes, notesOperations, type TwoLegs, twoLegs } from '../test-kit/two-legs.ts';

type ShapeOf = (dataset: string, key?: string) => string;

function shaped(stage: Stage, shape: ShapeOf): TwoLegs {
  const operations: OperationTable<Notes> = {
    ...notesOperations,
    read: { kind: 'read', shape },
  };
  return twoLegs(stage, { operations });
}

function shapesOf({ recorder }: TwoLegs): Record<string, ShapeCounts> {
  return Object.fromEntries(
    [...recorder.shapes.values()].map((counts) => [
      `${counts.key.operation} ${counts.key.shape}`,
      counts,
    ]),
  );
}

describe('the shapes of an operation’s calls', () => {
  test('are counted each by itself, with what was compared of each', async () => {
    const legs = shaped('shadow', (_name, key) => (key === undefined ? 'all' : 'by key'));
    legs.pooled.does.read = (_name, key) => (key === undefined ? 'wrong' : 'the answer');
    for (const key of ['a', 'b', undefined]) await legs.api.read('d', key);
    await legs.api.list('d');
    await legs.router.idle();
    expect(shapesOf(legs)).toMatchObject({
      'read by key': { calls: 2, eligible: 2, compared: 2, match: 2 },
      'read all': { calls: 1, eligible: 1, compared: 1, match: 0 },
      'list ': { calls: 1, match: 1 },
    });
    // What is counted by operation is their sum.
    expect(legs.cell('read')).toMatchObject({ calls: 3, compared: 3, match: 2 });
  });

  test.each(['legacy', 'shadow', 'reverse', 'pooled'] as const)(
    'are counted as failed where a caller saw them fail, each by itself, at %s',
    async (stage) => {
      const legs = shaped(stage, (_name, key) => (key === undefined ? 'all' : 'by key'));
      const fails = (_name: unknown, key?: unknown): string => {
        if (key === 'b') throw new Error('no such key');
        return 'the answer';
      };
      legs.legacy.does.read = fails;
      legs.pooled.does.read = fails;
      for (const key of ['a', 'b', 'b', undefined])
        await legs.api.read('d', key).catch(() => undefined);
      await legs.router.idle();
      expect(shapesOf(legs)).toMatchObject({
        'read by key': { calls: 3, failed: 2 },
        'read all': { calls: 1, failed: 0 },
      });
      expect(legs.cell('read')).toMatchObject({ calls: 4, failed: 2 });
    },
  );

  test('count a write that failed', async () => {
    const legs = twoLegs('pooled');
    legs.pooled.does.add = () => {
      throw new Error('a constraint');
    };
    await legs.api.add('d', 'a note').catch(() => undefined);
    expect(shapesOf(legs)['add ']).toMatchObject({ calls: 1, failed: 1 });
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['is no text', () => 7 as unknown as string],
  ] as const)('that %s costs no caller its answer', async (_what, shape: ShapeOf) => {
    const legs = shaped('shadow', shape);
    await expect(legs.api.read('d')).resolves.toBe('the answer');
    await legs.router.idle();
    const [counts] = [...legs.recorder.shapes.values()];
    expect(counts).toMatchObject({ calls: 1, match: 1 });
    expect(counts?.key.shape.length).toBeGreaterThan(1_000);
  });

  test('are asked for once a call, and begin anew with the stage', async () => {
    let asked = 0;
    const legs = shaped('shadow', () => {
      asked += 1;
      return 's';
    });
    await legs.api.read('d');
    legs.stages.set(() => 'reverse');
    await legs.api.read('d');
    await legs.router.idle();
    expect(asked).toBe(2);
    expect([...legs.recorder.shapes.values()]).toMatchObject([
      { key: { stage: 'shadow' }, calls: 1, match: 1 },
      { key: { stage: 'reverse' }, calls: 1, match: 1 },
    ]);
  });

  test.each([
    ['legacy', undefined],
    ['shadow', 'it is a write that says neither how it is rehearsed nor what it leaves'],
    ['reverse', 'it is a write that says neither how it is rehearsed nor what it leaves'],
    ['pooled', undefined],
  ] as const)('say at %s of a write that is not compared: %s', async (stage, reason) => {
    const legs = twoLegs(stage);
    await legs.api.add('d', 'a note');
    expect(shapesOf(legs)['add ']?.notComparable).toBe(reason);
  });

  test('say that an answer which can not be compared is none', async () => {
    const legs = twoLegs('shadow');
    legs.legacy.answer = new ReadableStream();
    legs.pooled.answer = new ReadableStream();
    await legs.api.read('d');
    await legs.router.idle();
    expect(shapesOf(legs)['read ']).toMatchObject({
      compared: 0,
      notComparable: expect.stringContaining('a stream') as unknown,
    });
  });
});

test('a rare call is compared beside a hot one that uses up what all share', async () => {
  const operations: OperationTable<Notes> = {
    ...notesOperations,
    read: { kind: 'read', shape: (_name, key) => key ?? '' },
  };
  // Work that all share would always have to wait for too long.
  const legs = twoLegs('shadow', {
    operations,
    queue: { maxWaitMs: -1 },
    quotas: { first: 5, perMinute: 0 },
  });
  for (let round = 0; round < 10; round += 1) {
    await Promise.all(Array.from({ length: 20 }, () => legs.api.read('d', 'hot')));
    if (round % 2 === 0) await legs.api.read('d', 'rare');
    await legs.router.idle();
  }
  expect(shapesOf(legs)).toMatchObject({
    'read hot': { calls: 200, compared: 5 },
    'read rare': { calls: 5, compared: 5 },
  });
});
