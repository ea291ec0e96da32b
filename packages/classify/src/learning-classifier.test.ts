import { expect, test } from '@jest/globals';
import { type ClassifierOptions, type HiddenUse, parseOptions } from './classifier.ts';
import { Findings } from './findings.ts';
import { type Judge, LearningClassifier } from './learning-classifier.ts';

/** Knows a text once it was fetched; each fetch waits for `release` or fails. */
class FakeJudge implements Judge {
  known = new Set<string>();
  missing = new Set<string>();
  fetches = 0;
  failing: Error | undefined;
  hiding: HiddenUse = 'none';
  looksForHidden = 0;
  looks: Record<string, number> = {};

  judge(sql: string) {
    this.looks[sql] = (this.looks[sql] ?? 0) + 1;
    if (sql === 'deep') throw new RangeError('Maximum call stack size exceeded');
    if (!this.known.has(sql)) {
      this.missing.add(sql);
      return undefined;
    }
    return new Findings().statement({ shape: sql });
  }

  fetch(): Promise<void> {
    this.fetches += 1;
    if (this.failing !== undefined) return Promise.reject(this.failing);
    for (const sql of this.missing) if (sql !== 'never') this.known.add(sql);
    return Promise.resolve();
  }

  hides(): Promise<HiddenUse> {
    this.looksForHidden += 1;
    return this.failing === undefined ? Promise.resolve(this.hiding) : Promise.reject(this.failing);
  }

