import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import {
  createStaticStageSource,
  createStorageBridge,
  type Engine,
  type Row,
  type Stage,
  type StorageApi,
  type StorageBridge,
} from 'changeover';
import { pause } from './measure.ts';
import { sampleRows } from './workbench.ts';

/** What one process is to do before its memory is measured. */
export interface MemoryOrder {
  readonly folder: string;
  readonly engine: Engine;
  /** The server's, for PostgreSQL. */
  readonly databaseUrl: string | undefined;
  readonly stage: Stage;
  /** Rows that the caller keeps, in MiB of heap. */
  readonly heldMib: number;
  /** Point reads made while they are held. */
  readonly calls: number;
  /** Datasets that are used once and left idle. */
  readonly datasets: number;
}

export interface MemoryReport {
  readonly rssMib: number;
  /** Calls made and resident MiB then. */
  readonly over: readonly (readonly [calls: number, mib: number])[];
  readonly compared: number;
  readonly mismatches: number;
  readonly idleKibPerDataset: number;
}

const mib = 2 ** 20;
const rows = 20_000;

if (process.send !== undefined && process.argv[2] !== undefined) {
  const report = await measure(JSON.parse(process.argv[2]) as MemoryOrder);
  await new Promise((resolve) => process.send?.(report, resolve));
  process.exit(0);
}

async function measure(order: MemoryOrder): Promise<MemoryReport> {
  const stages = createStaticStageSource(() => order.stage);
  const bridge = createStorageBridge({
    basePath: join(order.folder, randomUUID()),
    databaseUrl: order.databaseUrl,
    stages,
    storePath: ':memory:',
    pooled: { pools: { sqlite: { idleTimeoutMs: 300 } } },
  });
  const storage = bridge.storage(order.engine);
  const dataset = `memory_${process.pid}`;
  await prepare(storage, dataset);
  // Or the engine takes what the rows' reading allocates for long-lived, in some runs, and point reads fill the old space.
  await call(storage, dataset, Math.min(order.calls, 20_000));
  const held: Row[][] = [];
  const heapBefore = process.memoryUsage().heapUsed;
  while (process.memoryUsage().heapUsed - heapBefore < order.heldMib * mib)
    held.push(await storage.readTable(dataset, 'data'));
  const over = await call(storage, dataset, order.calls);
  await bridge.idle();
  const { totals } = bridge.recorder.summary();
  const idleKibPerDataset = order.datasets === 0 ? 0 : await idleCost(bridge, order.datasets);
  await settle();
  const rssMib = process.memoryUsage.rss() / mib;
  await storage.dropDataset(dataset);
  await bridge.close();
  if (held.some((one) => one.length !== rows)) throw new Error('rows were lost');
  return {
    rssMib,
    over,
    compared: totals.compared,
    mismatches: totals.mismatch,
    idleKibPerDataset,
  };
}

async function prepare(storage: StorageApi, dataset: string): Promise<void> {
  await storage.createDataset(dataset);
  await storage.writeTable(dataset, 'data', sampleRows(rows));
  await storage.execute(dataset, 'CREATE UNIQUE INDEX data_id ON data (id)');
}

async function call(
  storage: StorageApi,
  dataset: string,
  calls: number,
): Promise<[number, number][]> {
  const over: [number, number][] = [];
  for (let at = 0; at < calls; at += 1) {
    await storage.readTable(dataset, 'data', { where: { id: at % rows } });
    // The shadow leg answers from other threads: it gets its turn.
    if (at % 50 === 49)
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    // What lives a little too long is garbage for some 100,000 calls: what grows beside it would not be seen.
    if (at % Math.ceil(calls / 8) === 0) globalThis.gc?.();
    if (at % Math.ceil(calls / 40) === 0) over.push([at, process.memoryUsage.rss() / mib]);
  }
  return over;
}

/** What a dataset costs that was used and is used no more: heap and resident memory, whichever grew by more. */
async function idleCost(bridge: StorageBridge, datasets: number): Promise<number> {
  const storage = bridge.storage('sqlite');
  const use = async (from: number, count: number): Promise<void> => {
    for (let at = from; at < from + count; at += 1) {
      await storage.createDataset(`idle_${at}`);
      await storage.writeTable(`idle_${at}`, 'data', sampleRows(10));
      await storage.readTable(`idle_${at}`, 'data');
    }
    await pause(1_500);
    await settle();
  };
  // As many before, since what the allocators take once for all is no dataset's.
  await use(0, datasets);
  const before = process.memoryUsage();
  await use(datasets, datasets);
  const after = process.memoryUsage();
  return Math.max(0, after.heapUsed - before.heapUsed, after.rss - before.rss) / datasets / 1_024;
}

async function settle(): Promise<void> {
  for (let at = 0; at < 3; at += 1) {
    globalThis.gc?.();
    await pause(50);
  }
}
