import { describe, expect, test } from '@jest/globals';
import { type Stage, stages } from '@changeover/core';
import { routes } from './route.ts';
import { twoLegs } from '../test-kit/two-legs.ts';

/** The design's stage table, written again by hand: who is called for a read and a write, in order. */
const expected: Record<Stage, { read: string[]; add: string[]; answer: string }> = {
  legacy: { read: ['legacy read'], add: ['legacy add'], answer: 'from legacy' },
  shadow: { read: ['legacy read', 'pooled read'], add: ['legacy add'], answer: 'from legacy' },
  reverse: { read: ['pooled read', 'legacy read'], add: ['pooled add'], answer: 'from pooled' },
  pooled: { read: ['pooled read'], add: ['pooled add'], answer: 'from pooled' },
};

class NoConnection extends Error {}

describe.each(stages)('at %s', (stage) => {
  test('a read goes to the legs of the table, and the answering one answers', async () => {
    const { api, legacy, pooled, log, router } = twoLegs(stage);
    legacy.answer = 'from legacy';
    pooled.answer = 'from pooled';
    await expect(api.read('d')).resolves.toBe(expected[stage].answer);
    await router.idle();
    expect(log.slice(0, expected[stage].read.length)).toEqual(expected[stage].read);
    expect(new Set(log)).toEqual(new Set(expected[stage].read));
  });

  test('a write is applied once, by the leg of the table', async () => {
    const { api, log, router } = twoLegs(stage);
    await expect(api.add('d', 'x')).resolves.toBe(1);
    await router.idle();
    expect(log).toEqual(expected[stage].add);
  });

  test("the answering leg's error reaches the caller untouched, and a write is not run again", async () => {
    const { api, legacy, pooled, log, cell } = twoLegs(stage);
    const error = new Error('no');
    for (const leg of [legacy, pooled]) {
      leg.does.read = () => {
        throw error;
      };
      leg.does.add = () => {
        throw error;
      };
    }
    await expect(api.read('d')).rejects.toBe(error);
    await expect(api.add('d', 'x')).rejects.toBe(error);
    expect(log.filter((line) => line.endsWith('add'))).toEqual(expected[stage].add);
    expect(cell('read').failed).toBe(1);
    expect(cell('add').failed).toBe(1);
  });

  test('the shadow leg can hang, fail, throw or change its arguments without the caller noticing', async () => {
    const { answers, shadow } = routes[stage].read;
    const { api, router, ...legs } = twoLegs(stage);
    legs[answers].answer = [{ a: 1 }];
    const given = { key: ['k'] };
    const other = shadow ?? (answers === 'legacy' ? 'pooled' : 'legacy');
    legs[other].does.list = (_key, argument) => {
      (argument as typeof given).key.push('changed');
      return new Promise(() => undefined);
    };
    const list = api.list as (key: string, argument: object) => Promise<unknown>;
    await expect(list('d', given)).resolves.toEqual([{ a: 1 }]);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    expect(given).toEqual({ key: ['k'] });
    router.close();
    await router.idle();
  });

  test('closing connections reaches both legs', async () => {
    const { api, log } = twoLegs(stage);
    await api.close();
    expect(log).toEqual(['legacy close', 'pooled close']);
  });

  test('a dataset is kept closed by the other leg while it is dropped', async () => {
    const { api, log } = twoLegs(stage);
    await api.drop('d');
    const { answers } = routes[stage].write;
    const other = answers === 'legacy' ? 'pooled' : 'legacy';
    expect(log).toEqual([`${other} closes d`, `${answers} drop`, `${other} may open d`]);
  });

  test('calls from inside a transaction go to its leg, past those that wait for it', async () => {
    const { api, log, stages: source } = twoLegs(stage);
    const result = await api.work('d', async () => {
      source.set(() => (stage === 'legacy' || stage === 'shadow' ? 'pooled' : 'legacy'));
      const outside = api.add('other', 'meanwhile');
      await api.add('d', 'inside');
      await api.read('d');
      await outside;
      return 'done';
    });
    expect(result).toBe('done');
    const leg = routes[stage].write.answers;
    expect(log).toContain(`${leg} add`);
    expect(log.filter((line) => line === `${leg} read`)).toHaveLength(1);
  });
});

