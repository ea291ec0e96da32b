import { describe, expect, test } from '@jest/globals';
import type { OperationTable, Stage } from '@changeover/core';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import type { StageDecision } from '../stages/flags/stage-source.ts';
import { createStaticStageSource } from '../stages/flags/static-stage-source.ts';
import { SeenLogger, SeenRecorder } from '../test-kit/two-legs.ts';
import { BackendRouter } from './backend-router.ts';

/** A clock of which each reading is counted, and which a leg's work moves. */
class WorkedClock extends ManualClock {
  readings = 0;
  workedMs = 0;

  override monotonicMs(): number {
    this.readings += 1;
    return super.monotonicMs() + this.workedMs;
  }
}

interface Notes {
  list(key: string): unknown;
  add(key: string): unknown;
}

const operations: OperationTable<Notes> = {
  list: { kind: 'read' },
  add: { kind: 'write', comparison: 'none' },
};

/** A bridge whose legs answer at once, unless the test says otherwise. */
function bridged(stage: Stage, source = createStaticStageSource(() => stage)) {
  const clock = new WorkedClock();
  const recorder = new SeenRecorder();
  const log: string[] = [];
  const does: { list: (leg: string) => unknown; add: (leg: string) => unknown } = {
    list: () => [1],
    add: () => 1,
  };
  const leg = (name: 'legacy' | 'pooled') => {
    const call = (operation: 'list' | 'add') => (): unknown => {
      log.push(`${name} ${operation}`);
      return does[operation](name);
    };
    return { name, api: { list: call('list'), add: call('add') } };
  };
  const { api } = new BackendRouter<Notes>({
    backend: 'notes',
    legacy: leg('legacy'),
    pooled: leg('pooled'),
    operations,
    stages: source,
    recorder,
    logger: new SeenLogger(),
    clock,
    mayAnswerAtOnce: () => ({ legacy: () => true, legacyAlone: () => false }),
  });
  const cell = (operation: string) => recorder.cell('notes', 'd', operation, stage);
  return { api, clock, recorder, log, does, cell };
}

const latency = { legacy: 'legacyLatency', pooled: 'pooledLatency' } as const;

describe.each(['legacy', 'pooled'] as const)('calls that answer at once, at %s', (stage) => {
  test.each(['list', 'add'] as const)(
    '%s: all are counted; a thousand are timed, and then one of thirteen, where they are quick',
    (operation) => {
      const { api, clock, cell } = bridged(stage);
      for (let call = 0; call < 1_000; call += 1) api[operation]('d');
      expect([cell(operation).calls, cell(operation)[latency[stage]].count]).toEqual([
        1_000, 1_000,
      ]);
      clock.readings = 0;
      for (let call = 0; call < 1_300; call += 1) api[operation]('d');
      expect([cell(operation).calls, cell(operation)[latency[stage]].count]).toEqual([
        2_300, 1_100,
      ]);
      expect(clock.readings).toBe(200);
    },
  );

  test('each is timed where they take long enough for that not to matter', () => {
    const { api, clock, cell, does } = bridged(stage);
    does.list = () => {
      clock.workedMs += 0.1;
      return [];
    };
    for (let call = 0; call < 1_200; call += 1) api.list('d');
    expect(cell('list')[latency[stage]].count).toBe(1_200);
    expect(cell('list')[latency[stage]].meanMs).toBeCloseTo(0.1);
  });

  test('a read that throws is counted as failed', () => {
    const { api, cell, does } = bridged(stage);
    api.list('d');
    does.list = () => {
      throw new RangeError('no such note');
    };
    expect(() => api.list('d')).toThrow('no such note');
    expect([cell('list').calls, cell('list').failed]).toEqual([2, 1]);
  });

  test('a read beside an unfinished write of its caller does not wait, and relies on order', async () => {
    const { api, does, log, recorder } = bridged(stage);
    api.list('d');
    does.add = () => Promise.resolve(1);
    const added = api.add('d');
    api.list('d');
    expect(log).toEqual([`${stage} list`, `${stage} add`, `${stage} list`]);
    expect(recorder.seenReliance.map(({ guarantee }) => guarantee)).toEqual(['order']);
    await added;
    api.list('d');
    expect(recorder.seenReliance).toHaveLength(1);
  });
});

test('a read that answers with a promise for once is one that writes wait for', async () => {
  const { api, does, log, cell } = bridged('pooled');
  for (let call = 0; call < 1_001; call += 1) api.list('d');
  const { promise, resolve } = Promise.withResolvers<unknown>();
  does.list = () => promise;
  does.add = () => Promise.resolve(1);
  await api.add('d');
  log.length = 0;
  const listed = api.list('d');
  const added = api.add('d');
  expect(log).toEqual(['pooled list']);
  resolve([2]);
  await expect(listed).resolves.toEqual([2]);
  await expect(added).resolves.toBe(1);
  expect(log).toEqual(['pooled list', 'pooled add']);
  expect(cell('list').calls).toBe(1_002);
});

test('reads that are promised soon are timed as those that answer at once, and all writes that are promised', async () => {
  const { api, does, cell } = bridged('pooled');
  does.list = () => Promise.resolve([1]);
  does.add = () => Promise.resolve(1);
  for (let call = 0; call < 1_130; call += 1) {
    await api.list('d');
    await api.add('d');
  }
  expect(cell('list').pooledLatency.count).toBe(1_010);
  expect(cell('add').pooledLatency.count).toBe(1_130);
});

test('a change that the source tells nobody of holds after 30 s', async () => {
  let stage: Stage = 'legacy';
  const source = createStaticStageSource(() => 'legacy');
  const silent = Object.assign(Object.create(source) as typeof source, {
    decide: (context: Parameters<typeof source.decide>[0]): StageDecision => ({
      ...source.decide(context),
      stage,
    }),
  });
  const { api, clock, log } = bridged('legacy', silent);
  api.list('d');
  stage = 'pooled';
  api.list('d');
  await clock.advance(30_000);
  api.list('d');
  expect(log).toEqual(['legacy list', 'legacy list', 'pooled list']);
});
