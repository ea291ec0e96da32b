import { describe, expect, test } from '@jest/globals';
import { defaultShadowSettings } from '../stages/flags/stage-source.ts';
import { createStaticStageSource } from '../stages/flags/static-stage-source.ts';
import { Guardrail } from '../stages/guardrail.ts';
import { turnRounds } from './confirmation.ts';
import { type Notes, notesOperations, SeenLogger, twoLegs } from '../test-kit/two-legs.ts';
import { type OperationTable, systemClock, keyTarget } from '@changeover/core';

const rows = (...values: unknown[]): { a: unknown }[] => values.map((a) => ({ a }));

/** Answers one after the other, the last one for ever. */
function inTurn(...answers: unknown[]): () => unknown {
  let at = 0;
  return () => {
    const answer = answers[Math.min(at, answers.length - 1)];
    at += 1;
    if (answer instanceof Error) throw answer;
    return answer;
  };
}

/** Numbers from 0 to 1 that are the same each time (mulberry32). */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Coded extends Error {
  readonly code: string;
  constructor(code: string) {
    super(`the words of a driver for ${code}`);
    this.code = code;
  }
}

describe('the verdict on a read', () => {
  const cases: {
    title: string;
    legacy: unknown[];
    pooled: unknown[];
    verdict: string;
    class?: string;
  }[] = [
    { title: 'equal rows', legacy: [rows(1, 2)], pooled: [rows(1, 2)], verdict: 'match' },
    {
      title: 'equal rows in another order',
      legacy: [rows(1, 2)],
      pooled: [rows(2, 1)],
      verdict: 'match',
    },
    {
      title: 'another value',
      legacy: [rows(1, 2)],
      pooled: [rows(1, 3)],
      verdict: 'mismatch',
      class: 'value',
    },
    {
      title: 'another type',
      legacy: [rows(1, 2)],
      pooled: [rows(1, '2')],
      verdict: 'mismatch',
      class: 'type',
    },
    {
      title: 'a row too few',
      legacy: [rows(1, 2, 3)],
      pooled: [rows(1, 3)],
      verdict: 'mismatch',
      class: 'missing-row',
    },
    {
      title: 'a row too many',
      legacy: [rows(1, 2)],
      pooled: [rows(1, 2, 3)],
      verdict: 'mismatch',
      class: 'extra-row',
    },
    {
      title: 'another column',
      legacy: [rows(1)],
      pooled: [[{ b: 1 }]],
      verdict: 'mismatch',
      class: 'columns',
    },
    {
      title: 'an error on one leg',
      legacy: [rows(1)],
      pooled: [new Coded('X')],
      verdict: 'mismatch',
      class: 'error',
    },
    {
      title: 'the same kind of error on both',
      legacy: [new Coded('X')],
      pooled: [new Coded('X')],
      verdict: 'match',
    },
    {
      title: 'another kind of error',
      legacy: [new Coded('X')],
      pooled: [new Coded('Y')],
      verdict: 'mismatch',
      class: 'error',
    },
    {
      title: 'a leg that was wrong once',
      legacy: [rows(1)],
      pooled: [rows(2), rows(1)],
      verdict: 'mismatch',
    },
    {
      title: 'a leg that fails once',
      legacy: [rows(1)],
      pooled: [new Coded('X'), rows(1)],
      verdict: 'mismatch',
    },
    {
      title: 'legacy differs from itself',
      legacy: [rows(1), rows(2), rows(3)],
      pooled: [rows(4)],
      verdict: 'nondeterministic',
    },
    {
      title: 'both have moved on',
      legacy: [rows(1), rows(2)],
      pooled: [rows(2)],
      verdict: 'raced',
    },
  ];

  test.each(cases)(
    '$title: $verdict',
    async ({ legacy: legacyAnswers, pooled: pooledAnswers, verdict, class: kind }) => {
      const { api, legacy, pooled, router, cell, recorder } = twoLegs('shadow');
      pooled.token = 'nobody writes';
      legacy.does.list = inTurn(...legacyAnswers);
      pooled.does.list = inTurn(...pooledAnswers);
      await api.list('d').catch(() => undefined);
      await router.idle();
      const { match, mismatch, raced, nondeterministic, inconclusive, compared } = cell('list');
      expect({ match, mismatch, raced, nondeterministic, inconclusive }).toEqual({
        match: 0,
        mismatch: 0,
        raced: 0,
        nondeterministic: 0,
        inconclusive: 0,
        [verdict]: 1,
      });
      expect(compared).toBe(1);
      if (kind !== undefined) expect(recorder.samples[0]?.class).toBe(kind);
    },
  );

  test.each([1, 4_999, 10_000])(
    'is not misled by a caller that changes its answer of %d rows at once',
    async (count) => {
      const { api, legacy, pooled, router, cell } = twoLegs('shadow');
      const made = (): { a: unknown }[] => rows(...Array.from({ length: count }, (_, at) => at));
      legacy.does.list = made;
      pooled.does.list = made;
      const answer = (await api.list('d')) as { a: unknown }[];
      for (const row of answer) row.a = 'changed';
      answer.length = 0;
      await router.idle();
      expect(cell('list')).toMatchObject({ compared: 1, match: 1 });
    },
  );

  test('counts an answer of objects of a class as it was when the caller got it', async () => {
    class Money {
      amount = 1;
    }
    const { api, legacy, pooled, router, cell } = twoLegs('shadow');
    legacy.does.list = () => [{ a: new Money() }];
    pooled.does.list = () => [{ a: new Money() }];
    const [row] = (await api.list('d')) as { a: Money }[];
    if (row !== undefined) row.a.amount = 2;
    await router.idle();
    expect(cell('list')).toMatchObject({ compared: 1, match: 1 });
  });

  test.each(['shadow', 'reverse'] as const)(
    'at %s, pairs the times that both legs took',
    async (stage) => {
      let now = 0;
      const clock = { ...systemClock, monotonicMs: () => now };
      const { api, legacy, pooled, router, cell } = twoLegs(stage, { clock });
      const takes = (ms: number) => (): unknown => {
        now += ms;
        return rows(1);
      };
      legacy.does.list = takes(5);
      pooled.does.list = takes(3);
      for (let call = 0; call < 30; call += 1) {
        await api.list('d');
        await router.idle();
      }
      expect(cell('list').paired.estimate()).toMatchObject({ kind: 'estimate', value: -2, n: 30 });
      legacy.does.list = inTurn(new Coded('X'));
      await api.list('d').catch(() => undefined);
      await router.idle();
      expect(cell('list').paired.n).toBe(30);
    },
  );

  test('is raced when a write came between', async () => {
    const { api, legacy, pooled, router, cell } = twoLegs('shadow');
    let stored = rows(1);
    legacy.does.list = () => stored;
    legacy.does.add = () => {
      stored = rows(1, 2);
      return 1;
    };
    pooled.does.list = () => stored;
    const read = api.list('d');
    await read;
    await api.add('d', 'x');
    await router.idle();
    expect([cell('list').raced, cell('list').mismatch]).toEqual([1, 0]);
  });

  test('is a mismatch where writes fall into some rounds and not into others', async () => {
    const { api, legacy, pooled, router, cell } = twoLegs('shadow');
    const writes: Promise<unknown>[] = [];
    let reads = 0;
    legacy.does.list = () => {
      reads += 1;
      if (reads > 1 && reads < 7) writes.push(api.add('d', 'x'));
      return rows(1);
    };
    pooled.does.list = () => rows(2);
    await api.list('d');
    await router.idle();
    await Promise.all(writes);
    expect(writes).toHaveLength(5);
    expect([cell('list').raced, cell('list').mismatch]).toEqual([0, 1]);
  });

  test('is inconclusive when the shadow leg has no connection', async () => {
    const { api, pooled, router, cell } = twoLegs('shadow', {
      isUnavailable: (error) => (error as Coded).code === 'GONE',
    });
    pooled.does.list = () => {
      throw new Coded('GONE');
    };
    await api.list('d');
    await router.idle();
    expect([cell('list').inconclusive, cell('list').mismatch]).toEqual([1, 0]);
  });

  test('needs no rerun of a busy legacy leg where the same call has differed before', async () => {
    const { legacy, pooled } = twoLegs('shadow');
    legacy.answer = rows(1, 2);
    pooled.answer = rows(1, '2');
    legacy.shadow = {
      admits: () => false,
      digest: () => Promise.reject(new Error('busy')),
      read: () => Promise.reject(new Error('busy')),
    };
    const busy = twoLegs('shadow', {
      legacy,
      pooled,
      stages: createStaticStageSource(() => 'shadow', { ...defaultShadowSettings, deadlineMs: 20 }),
    });
    const call = async (): Promise<readonly number[]> => {
      await busy.api.list('d');
      await busy.router.idle();
      const { inconclusive, mismatch } = busy.cell('list');
      return [inconclusive, mismatch];
    };
    // Nobody can tell of writes: what comes and goes must be excluded by asking again and again.
    for (let times = 1; times < turnRounds; times += 1) expect(await call()).toEqual([times, 0]);
    expect(await call()).toEqual([turnRounds - 1, 1]);
    const other = twoLegs('shadow', {
      legacy,
      pooled,
      stages: createStaticStageSource(() => 'shadow', { ...defaultShadowSettings, deadlineMs: 20 }),
    });
    pooled.token = 'nobody writes';
    for (let times = 0; times < 4; times += 1) {
      await other.api.list('d');
      await other.router.idle();
    }
    expect(other.cell('list')).toMatchObject({ inconclusive: 1, mismatch: 3 });
    expect(other.recorder.samples.map((sample) => sample.class)).toEqual([
      'value',
      'type',
      'type',
      'type',
    ]);
  });

  test.each([
    ['nobody can tell of writes', () => undefined, 'inconclusive'],
    ['somebody wrote meanwhile', (at: number) => String(at), 'raced'],
    ['nobody wrote', () => 'the same', 'mismatch'],
  ] as const)(
    'where %s, a pooled leg that differs once is judged so',
    async (_what, token, verdict) => {
      for (const stage of ['shadow', 'reverse'] as const) {
        const { api, legacy, pooled, router, cell } = twoLegs(stage);
        let asked = 0;
        Object.defineProperty(pooled, 'token', { get: () => token((asked += 1)) });
        // At `reverse` a state is known from the call before.
        await api.list('d');
        await router.idle();
        pooled.does.list = inTurn(rows(2), rows(1));
        legacy.does.list = () => rows(1);
        await api.list('d');
        await router.idle();
        expect([stage, cell('list')[verdict]]).toEqual([stage, 1]);
      }
    },
  );

  test('that is left to a person tells where the legs differ', async () => {
    const { api, legacy, pooled, router, recorder } = twoLegs('shadow');
    let asked = 1;
    pooled.does.list = () => rows((asked += 1));
    legacy.does.list = () => rows(1);
    await api.list('d');
    await router.idle();
    expect(recorder.samples).toMatchObject([
      {
        verdict: 'inconclusive',
        summary: expect.stringMatching(/^value in "a": row 1, .*; legacy 1 row, pooled 1 row$/),
        legacy: [{ row: 0, column: 'a', value: { type: 'number' } }],
      },
    ]);
  });

  test('is no mismatch where somebody sets a value and takes it back all the time', async () => {
    const random = seededRandom(7);
    for (const stage of ['shadow', 'reverse'] as const) {
      const { api, legacy, pooled, router, cell } = twoLegs(stage, {
        // However busy the machine is, none of them runs out of its time.
        stages: createStaticStageSource(() => stage, {
          ...defaultShadowSettings,
          deadlineMs: 60_000,
        }),
      });
      const flickering = (): unknown => rows(random() < 0.5 ? 1 : 2);
      legacy.does.list = flickering;
      pooled.does.list = flickering;
      for (let call = 0; call < 1_000; call += 1) {
        await api.list('d');
        await router.idle();
      }
      expect(cell('list')).toMatchObject({ compared: 1_000, mismatch: 0 });
      expect(cell('list').match).toBeGreaterThan(400);
    }
  });

  test('stays open on a busy legacy leg that says another thing each time', async () => {
    const { legacy, pooled } = twoLegs('shadow');
    let turn = 0;
    legacy.does.list = () => rows((turn += 1));
    pooled.does.list = () => rows((turn += 1));
    legacy.shadow = {
      admits: () => false,
      digest: () => Promise.reject(new Error('busy')),
      read: () => Promise.reject(new Error('busy')),
    };
    const busy = twoLegs('shadow', {
      legacy,
      pooled,
      stages: createStaticStageSource(() => 'shadow', { ...defaultShadowSettings, deadlineMs: 20 }),
    });
    for (let call = 0; call < 3; call += 1) {
      await busy.api.list('d');
      await busy.router.idle();
    }
    expect([busy.cell('list').inconclusive, busy.cell('list').mismatch]).toEqual([3, 0]);
  });

  test('of a changed order is a mismatch where the call promises the order', async () => {
    const { api, legacy, pooled, router, cell, recorder } = twoLegs('shadow', {
      operations: {
        ...(await import('../test-kit/two-legs.ts')).notesOperations,
        list: { kind: 'read', result: 'rows', ordered: () => true },
      },
    });
    legacy.answer = rows(1, 2);
    pooled.answer = rows(2, 1);
    await api.list('d');
    await router.idle();
    expect(cell('list').mismatch).toBe(1);
    expect(recorder.samples[0]?.class).toBe('order');
  });

  test('is on the answer as the caller got it, whatever the caller makes of it', async () => {
    const { api, legacy, pooled, router, cell } = twoLegs('shadow');
    legacy.does.list = () => rows(1, 2);
    pooled.does.list = () => rows(1, 2);
    const answer = await api.list('d');
    answer.length = 0;
    await router.idle();
    expect(cell('list').match).toBe(1);
  });
});

