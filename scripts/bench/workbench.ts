import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createStaticStageSource,
  createStorageBridge,
  type Engine,
  type StorageApi,
  type StorageBridge,
  type StorageBridgeOptions,
  type StoreLocation,
} from 'changeover';
import { digestResult } from '@changeover/compare';
import { createLegacyLeg, StorageBackend as LegacyStorage } from '@changeover/legacy';

/** What a workbench is made with. */
export interface WorkbenchOptions {
  readonly engines: readonly Engine[];
  readonly databaseUrl?: string | undefined;
  /** Default: 10. */
  readonly datasets?: number | undefined;
  /** Rows of each dataset's table `data`. Default: 5,000. */
  readonly rows?: number | undefined;
  readonly bridge?: Partial<StorageBridgeOptions> | undefined;
}

/** Real stores, filled, with both legs open over them, and the drop-in's router at the stage that `stages` is set to. */
export interface Workbench {
  close(): Promise<void>;
  readonly location: StoreLocation;
  readonly bridge: StorageBridge;
  readonly datasets: readonly string[];
  legacy(engine: Engine): StorageApi;
  pooled(engine: Engine): StorageApi;
  routed(engine: Engine): StorageApi;
  readonly stages: ReturnType<typeof createStaticStageSource>;
}

/** Rows of six columns as the ADR's users have them: numbers, texts, nulls. */
export function sampleRows(
  count: number,
  from = 0,
): { id: number; name: string; amount: number; kind: number; note: string | null; flag: number }[] {
  return Array.from({ length: count }, (_, at) => {
    const id = from + at;
    return {
      id,
      name: `name ${id}`,
      amount: id * 1.25,
      kind: id % 7,
      note: id % 3 === 0 ? null : `note of ${id}`,
      flag: id % 2,
    };
  });
}

/** A parameter's place in SQL. */
export function parameter(engine: Engine): string {
  return engine === 'postgresql' ? '$1' : '?';
}

let opened = 0;

export async function openWorkbench(options: WorkbenchOptions): Promise<Workbench> {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-bench-'));
  const location: StoreLocation = { basePath: folder, databaseUrl: options.databaseUrl };
  const stages = createStaticStageSource(() => 'pooled');
  const bridge = createStorageBridge({
    ...location,
    stages,
    storePath: ':memory:',
    ...options.bridge,
  });
  LegacyStorage.configure(location);
  opened += 1;
  const prefix = `bench_${process.pid}_${opened}`;
  const datasets = Array.from({ length: options.datasets ?? 10 }, (_, at) => `${prefix}_${at}`);
  const legs = new Map(
    options.engines.map((engine) => [
      engine,
      createLegacyLeg(engine, { digest: (_operation, result) => digestResult(result, 'rows') }),
    ]),
  );
  const workbench: Workbench = {
    location,
    bridge,
    stages,
    datasets,
    legacy: (engine) => {
      const leg = legs.get(engine);
      if (leg === undefined) throw new Error(`this workbench was opened without ${engine}`);
      return leg.api;
    },
    pooled: (engine) => bridge.factory.storage(engine),
    routed: (engine) => bridge.storage(engine),
    async close() {
      for (const engine of options.engines) await this.legacy(engine).closeConnections();
      if (options.engines.includes('postgresql')) {
        for (const dataset of datasets) await this.pooled('postgresql').dropDataset(dataset);
      }
      await bridge.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  for (const engine of options.engines)
    await fill(workbench.pooled(engine), datasets, options.rows ?? 5_000);
  return workbench;
}

async function fill(
  storage: StorageApi,
  datasets: readonly string[],
  count: number,
): Promise<void> {
  for (const dataset of datasets) {
    await storage.createDataset(dataset);
    for (let from = 0; from < count || from === 0; from += 50_000) {
      const rows = sampleRows(Math.min(50_000, count - from), from);
      await storage.writeTable(dataset, 'data', rows, { ifExists: from === 0 ? 'fail' : 'append' });
    }
    await storage.execute(dataset, 'CREATE UNIQUE INDEX data_id ON data (id)');
  }
}
