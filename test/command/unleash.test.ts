import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createStorageBridge, type Leg, openServerStageSource, type StageSource, type StorageApi, type StorageBridge } from 'changeover';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@changeover/router';
import { UnleashServer, unleashTokens } from '../kit/unleash-server.ts';
import { type Outcome, typeChangeover } from './run-changeover.ts';
import { testFlags } from './write-test-flags.ts';

let server: UnleashServer;
let folder: string;
let source: StageSource;

/** Flags on a real server, where every dataset of sqlite is on shadow. */
beforeAll(async () => {
  const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'];
  if (databaseUrl === undefined) throw new Error('CHANGEOVER_TEST_DATABASE_URL is not set: run the tests by npm test');
  folder = mkdtempSync(join(tmpdir(), 'changeover-unleash-'));
  server = new UnleashServer(databaseUrl);
  await server.start();
  await server.admin('POST', 'context', { name: 'dataset', stickiness: true });
  const features = 'projects/default/features';
  for (const { name, strategies, dependencies } of testFlags({ sqlite: 'shadow' }).features) {
    await server.admin('POST', features, { name, type: 'release' });
    for (const { variants, ...strategy } of strategies) {
      await server.admin('POST', `${features}/${name}/environments/development/strategies`, {
        ...strategy, variants: variants.map((variant) => ({ ...variant, weightType: variant.weight > 0 ? 'variable' : 'fix' })),
      });
    }
    await server.admin('POST', `${features}/${name}/environments/development/on`);
    for (const dependency of dependencies ?? []) await server.admin('POST', `${features}/${name}/dependencies`, dependency);
  }
  source = openServerStageSource({ url: server.url, token: unleashTokens.client, logger: silentLogger, refreshIntervalMs: 20 });
  await until('iris', 'shadow');
}, 60_000);

afterAll(async () => {
  await source.close();
  await server.remove();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

function asked(dataset: string): string {
  return source.decide({ backend: 'sqlite', dataset, operation: 'readTable' }).stage;
}

/** Resolves when the server itself asks for that stage. */
async function until(dataset: string, stage: string): Promise<void> {
  while (source.status().source !== 'server' || asked(dataset) !== stage) {
    await new Promise<void>((resolve) => {
      const end = source.subscribe(() => {
        end();
        resolve();
      });
    });
  }
}

function env(more: Record<string, string> = {}): Record<string, string> {
  return {
    CHANGEOVER_BASE_PATH: folder, CHANGEOVER_FLAGS: join(folder, 'pulled.json'),
    UNLEASH_URL: server.url, UNLEASH_TOKEN: unleashTokens.client, UNLEASH_ADMIN_TOKEN: unleashTokens.admin, ...more,
  };
}

const type = (...args: string[]): Promise<Outcome> => typeChangeover(args, env());
const because = ['--reason', 'drill', '--who', 'ada', '--unseen'] as const;

function openBridge(decoratePooledLeg?: (leg: Leg<StorageApi>) => Leg<StorageApi>): StorageBridge {
  return createStorageBridge({
    basePath: folder, flagsFile: join(folder, 'none.json'), unleashUrl: server.url, unleashToken: unleashTokens.client,
    unleashAdminToken: unleashTokens.admin, logger: silentLogger, decoratePooledLeg,
  });
}

describe('with a token that may change flags', () => {
  test('rollback, resume, promote and kill turn the flag on the server as well', async () => {
    // The ledger is in the store that a program makes.
    const bridge = openBridge();
    try {
      bridge.recorder.flush();
      expect((await type('rollback', 'sqlite', 'titanic', ...because)).out).toContain(`The flag on ${server.url} is turned too.`);
      await until('titanic', 'legacy');
      expect(asked('iris')).toBe('shadow');
      await type('resume', 'sqlite', 'titanic', ...because);
      await until('titanic', 'shadow');
      const { out } = await type('promote', 'sqlite', 'titanic', '--force', ...because);
      expect(out).toContain(`${server.url} has a strategy for titanic now`);
      await until('titanic', 'reverse');
      await type('kill', 'sqlite', '--reason', 'drill');
      await until('iris', 'legacy');
      await type('resume', 'sqlite', '--reason', 'drill');
      await until('iris', 'shadow');
      expect(asked('titanic')).toBe('reverse');
    } finally {
      await bridge.close();
    }
  }, 30_000);

  test('a server that refuses leaves the ledger right, and the command says so', async () => {
    const { code, out } = await typeChangeover(['rollback', 'sqlite', 'iris', ...because], env({ UNLEASH_PROJECT: 'nowhere' }));
    expect(code).toBe(0);
    expect(out).toMatch(/The ledger has it; the flag on .* is as it was: the flag server refused \(4\d\d\)/);
    expect(asked('iris')).toBe('shadow');
    await type('resume', 'sqlite', 'iris', ...because);
  }, 30_000);

  test("a guardrail's breach turns the flag of its dataset back", async () => {
    const bridge = openBridge((leg) =>
      ({ ...leg, shadow: undefined, api: { ...leg.api, readTable: () => Promise.resolve([{ id: 2 }]) } }));
    try {
      const storage = bridge.storage('sqlite');
      await storage.createDataset('wrong');
      await storage.writeTable('wrong', 'train', [{ id: 1 }]);
      while (!bridge.guardrail.isHeld('sqlite', 'wrong')) {
        await storage.readTable('wrong', 'train');
        await bridge.idle();
        await new Promise<void>((resolve) => { setTimeout(resolve, 20); });
      }
      await until('wrong', 'legacy');
      expect(asked('iris')).toBe('shadow');
    } finally {
      await bridge.close();
    }
  }, 30_000);
});

describe('flags pull', () => {
  test("writes the server's flags into a file that is valid and asks for the same", async () => {
    const bridge = openBridge();
    try {
      bridge.recorder.flush();
      expect(await type('flags', 'pull', '--reason', 'drill')).toMatchObject({ code: 0, err: '' });
      const file = join(folder, 'pulled.json');
      expect(await type('flags', 'validate', file)).toMatchObject({ code: 0 });
      const { out } = await typeChangeover(['explain', 'sqlite', 'titanic', '--unseen', '--format', 'json'],
        { CHANGEOVER_BASE_PATH: folder, CHANGEOVER_FLAGS: file });
      expect(JSON.parse(out)).toMatchObject({ flag: { stage: 'reverse', source: 'file' } });
      expect(readFileSync(file, 'utf8')).not.toContain(unleashTokens.client);
      expect((await type('history', '--limit', '1')).out).toContain(`was pulled from ${server.url}: drill`);
    } finally {
      await bridge.close();
    }
  }, 30_000);
});