describe('what is kept of a mismatch', () => {
  test('holds no value of the data', async () => {
    const { api, legacy, pooled, router, recorder, logger } = twoLegs('shadow');
    legacy.answer = rows('canary-one', 'same');
    pooled.answer = rows('canary-two', 'same');
    await api.list('d');
    await router.idle();
    expect(recorder.samples).toHaveLength(1);
    expect(JSON.stringify([recorder.samples, logger.lines])).not.toMatch(/canary/);
  });
});

describe('coverage', () => {
  test('adds up: sampled is compared plus shed', async () => {
    const { api, router, cell } = twoLegs('shadow', { queue: { maxQueued: 3, maxConcurrent: 1 } });
    await Promise.all(Array.from({ length: 50 }, () => api.list('d')));
    await router.idle();
    const { calls, eligible, sampled, compared, shed } = cell('list');
    const shedTotal = Object.values(shed).reduce((sum, count) => sum + count, 0);
    expect([calls, eligible, sampled]).toEqual([50, 50, 50]);
    expect(shed['queue-full']).toBeGreaterThan(0);
    expect(compared + shedTotal).toBe(50);
  });

  test('counts what was not sampled as eligible only', async () => {
    const stages = createStaticStageSource(() => 'shadow', {
      ...defaultShadowSettings,
      sampleRate: 0.25,
    });
    let turn = 0;
    const { api, router, cell } = twoLegs('shadow', { stages, random: () => (turn++ % 4) / 4 });
    for (let call = 0; call < 40; call += 1) await api.list('d');
    await router.idle();
    expect([cell('list').eligible, cell('list').sampled, cell('list').compared]).toEqual([
      40, 10, 10,
    ]);
  });

  test('sheds an answer above the size limit without digesting it', async () => {
    const stages = createStaticStageSource(() => 'shadow', {
      ...defaultShadowSettings,
      maxRows: 2,
    });
    const { api, legacy, router, cell, log } = twoLegs('shadow', { stages });
    legacy.answer = rows(1, 2, 3);
    await api.list('d');
    await router.idle();
    expect(cell('list').shed).toEqual({ 'too-large': 1 });
    expect(log).toEqual(['legacy list']);
  });

  test('a pooled leg that does not answer until the deadline is no pass: it comes to no explanation', async () => {
    const stages = createStaticStageSource(() => 'shadow', {
      ...defaultShadowSettings,
      deadlineMs: 20,
    });
    const { api, pooled, router, cell } = twoLegs('shadow', { stages });
    pooled.does.list = () => new Promise(() => undefined);
    await api.list('d');
    await router.idle();
    expect(cell('list')).toMatchObject({ compared: 1, inconclusive: 1, shed: {} });
  });

  test('a legacy leg that never answers as the shadow is shed at its deadline', async () => {
    const stages = createStaticStageSource(() => 'reverse', {
      ...defaultShadowSettings,
      deadlineMs: 20,
    });
    const { api, legacy, router, cell } = twoLegs('reverse', { stages });
    legacy.does.list = () => new Promise(() => undefined);
    await api.list('d');
    await router.idle();
    expect(cell('list').shed).toEqual({ deadline: 1 });
  });

  test('stops making shadow calls while too many never answered', async () => {
    const stages = createStaticStageSource(() => 'shadow', {
      ...defaultShadowSettings,
      deadlineMs: 10,
    });
    const { api, pooled, router, cell } = twoLegs('shadow', {
      stages,
      queue: { maxAbandoned: 2, maxConcurrent: 4 },
    });
    pooled.does.list = () => new Promise(() => undefined);
    for (let call = 0; call < 8; call += 1) {
      await api.list('d');
      await router.idle();
    }
    expect(cell('list').shed['breaker-open']).toBeGreaterThan(0);
    expect(cell('list').inconclusive).toBeLessThanOrEqual(4);
  });
});

