import { describe, expect, test } from '@jest/globals';
import {
  ChangeoverError,
  type EndableCall,
  type Leg,
  type OperationTable,
  type Stage,
  TransactionOverError,
} from '@changeover/core';
import { ManualClock, settle } from '../../../../test/kit/manual-clock.ts';
import { caller } from '../guarantees/index.ts';
import { createStaticStageSource } from '../stages/flags/static-stage-source.ts';
import { type Notes, notesOperations, twoLegs } from '../test-kit/two-legs.ts';
import type { PassedWrite } from './way-back.ts';

/** `work` is a transaction by callback. */
const operations: OperationTable<Notes> = {
  ...notesOperations,
  work: { kind: 'write', comparison: 'none', exclusive: true },
};

/** Two legs whose pooled calls never end by themselves. */
function stuckLegs(stage: Stage) {
  const clock = new ManualClock();
  const source = createStaticStageSource(() => stage);
  const passed: PassedWrite[] = [];
  const two = twoLegs(stage, {
    operations,
    stages: source,
    clock,
    backWithinMs: 1_000,
    onPassed: (write) => passed.push(write),
  });
  const ends: (() => void)[] = [];
  const stuck = (): Promise<unknown> =>
    new Promise((resolve) => {
      ends.push(() => {
        resolve('at last');
      });
    });
  two.pooled.does.add = stuck;
  two.pooled.does.read = stuck;
  const moveTo = (to: Stage): void => {
    source.set(() => to);
  };
  return { ...two, source, clock, passed, moveTo, endFirst: () => ends.shift()?.() };
}

/** Makes the pooled leg one that ends its calls with an error, when `really` is called. */
function endable(leg: Leg<Notes>): { readonly asked: Error[]; really: () => void } {
  const asked: Error[] = [];
  const state = { asked, really: (): void => undefined };
  leg.endable = (call): EndableCall => {
    const made = call() as Promise<unknown>;
    const { promise, reject } = Promise.withResolvers<never>();
    return {
      answer: Promise.race([made, promise]),
      end: (reason) => {
        asked.push(reason);
        state.really = () => {
          reject(new ChangeoverError('ABORTED', `${reason.message}; nothing was applied`));
        };
        return true;
      },
    };
  };
  return state;
}

const outcomeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value,
    (error: unknown) => error,
  );

