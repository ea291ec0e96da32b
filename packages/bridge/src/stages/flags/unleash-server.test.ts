import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { stages, type Stage } from '@changeover/core';
import { UnleashServer, unleashTokens } from '../../../../../test/kit/unleash-server.ts';
import { silentLogger } from '../../log.ts';
import { openServerStageSource } from './server-stage-source.ts';
import type { StageSource } from './stage-source.ts';
import { variantNames } from './stage-variant.ts';

const server = new UnleashServer(process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '');
let source: StageSource;

const admin = (method: string, path: string, body?: unknown): Promise<unknown> =>
  server.admin(method, path, body);

const flags = 'projects/default/features';
const strategies = `${flags}/changeover.sqlite/environments/development/strategies`;
let strategyId = '';

function strategy(weights: readonly number[]): object {
  return {
    name: 'flexibleRollout',
    parameters: { rollout: '100', stickiness: 'dataset', groupId: 'changeover.sqlite' },
    variants: variantNames.map((name, index) => ({
      // The server wants one variant that takes what the others leave.
      name,
      weight: weights[index] ?? 0,
      weightType: index === 0 ? 'variable' : 'fix',
      stickiness: 'dataset',
      payload: { type: 'json', value: '{"sampleRate": 0.5}' },
    })),
  };
}

const setWeights = (weights: readonly number[]): Promise<unknown> =>
  admin('PUT', `${strategies}/${strategyId}`, strategy(weights));

const decide = (dataset: string): ReturnType<StageSource['decide']> =>
  source.decide({ backend: 'sqlite', dataset, operation: 'readTable' });

