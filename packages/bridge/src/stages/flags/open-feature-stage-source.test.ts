import {
  TypedInMemoryProvider,
  OpenFeature,
  type EvaluationContext,
} from '@openfeature/server-sdk';
import { afterAll, describe, expect, test } from '@jest/globals';
import type { Stage } from '@changeover/core';
import { silentLogger } from '../../log.ts';
import { OpenFeatureStageSource, type OpenFeatureClient } from './open-feature-stage-source.ts';
import { createStaticStageSource } from './static-stage-source.ts';

const context = { backend: 'sqlite', dataset: 'titanic', operation: 'query' };

type Flags = ConstructorParameters<typeof TypedInMemoryProvider>[0];

function flag(
  value: string,
  contextEvaluator?: (context: EvaluationContext) => string,
): NonNullable<Flags> {
  return {
    'changeover.sqlite': {
      disabled: false,
      defaultVariant: 'default',
      variants: { default: value, shadow: 'shadow', legacy: 'legacy' },
      ...(contextEvaluator === undefined ? {} : { contextEvaluator }),
    },
  };
}

let domains = 0;

/** The real SDK with its own provider in memory. */
async function open(
  flags: Flags,
  more: { fallback?: Stage; errors?: string[]; refreshIntervalMs?: number } = {},
): Promise<{
  provider: TypedInMemoryProvider;
  source: OpenFeatureStageSource;
}> {
  domains += 1;
  const domain = `test-${String(domains)}`;
  const provider = new TypedInMemoryProvider(flags);
  await OpenFeature.setProviderAndWait(domain, provider);
  const client: OpenFeatureClient = OpenFeature.getClient(domain);
  const source = new OpenFeatureStageSource({
    client,
    refreshIntervalMs: more.refreshIntervalMs ?? 10,
    logger: {
      ...silentLogger,
      error: (_fields, message) => {
        more.errors?.push(message);
      },
    },
    ...(more.fallback === undefined
      ? {}
      : { fallback: createStaticStageSource({ sqlite: more.fallback }) }),
  });
  return { provider, source };
}

const told = (source: OpenFeatureStageSource): Promise<void> =>
  new Promise((resolve) => {
    const end = source.subscribe(() => {
      end();
      resolve();
    });
  });

afterAll(async () => {
  await OpenFeature.close();
});

describe('an OpenFeature provider', () => {
  test.each([
    ['shadow', 'shadow'],
    ['2-reverse', 'reverse'],
  ])('that says %j means %s, from the second call on', async (value, stage) => {
    const { source } = await open(flag(value), { refreshIntervalMs: 60_000 });
    const answered = told(source);
    expect(source.decide(context)).toMatchObject({ stage: 'legacy', source: 'default' });
    await answered;
    const reason = 'the flag changeover.sqlite assigns it the variant default';
    expect(source.decide(context)).toMatchObject({ stage, source: 'server', reason });
    expect(source.status()).toMatchObject({ source: 'server', stale: false, lastError: undefined });
    await source.close();
  });

  test('is asked with dataset, operation and backend', async () => {
    const asked: EvaluationContext[] = [];
    const { source } = await open(
      flag('x', (given) => {
        asked.push(given);
        return given['dataset'] === 'titanic' ? 'shadow' : 'legacy';
      }),
    );
    const answered = told(source);
    source.decide(context);
    source.decide({ ...context, dataset: 'iris' });
    await answered;
    const iris = source.decide({ ...context, dataset: 'iris' });
    expect([source.decide(context).stage, iris.stage]).toEqual(['shadow', 'legacy']);
    expect(asked[0]).toEqual({
      targetingKey: 'titanic',
      dataset: 'titanic',
      operation: 'query',
      backend: 'sqlite',
    });
    await source.close();
  });

  test('that changes is followed', async () => {
    const { provider, source } = await open(flag('shadow'));
    let answered = told(source);
    source.decide(context);
    await answered;
    answered = told(source);
    provider.putConfiguration(flag('reverse'));
    await answered;
    expect(source.decide(context).stage).toBe('reverse');
    await source.close();
  });

  test.each([
    ['has no such flag', {}, /FLAG_NOT_FOUND/],
    ['says what is no stage', flag('later'), /found "later"; write a stage/],
  ])('that %s leaves the fallback in force, and is told once', async (_title, flags, message) => {
    const errors: string[] = [];
    const { provider, source } = await open(flags, { fallback: 'reverse', errors });
    expect(source.decide(context).stage).toBe('reverse');
    while (errors.length === 0)
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    expect(source.decide(context).stage).toBe('reverse');
    const answered = told(source);
    provider.putConfiguration(flag('shadow'));
    await answered;
    expect(source.decide(context).stage).toBe('shadow');
    expect(errors).toEqual([expect.stringMatching(message)]);
    expect(source.status().lastError).toBeUndefined();
    await source.close();
  });

  test('that fails after it answered leaves its last answer in force', async () => {
    const errors: string[] = [];
    const { provider, source } = await open(flag('shadow'), { errors });
    const answered = told(source);
    source.decide(context);
    await answered;
    provider.putConfiguration({});
    while (errors.length === 0)
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    expect(source.decide(context)).toMatchObject({ stage: 'shadow', source: 'server' });
    expect(source.status().stale).toBe(true);
    await source.close();
  });

  test('is asked by many at once no more than fifty times', async () => {
    let running = 0;
    let most = 0;
    const client: OpenFeatureClient = {
      async getStringDetails() {
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
        running -= 1;
        return { value: 'shadow', flagMetadata: { sampleRate: 0.5, owner: 'ada' } };
      },
      addHandler: () => undefined,
      removeHandler: () => undefined,
    };
    const source = new OpenFeatureStageSource({ client, logger: silentLogger });
    const datasets = Array.from({ length: 500 }, (_, index) => `d${String(index)}`);
    const stageOf = (dataset: string): Stage => source.decide({ ...context, dataset }).stage;
    datasets.forEach(stageOf);
    while (datasets.some((dataset) => stageOf(dataset) !== 'shadow')) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    expect(most).toBe(50);
    expect(source.decide({ ...context, dataset: 'd1' }).settings.sampleRate).toBe(0.5);
    await source.close();
  });
});
