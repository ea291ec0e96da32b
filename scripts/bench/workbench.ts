import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createStaticStageSource, createStorageBridge, type Engine, engines, type StorageApi, type StorageBridge, type StoreLocation,
} from 'changeover';
import { createLegacyLeg, StorageBackend as LegacyStorage } from '@changeover/legacy';
import { digestResult } from '@changeover/compare';
import { startPostgres, type RunningPostgres } from '../embedded-postgres.ts';

/** Ten datasets a engine, each with a table of these many rows. */
export const datasetNames: readonly string[] = Array.from({ length: 10 }, (_, at) => `bench_${at}`);
export const tableRows = 5_000;

/** Real stores with both legs open over them. */
export interface Workbench extends AsyncDisposable {
  readonly location: StoreLocation;
  readonly bridge: StorageBridge;
  legacy(engine: Engine): StorageApi;
  pooled(engine: Engine): StorageApi;
  routed(engine: Engine): StorageApi;
  readonly stages: ReturnType<typeof createStaticStageSource>;
}

export async function openWorkbench(): Promise<Workbench> {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-bench-'));
  const given = process.env['DATABASE_URL'];
  const postgres: RunningPostgres | undefined = given === undefined || given === '' ? await startPostgres() : undefined;
  const location: StoreLocation = { basePath: folder, databaseUrl: postgres?.url ?? given };
  const stages = createStaticStageSource(() => 'pooled');
  const bridge = createStorageBridge({ ...location, stages, storePath: ':memory:' });
  LegacyStorage.configure(location);
  const legs =
    new Map(engines.map((engine) => [engine, createLegacyLeg(engine, { digest: (_operation, result) => digestResult(result, 'rows') })]));
  const workbench: Workbench = {
    location, bridge, stages,
    legacy: (engine) => {
      const leg = legs.get(engine);
      if (leg === undefined) throw new Error(`no legacy leg of ${engine}`);
      return leg.api;
    },
    pooled: (engine) => bridge.factory.storage(engine),
    routed: (engine) => bridge.storage(engine),
    async [Symbol.asyncDispose]() {
      for (const engine of engines) {
        for (const dataset of datasetNames) await this.pooled(engine).dropDataset(dataset);
        await this.legacy(engine).closeConnections();
      }
      await bridge.close();
      await postgres?.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  for (const engine of engines) await fill(workbench.pooled(engine));
  return workbench;
}

async function fill(storage: StorageApi): Promise<void> {
  const rows = Array.from({ length: tableRows }, (_, id) => ({
    id, name: `name ${id}`, amount: id * 1.25, kind: id % 7, note: id % 3 === 0 ? null : `note of ${id}`, flag: id % 2,
  }));
  for (const dataset of datasetNames) {
    await storage.createDataset(dataset);
    await storage.writeTable(dataset, 'data', rows);
    await storage.execute(dataset, 'CREATE UNIQUE INDEX data_id ON data (id)');
  }
}
