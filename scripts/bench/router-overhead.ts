import { createRequire } from 'node:module';
import {
  integrations,
  init,
  LDConcurrentExecution,
  createMigration,
  LDMigrationStage,
  LDMigrationSuccess,
} from '@launchdarkly/node-server-sdk';
import {
  BackendRouter,
  createLogger,
  createStaticStageSource,
  openRecorder,
  type StorageApi,
} from 'changeover';
import { parseDatasetName, storageOperations } from '@changeover/engines';
import { type Row, type Stage } from '@changeover/core';
import { experimentAsync } from 'tzientist';
import {
  type BenchCase,
  type BenchContext,
  type CaseResult,
  type Figure,
  figureOf,
} from './figure.ts';
import { type Side, takeTurns, timeText } from './measure.ts';
import { quantile } from './quantile.ts';
import { atMost } from './verdict.ts';

/** The npm package `scientist` has no types; this is what is used of it. */
interface Scientist {
  sample(sampler: (name: string) => boolean): void;
  science(
    name: string,
    setup: (experiment: { use(control: Side): void; try(candidate: Side): void }) => void,
  ): unknown;
}

const row: readonly Row[] = [{ id: 1 }];

/** A leg whose answer costs next to nothing, so that what is added shows. */
const leg: Pick<StorageApi, 'readTable'> = { readTable: async () => row as Row[] };

export const routerOverhead: BenchCase = {
  name: 'router-overhead',
  title: 'what the router adds to an awaited call, beside LaunchDarkly, scientist and tzientist',
  run: measureRouter,
};

async function measureRouter(context: BenchContext): Promise<CaseResult> {
  const logger = createLogger({ level: 'error' });
  const recorder = openRecorder({ path: ':memory:', run: 'bench', logger });
  const routed = (stage: Stage): StorageApi =>
    new BackendRouter<StorageApi>({
      backend: 'sqlite',
      recorder,
      logger,
      operations: storageOperations,
      parseDataset: parseDatasetName,
      legacy: { name: 'legacy', api: leg as StorageApi },
      pooled: { name: 'pooled', api: leg as StorageApi },
      stages: createStaticStageSource({ sqlite: stage }),
    }).api;
  const [atLegacy, atPooled] = [routed('legacy'), routed('pooled')];
  const launchDarkly = await openLaunchDarkly();
  const scientist = new (createRequire(import.meta.url)('scientist') as new () => Scientist)();
  scientist.sample(() => false);
  const tzientist = experimentAsync({
    name: 'read',
    control: leg.readTable,
    candidate: leg.readTable,
    options: { enabled: () => false },
  });
  const timings = await takeTurns(
    context,
    {
      direct: () => leg.readTable('titanic', 'train'),
      legacy: () => atLegacy.readTable('titanic', 'train'),
      pooled: () => atPooled.readTable('titanic', 'train'),
      launchDarkly: () => launchDarkly.read('migration'),
      scientist: () =>
        scientist.science('read', (experiment) => {
          experiment.use(() => leg.readTable('titanic', 'train'));
          experiment.try(() => leg.readTable('titanic', 'train'));
        }),
      tzientist: () => tzientist('titanic', 'train'),
    },
    { rounds: 25, roundMs: 40 },
  );
  launchDarkly.close();
  recorder.close();
  const peers = (['launchDarkly', 'scientist', 'tzientist'] as const)
    .map(
      (peer) =>
        `${peer} adds ${timeText(quantile(timings.addedMicros(peer, 'direct'), 0.5) / 1_000)}`,
    )
    .join(', ');
  const figures = (['legacy', 'pooled'] as const).flatMap((stage): Figure[] => {
    const added = timings.addedMicros(stage, 'direct');
    const theirs = timings.addedMicros('launchDarkly', 'direct');
    const ratios = added.map((micros, round) => micros / (theirs[round] ?? NaN));
    return [
      figureOf({
        key: stage,
        name: `router adds to an awaited call at ${stage}`,
        unit: 'µs',
        rounds: added,
        target: atMost(0.4),
        beside: `the leg itself takes ${timeText(timings.medianMs('direct'))}; ${peers}`,
      }),
      figureOf({
        key: `${stage}-launchdarkly`,
        name: `of what LaunchDarkly adds, at ${stage}`,
        unit: '×',
        rounds: ratios,
        target: atMost(0.2),
      }),
    ];
  });
  return { figures };
}

/** A migration of LaunchDarkly's, offline, whose flag says `off`: its old side answers. */
async function openLaunchDarkly(): Promise<{
  read(flag: string): Promise<unknown>;
  close(): void;
}> {
  const data = new integrations.TestData();
  await data.update(data.flag('migration').valueForAll('off'));
  const silent = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: () => undefined,
  };
  const client = init('bench', {
    updateProcessor: data.getFactory(),
    sendEvents: false,
    logger: silent,
  });
  await client.waitForInitialization({ timeout: 5 });
  const read = async () => LDMigrationSuccess(await leg.readTable('titanic', 'train'));
  const migration = createMigration<Row[], boolean>(client, {
    readOld: read,
    readNew: read,
    writeOld: async () => LDMigrationSuccess(true),
    writeNew: async () => LDMigrationSuccess(true),
    execution: new LDConcurrentExecution(),
    latencyTracking: false,
    errorTracking: false,
  });
  const user = { kind: 'dataset', key: 'titanic' };
  return {
    async read(flag) {
      const answer = await migration.read(flag, user, LDMigrationStage.Off);
      if (!answer.success) throw new Error("LaunchDarkly's read failed");
      return answer.result;
    },
    close: () => {
      client.close();
    },
  };
}