  forget(): void {
    this.known.clear();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function classifierAt(clock: { ms: number }, judge = new FakeJudge()) {
  const timers: { readonly at: number; readonly task: () => void }[] = [];
  const options = parseOptions({
    now: () => clock.ms,
    after: (delayMs, task) => {
      const timer = { at: clock.ms + delayMs, task };
      timers.push(timer);
      return () => {
        timers.splice(timers.indexOf(timer), 1);
      };
    },
    maxCharacters: 1_000,
  });
  const goTo = (ms: number): void => {
    clock.ms = ms;
    for (const { task } of timers.filter(({ at }) => at <= ms)) task();
  };
  return { judge, classifier: new LearningClassifier(judge, options), goTo, timers };
}

test('a statement is pending until its facts are there, then told at once', async () => {
  const { classifier, judge } = classifierAt({ ms: 0 });
  expect(classifier.classify('a')).toBe('pending');
  expect(judge.fetches).toBe(0);
  await classifier.settled();
  expect(classifier.classify('a')).toMatchObject({ effect: 'reads' });
});

test('who learns a statement as another one has just been learned is told as well', async () => {
  const { classifier } = classifierAt({ ms: 0 });
  for (const sql of ['a', 'b', 'c']) expect((await classifier.learn(sql)).effect).toBe('reads');
});

test('a failure is told as unknown, and nothing is fetched for a while', async () => {
  const clock = { ms: 0 };
  const { classifier, judge } = classifierAt(clock);
  judge.failing = new Error('connection lost');
  expect(await classifier.learn('a')).toMatchObject({
    effect: 'unknown',
    acts: [{ detail: 'facts could not be fetched: Error: connection lost' }],
  });
  judge.failing = undefined;
  expect((await classifier.learn('a')).effect).toBe('unknown');
  expect(judge.fetches).toBe(1);
  clock.ms = 1_000;
  expect((await classifier.learn('a')).effect).toBe('reads');
});

test('while facts can not be had, a text that needs them is looked into once, whatever changes the schema', async () => {
  const clock = { ms: 0 };
  const { classifier, judge } = classifierAt(clock);
  judge.failing = new Error('no second connection');
  const told = await classifier.learn('a');
  for (let call = 0; call < 100; call += 1) {
    // What can't be told may change the schema.
    classifier.schemaChanged();
    expect(classifier.classify('a')).toBe(told);
    classifier.classify('b');
  }
  expect(judge.fetches).toBe(1);
  expect(judge.looks).toEqual({ a: 1, b: 1 });
  clock.ms = 1_000;
  judge.failing = undefined;
  expect((await classifier.learn('a')).effect).toBe('reads');
});

test('facts that lead to ever more facts end as unknown', async () => {
  const { classifier } = classifierAt({ ms: 0 });
  expect((await classifier.learn('never')).effect).toBe('unknown');
});

test('what throws, is too long, or holds a NUL is unknown', () => {
  const { classifier } = classifierAt({ ms: 0 });
  for (const sql of ['deep', 'x'.repeat(101), 'a\0b'])
    expect(classifier.classify(sql)).toMatchObject({ effect: 'unknown' });
});

test('a closed one keeps no timer, and so nothing of its program, alive', async () => {
  const { classifier, timers } = classifierAt({ ms: 0 });
  await classifier.learn('SELECT 1');
  expect(timers).toHaveLength(1);
  await classifier.close();
  expect(timers).toEqual([]);
});

test('facts are fetched again after their time', async () => {
  const { classifier, goTo } = classifierAt({ ms: 0 });
  await classifier.learn('a');
  goTo(59_999);
  expect(classifier.classify('a')).toMatchObject({ effect: 'reads' });
  goTo(60_000);
  expect(classifier.classify('a')).toBe('pending');
});

test('a statement that is known is told without reading a clock, and one timer runs however many are learned', async () => {
  let reads = 0;
  const clock = {
    get ms() {
      reads += 1;
      return 0;
    },
  };
  const { classifier, timers } = classifierAt(clock);
  for (const sql of ['a', 'b', 'c']) await classifier.learn(sql);
  reads = 0;
  for (const sql of ['a', 'b', 'c']) classifier.classify(sql);
  expect(reads).toBe(0);
  expect(timers).toHaveLength(1);
});

test('a closed classifier knows nothing', async () => {
  const { classifier } = classifierAt({ ms: 0 });
  await classifier.learn('a');
  await classifier.close();
  await classifier.close();
  expect(classifier.classify('a')).toMatchObject({ effect: 'unknown' });
});

test.each([[{ maxStatements: 0 }], [{ maxCharacters: NaN }], [{ speed: 1 }]])(
  'options %j are refused',
  (options) => {
    expect(() => parseOptions(options as ClassifierOptions)).toThrow(RangeError);
  },
);

test('whether code is hidden is looked for when it is first asked, and again once it may be otherwise', async () => {
  const clock = { ms: 0 };
  const { classifier, judge } = classifierAt(clock);
  expect(judge.looksForHidden).toBe(0);
  expect(classifier.hiddenUse()).toBeUndefined();
  expect(await classifier.learnHidden()).toBe('none');
  expect(classifier.hiddenUse()).toBe('none');
  judge.hiding = 'by writes';
  classifier.schemaChanged();
  expect(classifier.hiddenUse()).toBe('none');
  classifier.codeChanged();
  expect(classifier.hiddenUse()).toBeUndefined();
  expect(await classifier.learnHidden()).toBe('by writes');
});

test('hidden code that somebody else made is seen after a while, and what is known holds until then', async () => {
  const { classifier, judge, goTo } = classifierAt({ ms: 0 });
  await classifier.learnHidden();
  judge.hiding = 'by writes';
  goTo(60_000);
  expect(classifier.hiddenUse()).toBe('none');
  await classifier.settled();
  await new Promise(setImmediate);
  expect(classifier.hiddenUse()).toBe('by writes');
});

test('an answer from before the code changed is not taken for one from after', async () => {
  const { classifier, judge } = classifierAt({ ms: 0 });
  const early = classifier.learnHidden();
  classifier.codeChanged();
  judge.hiding = 'by writes';
  expect(await early).toBe('by writes');
});

test('hidden code that could not be looked for is none', async () => {
  const { classifier, judge } = classifierAt({ ms: 0 });
  judge.failing = new Error('connection lost');
  expect(await classifier.learnHidden()).toBe('none');
});
