import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createStaticStageSource,
  createStorageBridge,
  type Engine,
  type Stage,
  type StorageApi,
  StorageBackendFactory,
  type StoreLocation,
} from 'changeover';
import { StorageBackend as LegacyStorage } from '@changeover/legacy';

/** A storage to hold against the contract, with what is needed to look at its store apart from it. */
export interface Harness {
  readonly storage: StorageApi;
  readonly location: StoreLocation;
  /** Every file and folder below the base, relative to it. */
  files(): string[];
  /** Called at the end: everything is as it should be beside the answers. Resolves to what is wrong. */
  complaints(): Promise<string[]>;
  close(): Promise<void>;
}

function newLocation(databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL']): {
  location: StoreLocation;
  files: () => string[];
  remove: () => void;
} {
  const basePath = mkdtempSync(join(tmpdir(), 'changeover-conformance-'));
  return {
    location: { basePath, databaseUrl },
    files: () =>
      readdirSync(basePath, { recursive: true })
        .map(String)
        .filter((name) => !name.startsWith('.changeover'))
        .sort(),
    remove: () => {
      rmSync(basePath, { recursive: true, force: true });
    },
  };
}

/** The legacy singleton, which is one a process: one harness a test file. */
export function openLegacy(engine: Engine): Promise<Harness> {
  const { location, files, remove } = newLocation();
  LegacyStorage.configure(location);
  const storage = LegacyStorage.getInstance(engine);
  return Promise.resolve({
    storage,
    location,
    files,
    complaints: () => Promise.resolve([]),
    async close() {
      await storage.closeConnections();
      remove();
    },
  });
}

/** The pooled leg's backends behind the same API. */
export function openPooled(engine: Engine): Promise<Harness> {
  const { location, files, remove } = newLocation();
  const factory = new StorageBackendFactory({ ...location });
  return Promise.resolve({
    storage: factory.storage(engine),
    location,
    files,
    complaints: () => Promise.resolve([]),
    async close() {
      await factory.close();
      remove();
    },
  });
}

/**
 * The drop-in's bridge with every dataset at one stage; a mismatch between the legs is a complaint.
 *
 * @param databaseUrl of what stands in front of PostgreSQL. Default: the tests' server itself.
 */
export function openRouted(engine: Engine, stage: Stage, databaseUrl?: string): Promise<Harness> {
  const { location, files, remove } = newLocation(databaseUrl);
  const bridge = createStorageBridge({
    ...location,
    storePath: ':memory:',
    stages: createStaticStageSource(() => stage),
    guardrail: { mode: 'report' },
    // The tests run beside others: what is compared must not hang on how busy they are.
    shadowQueue: { busyShare: 1 },
    logger: {
      debug: () => undefined,
      info: () => undefined,
      warn: () => undefined,
      error: () => undefined,
    },
  });
  return Promise.resolve({
    storage: bridge.storage(engine),
    location,
    files,
    async complaints() {
      await bridge.idle();
      const { totals, sampleGroups } = bridge.recorder.summary();
      const mismatches = sampleGroups
        .filter(({ verdict }) => verdict === 'mismatch')
        .map(({ operation, samples }) => `mismatch: ${operation}: ${samples[0]?.summary ?? ''}`);
      const beside = stage === 'shadow' || stage === 'reverse';
      return [...mismatches, ...(beside && totals.compared === 0 ? ['nothing was compared'] : [])];
    },
    async close() {
      await bridge.close();
      remove();
    },
  });
}