describe('a change of stage', () => {
  test('never lets writes of one dataset overlap across legs, and loses none', async () => {
    const { api, legacy, pooled, stages: source } = twoLegs('legacy');
    let active: string[] = [];
    const overlaps: string[][] = [];
    let written = 0;
    for (const leg of [legacy, pooled]) {
      leg.does.add = async () => {
        active.push(leg.name);
        if (new Set(active).size > 1) overlaps.push([...active]);
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
        active = active.filter((_, index) => index !== active.indexOf(leg.name));
        written += 1;
        return 1;
      };
    }
    const writes: Promise<number>[] = [];
    for (let at = 0; at < 400; at += 1) {
      if (at % 7 === 0) source.set(() => stages[at % 4] ?? 'legacy');
      writes.push(api.add('d', String(at)));
      if (at % 5 === 0)
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
    }
    await Promise.all(writes);
    expect(overlaps).toEqual([]);
    expect(written).toBe(400);
  });

  test('takes effect at the next call, while calls in flight keep their stage', async () => {
    const { api, legacy, stages: source, log } = twoLegs('legacy');
    let finish: (value: unknown) => void = () => undefined;
    legacy.does.read = () =>
      new Promise((resolve) => {
        finish = resolve;
      });
    const before = api.read('d');
    source.set(() => 'pooled');
    await expect(api.read('d')).resolves.toBe('the answer');
    finish('late');
    await expect(before).resolves.toBe('late');
    expect(log).toEqual(['legacy read', 'pooled read']);
  });

  test('is told at once of a key without a call, and by its end of one with', async () => {
    const { api, recorder, legacy, stages: source } = twoLegs('legacy');
    const { promise, resolve } = Promise.withResolvers<string>();
    await api.read('idle');
    legacy.does.read = () => promise;
    const running = api.read('busy');
    source.set(() => 'shadow');
    const told = (): unknown[] =>
      recorder.events.map(({ fields }) => [fields['dataset'], fields['to']]);
    expect(told()).toEqual([['idle', 'shadow']]);
    resolve('the answer');
    await running;
    await api.read('busy');
    await api.read('idle');
    expect(told()).toEqual([
      ['idle', 'shadow'],
      ['busy', 'shadow'],
    ]);
  });

  test('is told once, with where from, where to and why', async () => {
    const { api, recorder, stages: source } = twoLegs('legacy');
    await api.read('d');
    await api.list('d');
    source.set(() => 'shadow');
    await api.read('d');
    await api.list('d');
    expect(recorder.events.map(({ kind, fields }) => [kind, fields['from'], fields['to']])).toEqual(
      [['stage', 'legacy', 'shadow']],
    );
  });
});

describe('a read at reverse whose leg has no connection', () => {
  test('is answered by legacy, counted and logged', async () => {
    const { api, pooled, legacy, cell, logger } = twoLegs('reverse', {
      isUnavailable: (error) => error instanceof NoConnection,
    });
    pooled.does.read = () => {
      throw new NoConnection('refused');
    };
    legacy.answer = 'from legacy';
    await expect(api.read('d')).resolves.toBe('from legacy');
    expect([cell('read').fallbacks, cell('read').failed]).toEqual([1, 0]);
    expect(logger.lines).toContainEqual(expect.objectContaining({ level: 'warn' }));
  });

  test('fails when legacy fails too', async () => {
    const { api, pooled, legacy, cell } = twoLegs('reverse', {
      isUnavailable: (error) => error instanceof NoConnection,
    });
    pooled.does.read = () => {
      throw new NoConnection('refused');
    };
    legacy.does.read = () => {
      throw new Error('legacy too');
    };
    await expect(api.read('d')).rejects.toThrow('legacy too');
    expect(cell('read').failed).toBe(1);
  });

  test('a write is not run again on legacy', async () => {
    const { api, pooled, log } = twoLegs('reverse', {
      isUnavailable: (error) => error instanceof NoConnection,
    });
    pooled.does.add = () => {
      throw new NoConnection('refused');
    };
    await expect(api.add('d', 'x')).rejects.toThrow(NoConnection);
    expect(log).toEqual(['pooled add']);
  });
});

test('a name that cannot be parsed rejects, at every operation, and reaches no leg', async () => {
  const { api, log } = twoLegs('shadow', {
    parseKey: (name) => {
      throw new RangeError(`bad name ${String(name)}`);
    },
  });
  await expect(api.read('../x')).rejects.toThrow('bad name ../x');
  await expect(api.add('../x', 'n')).rejects.toThrow(RangeError);
  expect(log).toEqual([]);
});

test("a transaction that the caller's own function gave up is no failure of the storage", async () => {
  const { api, cell } = twoLegs('pooled');
  const changedMind = new Error('changed my mind');
  await expect(api.work('d', () => Promise.reject(changedMind))).rejects.toBe(changedMind);
  expect([cell('work').calls, cell('work').failed]).toEqual([1, 0]);
});

test('an operation about no dataset is routed too', async () => {
  const { api, log } = twoLegs('pooled');
  await expect(api.all()).resolves.toEqual(['a']);
  expect(log).toEqual(['pooled all']);
});