describe.each(['reverse', 'pooled'] as const)('moved back from %s', (stage) => {
  test('a write waits for the one that is stuck until the bound, and then passes it', async () => {
    const { api, log, clock, passed, moveTo, endFirst } = stuckLegs(stage);
    const stuck = api.add('d', '1');
    moveTo('legacy');
    const next = caller(() => api.add('d', '2'));
    await clock.advance(999);
    expect(log).toEqual(['pooled add']);
    await clock.advance(1);
    expect(log).toEqual(['pooled add', 'legacy add']);
    expect(await next).toBe(1);
    expect(passed).toEqual([
      { backend: 'notes', key: 'd', operation: 'add', how: 'waived', ranMs: 1_000 },
    ]);
    endFirst();
    expect(await stuck).toBe('at last');
  });

  test('what was held up behind it goes to the legacy leg, in the order that it had', async () => {
    const { api, log, clock, moveTo, cell } = stuckLegs(stage);
    void api.add('d', '1');
    void api.add('d', '2');
    void api.read('d');
    void api.add('d', '3');
    expect(log).toEqual(['pooled add']);
    moveTo('legacy');
    await clock.advance(1_000);
    expect(log).toEqual(['pooled add', 'legacy add', 'legacy read', 'legacy add']);
    expect(cell('add', 'legacy').calls).toBe(2);
    expect(cell('add', stage).calls).toBe(1);
  });

  test('a read that never ends holds up no write of its caller', async () => {
    const { api, log, clock, moveTo, passed } = stuckLegs(stage);
    void api.read('d');
    moveTo('legacy');
    void api.add('d', '1');
    await clock.advance(1_000);
    expect(log.filter((line) => line.includes('add'))).toEqual(['legacy add']);
    expect(passed).toEqual([]);
  });

  test('a call that the leg can end is ended at the bound, and others wait until it has ended', async () => {
    const { api, log, clock, moveTo, pooled, passed } = stuckLegs(stage);
    const ending = endable(pooled);
    const stuck = outcomeOf(api.work('d', () => new Promise(() => undefined)));
    moveTo('legacy');
    void api.add('d', '2');
    await clock.advance(1_000);
    expect(ending.asked).toMatchObject([{ code: 'MOVED_BACK' }]);
    expect(log).toEqual(['pooled work']);
    ending.really();
    await settle();
    expect(log).toEqual(['pooled work', 'legacy add']);
    expect(await stuck).toMatchObject({
      code: 'ABORTED',
      message: expect.stringMatching(/1000 ms; nothing was applied/),
    });
    expect(passed).toMatchObject([{ operation: 'work', how: 'cut' }]);
  });

  test('what a transaction does after it was cut is refused by name, from the moment of the cut', async () => {
    const { api, log, clock, moveTo, pooled } = stuckLegs(stage);
    const ending = endable(pooled);
    const goOn = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()] as const;
    const told: unknown[] = [];
    const stuck = outcomeOf(
      api.work('d', async () => {
        for (const { promise } of goOn) {
          await promise;
          told.push(await outcomeOf(Promise.resolve().then(() => api.add('d', 'late'))));
        }
        await new Promise(() => undefined);
      }),
    );
    moveTo('legacy');
    await clock.advance(1_000);
    goOn[0].resolve(undefined);
    await settle();
    ending.really();
    await stuck;
    goOn[1].resolve(undefined);
    await settle();
    expect(told).toEqual([expect.any(TransactionOverError), expect.any(TransactionOverError)]);
    expect(log).toEqual(['pooled work']);
  });

  test('a call that its leg does not end after all is passed in the end', async () => {
    const { api, log, clock, moveTo, pooled, passed } = stuckLegs(stage);
    endable(pooled);
    void api.add('d', '1');
    moveTo('legacy');
    void caller(() => api.add('d', '2'));
    await clock.advance(5_999);
    expect(log).toEqual(['pooled add']);
    await clock.advance(1);
    expect(log).toEqual(['pooled add', 'legacy add']);
    expect(passed).toMatchObject([{ how: 'waived' }]);
  });

  test('a call of a second move back has its whole time, whatever the first one waited for', async () => {
    const { api, clock, moveTo, passed, endFirst } = stuckLegs(stage);
    void api.add('d', '1');
    moveTo('legacy');
    await clock.advance(600);
    endFirst();
    await settle();
    moveTo(stage);
    void api.add('d', '2');
    moveTo('legacy');
    await clock.advance(999);
    expect(passed).toEqual([]);
    await clock.advance(1);
    expect(passed).toMatchObject([{ how: 'waived', ranMs: 1_000 }]);
  });

  test('a call that was taken along forward again has its whole time at the next move back', async () => {
    const { api, clock, moveTo, passed } = stuckLegs(stage);
    void api.add('d', '1');
    moveTo('legacy');
    await clock.advance(600);
    moveTo(stage);
    await clock.advance(10);
    moveTo('legacy');
    await clock.advance(999);
    expect(passed).toEqual([]);
    await clock.advance(1);
    expect(passed).toMatchObject([{ how: 'waived', ranMs: 1_610 }]);
  });

  test('a write that ends in time is passed by nobody, and nothing is left behind', async () => {
    const { api, log, clock, moveTo, pooled, passed, endFirst } = stuckLegs(stage);
    const ending = endable(pooled);
    const write = api.add('d', '1');
    moveTo('legacy');
    const next = caller(() => api.add('d', '2'));
    await clock.advance(900);
    endFirst();
    expect(await write).toBe('at last');
    expect(await next).toBe(1);
    await clock.advance(30_000);
    expect([log, passed, ending.asked, clock.pending]).toEqual([
      ['pooled add', 'legacy add'],
      [],
      [],
      0,
    ]);
  });

  test('nothing is ended where the key has gone forward again', async () => {
    const { api, clock, moveTo, pooled, passed } = stuckLegs(stage);
    const ending = endable(pooled);
    void api.add('d', '1');
    moveTo('legacy');
    await clock.advance(500);
    moveTo(stage);
    await clock.advance(60_000);
    expect([ending.asked, passed]).toEqual([[], []]);
  });
});

test('a move forward ends and passes nothing, however long a call takes', async () => {
  const { api, log, clock, moveTo, legacy, pooled, passed } = stuckLegs('legacy');
  const ending = endable(pooled);
  const asked = endable(legacy);
  legacy.does.add = () => new Promise(() => undefined);
  void api.add('d', '1');
  moveTo('pooled');
  void caller(() => api.add('d', '2'));
  await clock.advance(600_000);
  expect(log).toEqual(['legacy add']);
  expect([ending.asked, asked.asked, passed]).toEqual([[], [], []]);
});

test('keys that did not move are left alone', async () => {
  const { api, clock, passed, source, pooled } = stuckLegs('pooled');
  const ending = endable(pooled);
  void api.add('other', '1');
  source.set(({ dataset }) => (dataset === 'd' ? 'legacy' : 'pooled'));
  await clock.advance(60_000);
  expect([ending.asked, passed]).toEqual([[], []]);
});