/** Resolves once the source's answers are such that `holds`. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) {
    await new Promise<void>((resolve) => {
      const unsubscribe = source.subscribe(() => {
        unsubscribe();
        resolve();
      });
    });
  }
}

beforeAll(async () => {
  await server.start();
  await admin('POST', 'context', { name: 'dataset', stickiness: true });
  await admin('POST', flags, { name: 'changeover', type: 'kill-switch' });
  await admin('POST', `${flags}/changeover/environments/development/on`);
  await admin('POST', flags, { name: 'changeover.sqlite', type: 'release' });
  const created = await admin('POST', strategies, strategy([1000, 0, 0, 0]));
  strategyId = (created as { id: string }).id;
  await admin('POST', `${flags}/changeover.sqlite/dependencies`, { feature: 'changeover' });
  await admin('POST', `${flags}/changeover.sqlite/environments/development/on`);
  source = openServerStageSource({
    url: server.url,
    token: unleashTokens.client,
    logger: silentLogger,
    refreshIntervalMs: 20,
  });
  await until(() => decide('titanic').source === 'server');
});

afterAll(async () => {
  await source.close();
  await server.remove();
});

describe('with a real Unleash server', () => {
  test('its flags are taken as they come, payload included', () => {
    expect(decide('titanic')).toMatchObject({
      stage: 'legacy',
      source: 'server',
      settings: { sampleRate: 0.5 },
    });
    expect(source.status()).toMatchObject({ source: 'server', stale: false, lastError: undefined });
  });

  test('weights 0, 10, 50, 100 % of each step move no dataset backward and none past a stage', async () => {
    const datasets = Array.from({ length: 2_000 }, (_, index) => `dataset-${String(index)}`);
    const positions = (): number[] =>
      datasets.map((dataset) => stages.indexOf(decide(dataset).stage));
    let before = positions();
    for (const from of [0, 1, 2]) {
      for (const moved of [100, 500, 1000]) {
        const weights = [0, 0, 0, 0];
        weights[from] = 1000 - moved;
        weights[from + 1] = moved;
        const { revision } = decide('any');
        await setWeights(weights);
        await until(() => decide('any').revision !== revision);
        const after = positions();
        const jumps = after.map((position, index) => position - (before[index] ?? 0));
        expect([Math.min(...jumps), Math.max(...jumps)]).toEqual([0, 1]);
        before = after;
      }
    }
    expect(new Set(before)).toEqual(new Set([3]));
  });

  test('the kill switch stops all, and lets go again', async () => {
    await admin('POST', `${flags}/changeover/environments/development/off`);
    await until(() => decide('titanic').stage === 'legacy');
    expect(decide('titanic').reason).toBe('the kill switch "changeover" is off');
    await admin('POST', `${flags}/changeover/environments/development/on`);
    await until(() => decide('titanic').stage === 'pooled');
  });

  test('a strategy without variants, as the server makes by itself, leaves the flags before it', async () => {
    await admin('PUT', `${strategies}/${strategyId}`, { ...strategy([]), variants: [] });
    await until(() => decide('titanic').source === 'last-known-good');
    expect(decide('titanic').stage).toBe('pooled');
    expect(source.status().lastError?.message).toMatch(
      /variants: found \[\]; write a list of variants/,
    );
    await setWeights([0, 0, 1000, 0]);
    await until(() => decide('titanic').stage === 'reverse');
  });

  /** A token that a person makes on the server. */
  const makeToken = async (type: string, environment: string): Promise<string> =>
    (
      (await admin('POST', 'api-tokens', {
        tokenName: `${type} of ${environment}`,
        type,
        environment,
        projects: ['*'],
      })) as { secret: string }
    ).secret;

  test('a server that was killed and comes back, or refuses the token meanwhile, is followed again', async () => {
    const [revoked, browser, elsewhere] = await Promise.all([
      makeToken('client', 'development'),
      makeToken('frontend', 'development'),
      makeToken('client', 'production'),
    ]);
    let own = revoked;
    const told: string[] = [];
    const tell = (_fields: object, message: string): void => {
      told.push(message);
    };
    const asking = openServerStageSource({
      url: server.url,
      token: () => own,
      refreshIntervalMs: 20,
      timeoutMs: 1_000,
      logger: { ...silentLogger, error: tell },
    });
    const reached = async (holds: () => boolean): Promise<void> => {
      while (!holds())
        await new Promise((resolve) => {
          setTimeout(resolve, 5);
        });
    };
    const stage = (): Stage =>
      asking.decide({ backend: 'sqlite', dataset: 'titanic', operation: 'query' }).stage;
    const refused = (status: number): boolean =>
      asking.status().lastError?.message.includes(`refuses the token (${String(status)})`) === true;
    try {
      await reached(() => stage() === 'reverse');
      // The server goes on taking a revoked token for a while, until it looks again which there are.
      await admin('DELETE', `api-tokens/${revoked}`);
      await server.kill();
      expect(decide('titanic').stage).toBe('reverse');
      await server.start();
      await setWeights([0, 1000, 0, 0]);
      await until(() => decide('titanic').stage === 'shadow');
      expect(source.status().lastError).toBeUndefined();
      // Without a token that is good, the flags stay as they were, and whoever looks is told.
      await reached(() => refused(401) && asking.status().stale);
      expect([stage(), asking.status().source]).toEqual(['reverse', 'server']);
      expect(told.length).toBeGreaterThan(0);
      own = unleashTokens.client;
      await reached(
        () =>
          stage() === 'shadow' && !asking.status().stale && asking.status().lastError === undefined,
      );
      for (const [wrong, status] of [
        ['*:development.wrong', 401],
        ['', 401],
        [browser, 403],
      ] as const) {
        own = wrong;
        await reached(() => refused(status));
        expect([wrong, stage()]).toEqual([wrong, 'shadow']);
        own = unleashTokens.client;
        await reached(() => asking.status().lastError === undefined);
      }
      // A token decides whose flags there are: those of its environment, where nothing is on.
      own = elsewhere;
      await reached(() => stage() === 'legacy');
      own = unleashTokens.client;
      await reached(() => stage() === 'shadow');
    } finally {
      await asking.close();
    }
  });
});
