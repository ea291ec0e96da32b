import type { Program } from '@changeover/engines';
import { type DatasetStore, fileStore, schemaStore } from '@changeover/engines';
import type { StorageErrorFields } from '@changeover/engines/api';
import type { EngineSetting } from '../engine-parts.ts';
import { PostgresPooledSession } from '../postgresql/postgres-pooled-session.ts';
import { type CallLimit, checkLimit, within } from './call-limit.ts';
import type { OpenDatasets } from './open-datasets.ts';

/** What an operation on the datasets themselves is. */
export type StoreOperation = 'datasetExists' | 'createDataset' | 'dropDataset' | 'listDatasets';

/** Keeps something closed of a dataset while `work` runs. */
export type ClosedWhile = <Value>(dataset: string, work: () => Promise<Value>) => Promise<Value>;

/** What one engine's datasets are managed with. */
export interface DatasetManagementParts {
  readonly setting: EngineSetting;
  readonly datasets: OpenDatasets;
  /** Keeps what the factory's other pools hold open of a dataset closed. */
  readonly othersClosedWhile: ClosedWhile;
}

/** Finds, makes and drops one engine's datasets. */
export class DatasetManagement {
  readonly #parts: DatasetManagementParts;

  constructor(parts: DatasetManagementParts) {
    this.#parts = parts;
  }

  /** @param dataset a parsed name; the empty text for all of them. */
  async run(operation: StoreOperation, dataset: string, limit: CallLimit): Promise<unknown> {
    const { clock, keepAlive } = this.#parts.setting;
    keepAlive.hold();
    try {
      return await within(this.#managed(operation, dataset, limit), limit, clock, {
        unapplied: operation === 'listDatasets' || operation === 'datasetExists',
        fields: this.#fields(operation, dataset),
        onGiveUp: () => undefined,
      });
    } finally {
      keepAlive.letGo();
    }
  }

  async #managed(operation: StoreOperation, dataset: string, limit: CallLimit): Promise<unknown> {
    const { datasets, othersClosedWhile, setting } = this.#parts;
    const store = this.#store(limit, operation);
    switch (operation) {
      case 'listDatasets':
        return await store.list();
      case 'datasetExists':
        return await datasets.ungated(dataset, () => store.exists(dataset));
      case 'createDataset': {
        await datasets.ungated(dataset, () => store.create(dataset));
        return undefined;
      }
      case 'dropDataset':
        await datasets.closedWhile(dataset, () =>
          othersClosedWhile(dataset, () => {
            // Whoever waited for the calls under way may have given up: then it is not dropped.
            checkLimit(limit, setting.clock.monotonicMs(), this.#fields(operation, dataset));
            return store.drop(dataset);
          }),
        );
        return undefined;
    }
  }

  #store(limit: CallLimit, operation: StoreOperation): DatasetStore {
    const { engine, location } = this.#parts.setting;
    return engine === 'postgresql'
      ? schemaStore((program) => this.#onServer(program, limit, operation))
      : fileStore(engine, location);
  }

  /** PostgreSQL: runs a program on a connection that belongs to no dataset. */
  #onServer<Value>(
    program: Program<Value>,
    limit: CallLimit,
    operation: StoreOperation,
  ): Promise<Value> {
    return this.#parts.datasets.use('', (pools) =>
      pools.withSession('write', limit, operation, (session) => {
        if (!(session instanceof PostgresPooledSession))
          throw new TypeError('Only PostgreSQL keeps its datasets on a server.');
        return session.runProgram(program);
      }),
    );
  }

  #fields(operation: StoreOperation, dataset: string): StorageErrorFields {
    return { engine: this.#parts.setting.engine, dataset, operation };
  }
}
