import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  MigrationWorld,
  type WorldCall,
  type WorldKey,
  worldBackend,
} from '../../test-kit/migration-world.ts';

let folder: string;
let world: MigrationWorld;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-by-itself-'));
  world = new MigrationWorld(folder);
});

afterEach(async () => {
  await world.close();
  rmSync(folder, { recursive: true, force: true });
});

const times = (count: number, call: WorldCall): WorldCall[] =>
  Array.from({ length: count }, () => call);

/** Two reads and a write, so many times a second. */
const clean =
  (perSecond: number): WorldKey =>
  () => [
    ...times(perSecond, { operation: 'query', shape: 'SELECT * FROM t WHERE id = ?' }),
    ...times(perSecond, { operation: 'list' }),
    ...times(Math.ceil(perSecond / 5), { operation: 'add', comparedAt: ['shadow'] }),
  ];

describe('on a clean load a key comes from legacy to pooled by itself', () => {
  test.each([
    [50, 160],
    [5, 160],
    [1, 160],
  ])('with %i calls a second of each operation, within %i s', async (perSecond, bound) => {
    world.add('inbox', clean(perSecond));
    expect(await world.secondsUntil('inbox', 'pooled', bound)).toBeLessThanOrEqual(bound);
    expect(await world.historyOf('inbox')).toEqual([
      'legacy → shadow',
      'shadow → reverse',
      'reverse → pooled',
    ]);
  });

  test.each([
    [0.1, 30],
    [1, 12],
    [1, 40],
    [50, 12],
  ])(
    'and what is said beforehand is about how long it takes: %d calls a second, after %i s',
    async (perSecond, after) => {
      const every = Math.max(1, Math.round(1 / perSecond));
      world.add('inbox', (second, ...rest) =>
        second % every === 0 ? clean(Math.max(1, perSecond))(second, ...rest) : [],
      );
      await world.run(after);
      const { aboutMs = 0 } = world.verdict('inbox');
      const left = await world.secondsUntil('inbox', 'pooled', 2_000);
      expect(aboutMs / 1_000 / (left ?? 0)).toBeGreaterThan(0.45);
      expect(aboutMs / 1_000 / (left ?? 0)).toBeLessThan(2);
    },
  );

  test('where what is called most is slow on both legs, and what is compared as often is quick', async () => {
    world.add('inbox', () => [
      ...times(50, { operation: 'query', shape: 'SELECT 1', legacyMs: 10, pooledMs: 10 }),
      ...times(1, { operation: 'query', shape: 'SELECT 2', legacyMs: 1, pooledMs: 1 }),
      ...times(1, { operation: 'query', shape: 'SELECT 3', legacyMs: 1, pooledMs: 1 }),
    ]);
    expect(await world.secondsUntil('inbox', 'pooled', 160)).toBeLessThanOrEqual(160);
  });

  test('nothing is said beforehand where a gate has to hold first, or a call was never compared', async () => {
    world.add('inbox', () => times(5, { operation: 'query', verdict: 'mismatch' }));
    world.add('outbox', () => times(5, { operation: 'query', sheds: 'side-effects' }));
    await world.run(12);
    expect(world.verdict('inbox').aboutMs).toBeUndefined();
    expect(world.verdict('outbox').aboutMs).toBeUndefined();
  });
});