describe('the guardrail', () => {
  test('puts the dataset back to legacy at its first confirmed mismatch, and only that dataset', async () => {
    const source = createStaticStageSource(() => 'reverse');
    const guardrail = new Guardrail(source, systemClock, new SeenLogger());
    const { api, legacy, pooled, router, log } = twoLegs('reverse', {
      stages: guardrail,
      guardrail,
    });
    legacy.answer = rows(1);
    pooled.answer = rows(2);
    await api.list('bad');
    await router.idle();
    log.length = 0;
    await api.list('bad');
    await api.list('good');
    expect(log.slice(0, 2)).toEqual(['legacy list', 'pooled list']);
    await router.idle();
    expect(guardrail.holds.map(({ target }) => target)).toContainEqual(keyTarget('bad'));
    expect(guardrail.resume('notes', keyTarget('bad'))).toBe(true);
    log.length = 0;
    await api.list('bad');
    expect(log[0]).toBe('pooled list');
    router.close();
  });

  test.each([
    [1, '1 confirmed mismatch: the sum'],
    [2, '2 confirmed mismatches, the last: the sum'],
  ])('says how many there were: %d', (maxMismatches, reason) => {
    const source = createStaticStageSource(() => 'reverse');
    const guardrail = new Guardrail(source, systemClock, new SeenLogger(), { maxMismatches });
    for (let seen = 0; seen < maxMismatches; seen += 1) guardrail.mismatch('notes', 'd', 'the sum');
    expect(guardrail.holds.map((hold) => hold.reason)).toEqual([reason]);
  });

  test('in mode `report` moves nothing and says so', async () => {
    const logger = new SeenLogger();
    const guardrail = new Guardrail(
      createStaticStageSource(() => 'shadow'),
      systemClock,
      logger,
      { mode: 'report' },
    );
    const { api, legacy, pooled, router } = twoLegs('shadow', { stages: guardrail, guardrail });
    legacy.answer = rows(1);
    pooled.answer = rows(2);
    await api.list('d');
    await router.idle();
    expect(guardrail.holds).toEqual([]);
    expect(logger.lines.map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/only reports/),
    );
  });
});

describe('statistics whose last digits depend on the order of addition', () => {
  const statistics = { count: 200_000, min: 0, max: 23.98, mean: 13.775850833332878 };
  const operations: OperationTable<Notes> = {
    ...notesOperations,
    read: {
      kind: 'read',
      undetermined: () => ({
        kind: 'rounding',
        reason: 'but for the last digits',
        fields: { rounded: ['mean'], between: ['min', 'max'] },
      }),
    },
  };

  test.each([
    ['the last digits of the mean', { mean: 13.775850833332925 }, 'match'],
    ['more of the mean', { mean: 13.7758509 }, 'mismatch'],
    ['the last digits of anything else', { max: 23.980000000000004 }, 'mismatch'],
  ])('that differ in %s', async (_what, other, verdict) => {
    const { api, legacy, pooled, router, cell } = twoLegs('shadow', { operations });
    legacy.answer = statistics;
    pooled.answer = { ...statistics, ...other };
    await api.read('d');
    await router.idle();
    expect(cell('read')).toMatchObject({ match: 0, mismatch: 0, [verdict]: 1 });
  });
});
