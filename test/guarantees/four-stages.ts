import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@changeover/bridge';
import {
  createStaticStageSource,
  createStorageBridge,
  type Engine,
  type Stage,
  stages,
  type StorageApi as StorageBackend,
  type StorageBridge,
} from 'changeover';

/** One bridge over the storage API, whose stage is set by hand. */
export interface FourStages {
  readonly bridge: StorageBridge;
  setStage(stage: Stage): void;
  close(): Promise<void>;
}

/** Opens a bridge in a folder of its own, at `legacy`. */
export function openFourStages(): FourStages {
  const basePath = mkdtempSync(join(tmpdir(), 'changeover-four-stages-'));
  const source = createStaticStageSource(() => 'legacy', { rehearsalBudgetMs: 2_000 });
  const bridge = createStorageBridge({
    basePath,
    databaseUrl: process.env['CHANGEOVER_TEST_DATABASE_URL'],
    storePath: ':memory:',
    logger: silentLogger,
    stages: source,
    guardrail: { mode: 'report' },
  });
  return {
    bridge,
    setStage: (stage) => {
      source.set(() => stage, { rehearsalBudgetMs: 2_000 });
    },
    close: async () => {
      await bridge.close({ deadlineMs: 2_000 });
      rmSync(basePath, { recursive: true, force: true });
    },
  };
}

let number = 0;

/**
 * What a program tells at each stage, on a dataset of its own: its answer, or the code of its error.
 *
 * @param prepare makes the dataset's tables, at `legacy`.
 */
export async function toldAtEachStage(
  { bridge, setStage }: FourStages,
  engine: Engine,
  prepare: (storage: StorageBackend, dataset: string) => Promise<unknown>,
  program: (storage: StorageBackend, dataset: string, stage: Stage) => Promise<unknown>,
): Promise<Record<Stage, unknown>> {
  return await ofEachStage(async (stage) => {
    const storage = bridge.storage(engine);
    const dataset = `four_${process.pid.toString(36)}_${String((number += 1))}`;
    setStage('legacy');
    await storage.createDataset(dataset);
    await prepare(storage, dataset);
    setStage(stage);
    const told = await answerOrCode(() => program(storage, dataset, stage));
    await bridge.idle();
    setStage('legacy');
    await storage.dropDataset(dataset);
    return told;
  });
}

/** What is told at each stage, one after the other. */
export async function ofEachStage(
  tell: (stage: Stage) => Promise<unknown>,
): Promise<Record<Stage, unknown>> {
  const told: Partial<Record<Stage, unknown>> = {};
  for (const stage of stages) told[stage] = await tell(stage);
  return told as Record<Stage, unknown>;
}

/** A call's answer, or the code of its error. */
export async function answerOrCode(call: () => Promise<unknown>): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    return { error: codeOf(error) };
  }
}

function codeOf(error: unknown): string {
  const code: unknown =
    typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : `no code: ${String(error)}`;
}

/** The same at each stage. */
export function atEachStage(value: unknown): Record<Stage, unknown> {
  return { legacy: value, shadow: value, reverse: value, pooled: value };
}