describe('a key that is first seen', () => {
  test('begins at legacy where its cohort is at shadow', async () => {
    world.add('inbox', clean(1));
    await world.run(5);
    expect(world.stageOf('inbox')).toBe('shadow');
    expect(world.stageOf('new')).toBe('legacy');
  });

  test('begins at shadow with its first call where its cohort is at reverse, and takes what that proved', async () => {
    for (const key of ['a', 'b', 'c']) world.add(key, clean(20));
    await world.secondsUntil('c', 'reverse', 200);
    expect(world.stageOf('new')).toBe('shadow');
    world.add('new', (second) =>
      second % 3 === 0 ? clean(1)(second, 'shadow', world.recorder, 'new') : [],
    );
    const seconds = await world.secondsUntil('new', 'pooled', 300);
    expect(seconds).toBeLessThanOrEqual(75);
    const lines = (await world.ledger.history()).filter(({ dataset }) => dataset === 'new');
    expect(lines[0]).toMatchObject({
      from: 'legacy',
      to: 'shadow',
      who: 'flag',
      reason: 'first seen when most keys of its backend stood at reverse or beyond',
    });
  });

  test('stays at legacy where its whole backend is held', async () => {
    for (const key of ['a', 'b', 'c']) world.add(key, clean(20));
    await world.secondsUntil('c', 'reverse', 200);
    world.ledger.hold(worldBackend, { kind: 'all' }, { who: 'ada', reason: 'a fire' });
    expect(world.stageOf('new')).toBe('legacy');
    await world.run(3);
    expect(world.stageOf('new')).toBe('legacy');
  });
});

describe('errors', () => {
  /** Calls until the key is at pooled, and what the gates say of it there after so many calls of `then`. */
  const afterPooled = async (then: (second: number) => readonly WorldCall[]): Promise<string> => {
    let moved: number | undefined;
    world.add('inbox', (second, stage, recorder, key) => {
      if (stage !== 'pooled')
        return [
          ...clean(10)(second, stage, recorder, key),
          // Of what is rare, most was seen on the legacy leg.
          ...(stage === 'reverse' ? [] : times(3, { operation: 'purge' })),
        ];
      moved ??= second;
      return then(second - moved);
    });
    await world.secondsUntil('inbox', 'pooled', 300);
    await world.run(15);
    const { decision, reason } = world.verdict('inbox');
    return `${decision}: ${reason}`;
  };

  test('one broken constraint in 403 calls holds nothing', async () => {
    const said = await afterPooled((second) => [
      ...times(27, { operation: 'add' }),
      ...(second === 3 ? [{ operation: 'add', fails: 'both' } as const] : []),
    ]);
    expect(said).toMatch(/^PROMOTE/);
  });

  test('what callers do wrong on both legs alike holds nothing, however often', async () => {
    world.add('inbox', (second) => [
      ...clean(10)(second, 'shadow', world.recorder, 'inbox'),
      ...times(3, { operation: 'query', shape: 'SELECT * FROM missing', fails: 'both' }),
    ]);
    expect(await world.secondsUntil('inbox', 'pooled', 300)).toBeDefined();
  });

  test('an operation that the pooled leg fails by itself is seen however rare it is', async () => {
    const said = await afterPooled((second) => [
      ...times(300, { operation: 'query', shape: 'SELECT * FROM t WHERE id = ?' }),
      ...(second % 5 === 0 ? [{ operation: 'purge', fails: 'pooled' } as const] : []),
    ]);
    expect(said).toMatch(
      /^ROLL BACK: On notes inbox at pooled, `purge` fails more often on the pooled leg than on the legacy leg: 3 of 3 calls, and 0 of \d+ calls/,
    );
  });

  test('the only call of an operation, which failed, is told and waited for', async () => {
    const said = await afterPooled((second) => [
      ...times(30, { operation: 'list' }),
      ...(second === 2 ? [{ operation: 'purge', fails: 'pooled' } as const] : []),
    ]);
    expect(said).toMatch(/^INCONCLUSIVE: .*the only call of `purge` .* failed/);
  });

  test('what the legacy leg was compared with and fails as well is no failure of the pooled one', async () => {
    world.add('inbox', (second, stage) => [
      ...clean(10)(second, stage, world.recorder, 'inbox'),
      // Callers begin to do it wrong when it is at reverse already.
      ...times(stage === 'reverse' ? 2 : 0, {
        operation: 'query',
        shape: 'SELECT oops',
        fails: 'both',
      }),
    ]);
    expect(await world.secondsUntil('inbox', 'pooled', 400)).toBeDefined();
  });
});
