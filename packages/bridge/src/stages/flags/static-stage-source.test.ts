import { describe, expect, test } from '@jest/globals';
import type { Stage } from '@changeover/core';
import { createStaticStageSource } from './static-stage-source.ts';

const context = { backend: 'sqlite', dataset: 'titanic', operation: 'query' };

describe('createStaticStageSource', () => {
  test('answers by backend, legacy for those not named', () => {
    const source = createStaticStageSource({ sqlite: 'shadow' }, { sampleRate: 0.25 });
    const settings = { sampleRate: 0.25, deadlineMs: 5_000 };
    expect(source.decide(context)).toMatchObject({ stage: 'shadow', settings });
    expect(source.decide({ ...context, backend: 'duckdb' }).stage).toBe('legacy');
  });

  test('answers by a function of the context', () => {
    const source = createStaticStageSource(({ dataset }) =>
      dataset === 'titanic' ? 'reverse' : 'legacy',
    );
    expect(source.decide(context).stage).toBe('reverse');
    expect(source.decide({ ...context, dataset: 'iris' }).stage).toBe('legacy');
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['names no stage', () => 'later' as Stage],
  ])('a function that %s means legacy', (_title, stages) => {
    expect(createStaticStageSource(stages).decide(context).stage).toBe('legacy');
  });

  test('set changes the answers, keeps the settings not given, and tells the subscribers', () => {
    const source = createStaticStageSource({ sqlite: 'legacy' }, { sampleRate: 0.25 });
    const before = source.decide(context).revision;
    const told: Stage[] = [];
    const unsubscribe = source.subscribe(() => {
      told.push(source.decide(context).stage);
    });
    source.set({ sqlite: 'pooled' }, { maxRows: 7 });
    unsubscribe();
    source.set({ sqlite: 'shadow' });
    expect(told).toEqual(['pooled']);
    expect(source.decide(context)).toMatchObject({
      stage: 'shadow',
      settings: { sampleRate: 0.25, maxRows: 7 },
    });
    expect(source.decide(context).revision).not.toBe(before);
  });
});
