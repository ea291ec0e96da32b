import { BackendRouter, openRecorder } from '@changeover/bridge';
import { createLogger, createStaticStageSource, type StorageApi } from 'changeover';
import { parseDatasetName, storageOperations } from '@changeover/engines';
import { type Row, type Stage } from '@changeover/core';
import type { BenchCase, BenchContext, CaseResult } from './figure.ts';
import { takeTurns } from './measure.ts';
import { addedFigures, openPeers } from './migration-peers.ts';

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
      parseKey: parseDatasetName,
      legacy: { name: 'legacy', api: leg as StorageApi },
      pooled: { name: 'pooled', api: leg as StorageApi },
      stages: createStaticStageSource({ sqlite: stage }),
    }).api;
  const [atLegacy, atPooled] = [routed('legacy'), routed('pooled')];
  const read = () => leg.readTable('titanic', 'train');
  const peers = await openPeers(read);
  const timings = await takeTurns(
    context,
    {
      direct: read,
      legacy: () => atLegacy.readTable('titanic', 'train'),
      pooled: () => atPooled.readTable('titanic', 'train'),
      ...peers.sides,
    },
    { rounds: 25, roundMs: 40 },
  );
  peers.close();
  recorder.close();
  const figures = (['legacy', 'pooled'] as const).flatMap((stage) =>
    addedFigures(stage, timings, { name: 'router', inside: 'the leg', ofLaunchDarkly: 0.2 }),
  );
  return { figures };
}
