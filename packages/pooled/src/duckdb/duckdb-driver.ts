import { stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { datasetFile, DatasetNotFoundError } from '@changeover/engines/api';
import {
  classifyError,
  duckdbInstancesOpen,
  duckdbPathInUse,
  openDuckdbSession,
} from '@changeover/engines';
import { buildDataset } from '../engine-parts.ts';
import type { EngineDriver, EngineSetting } from '../engine-parts.ts';
import type { PooledDataset } from '../dataset/pooled-dataset.ts';
import type { ResourceSource } from '../pool/resource-source.ts';
import type { PooledSession } from '../pooled-session.ts';
import { DuckdbPooledSession } from './duckdb-pooled-session.ts';
import { InstanceThreads } from './instance-threads.ts';
import type { QuerySlots } from './query-slots.ts';

/** How DuckDB is used. */
export interface DuckdbSetting {
  /** Memory limit of each instance, in MiB. */
  readonly memoryLimitMib: number;
}

/** Makes the pools of DuckDB datasets, all connections of one dataset on the process's one instance of its file. */
export class DuckdbDriver implements EngineDriver {
  readonly setting: EngineSetting;
  readonly #duckdb: DuckdbSetting;
  readonly #slots: QuerySlots;
  readonly #onUse: () => void;

  /** @param onUse told before a dataset's pools are made. */
  constructor(setting: EngineSetting, duckdb: DuckdbSetting, slots: QuerySlots, onUse: () => void) {
    this.setting = setting;
    this.#duckdb = duckdb;
    this.#slots = slots;
    this.#onUse = onUse;
  }

  open(dataset: string, onEmpty: () => void): PooledDataset {
    this.#onUse();
    // Writes take turns: DuckDB gives up one of two that meet on a row, which the legacy API, with its one connection,
    // never did to a caller. They take any connection: with one of their own, 100 datasets on a budget of 100 closed each
    // other's for every write, and with the last one of a dataset its instance, which takes 3 ms to open.
    return buildDataset(
      this.setting,
      dataset,
      { source: this.#source(dataset), writeTurns: 1 },
      onEmpty,
    );
  }

  #source(dataset: string): ResourceSource<PooledSession> {
    const file = datasetFile(this.setting.location, 'duckdb', dataset);
    const { memoryLimitMib } = this.#duckdb;
    const slots = this.#slots;
    const threads = new InstanceThreads(availableParallelism());
    return {
      async open(signal) {
        if (!(await isThere(file))) throw new DatasetNotFoundError(dataset, { engine: 'duckdb' });
        const atOpening = duckdbPathInUse(file)
          ? undefined
          : threads.forOpening(duckdbInstancesOpen());
        const session = await openDuckdbSession({ file, memoryLimitMib, threads: atOpening });
        if (!signal.aborted) return new DuckdbPooledSession(session, dataset, slots, threads);
        await session.close();
        throw signal.reason as Error;
      },
      close: (session) => session.close(),
      cut: (session) => {
        session.cut();
      },
      usable: (session) => session.usable && session.transactionState === 'none',
      // The file is locked by this process, so that no other can have removed or broken it.
      validate: async (session) => session.connected,
      mayPass: (error) =>
        !(error instanceof DatasetNotFoundError) && classifyError('duckdb', error) === 'connection',
    };
  }
}

async function isThere(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isFile();
  } catch (error) {
    const code: unknown = (error as { code?: unknown }).code;
    return code !== 'ENOENT' && code !== 'ENOTDIR';
  }
}
