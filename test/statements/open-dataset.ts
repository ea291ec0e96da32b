import { digestResult } from '@changeover/compare';
import type { Leg, ShadowCall, ShadowLeg, WriteEffect } from '@changeover/core';
import {
  createStaticStageSource,
  createStorageBridge,
  type Engine,
  type ResultSet,
  type Stage,
  type StorageBridge,
} from 'changeover';
import type { StorageBackend } from '@changeover/engines';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What becomes of an answer that the pooled leg gives for comparison. */
export type Fault = (answer: ResultSet, call: ShadowCall) => ResultSet;

/** What becomes of what the pooled leg's rehearsal of a write tells. */
export type WriteFault = (effect: WriteEffect) => WriteEffect;

/** A dataset that is new, with what its comparisons come to. */
export interface OpenDataset {
  readonly bridge: StorageBridge;
  readonly storage: StorageBackend;
  readonly dataset: string;
  /** Runs a query and gives what its comparison came to, once it is over, where the pooled leg has this fault. */
  compared(sql: string, fault?: Fault): Promise<Counts>;
  /** The same of a statement that writes. */
  written(sql: string, fault?: WriteFault): Promise<Counts>;
}

/** How often comparisons ended in each way; zeros are left out. */
export type Counts = Readonly<Record<string, number>>;

const ends: (() => Promise<unknown>)[] = [];
let opened = 0;

/** Removes all that was opened. */
export async function removeAll(): Promise<void> {
  for (const end of ends.splice(0).reverse()) await end();
}

/**
 * Opens a bridge with one dataset, at whose pooled leg faults can be planted.
 *
 * @param databaseUrl default: that of the tests' server.
 */
export async function openDataset(
  engine: Engine,
  stage: Stage,
  databaseUrl: string | undefined = process.env['CHANGEOVER_TEST_DATABASE_URL'],
): Promise<OpenDataset> {
  let planted: Fault | undefined;
  let plantedInWrite: WriteFault | undefined;
  const basePath = mkdtempSync(join(tmpdir(), 'changeover-statements-'));
  const bridge = createStorageBridge({
    basePath,
    databaseUrl,
    storePath: ':memory:',
    stages: createStaticStageSource(() => stage, { rehearsalBudgetMs: 2_000 }),
    guardrail: { mode: 'report' },
    shadowQueue: { busyShare: 1 },
    decoratePooledLeg: (leg) =>
      withFault(leg, {
        answer: (answer, call) => planted?.(answer, call) ?? answer,
        effect: (effect) => plantedInWrite?.(effect) ?? effect,
      }),
  });
  const storage = bridge.storage(engine);
  const dataset = `statements_${process.pid.toString(36)}_${String((opened += 1))}`;
  ends.push(async () => {
    await storage.dropDataset(dataset);
    await bridge.close();
    rmSync(basePath, { recursive: true, force: true });
  });
  await storage.createDataset(dataset);
  const counts = (): Record<string, number> => {
    const { totals } = bridge.recorder.summary();
    const { match, mismatch, raced, nondeterministic, inconclusive, shedByReason } = totals;
    return { match, mismatch, raced, nondeterministic, inconclusive, ...shedByReason };
  };
  const countedOver = async (run: () => Promise<unknown>): Promise<Counts> => {
    await bridge.idle();
    const before = counts();
    await run();
    await bridge.idle();
    [planted, plantedInWrite] = [undefined, undefined];
    return Object.fromEntries(
      Object.entries(counts())
        .map(([name, count]) => [name, count - (before[name] ?? 0)] as const)
        .filter(([, count]) => count > 0),
    );
  };
  return {
    bridge,
    storage,
    dataset,
    compared: (sql, fault) =>
      countedOver(() => {
        planted = fault;
        return storage.query(dataset, sql);
      }),
    written: (sql, fault) =>
      countedOver(() => {
        plantedInWrite = fault;
        return storage.execute(dataset, sql);
      }),
  };
}

/** A pooled leg whose answers to queries are changed where they are compared, and not where they are given; so is what writes do. */
function withFault(
  leg: Leg<StorageBackend>,
  fault: { readonly answer: Fault; readonly effect: WriteFault },
): Leg<StorageBackend> {
  const { shadow } = leg;
  if (shadow === undefined) throw new TypeError('the pooled leg has no shadow');
  const read = async (call: ShadowCall): Promise<unknown> => {
    const answer = await shadow.read(call);
    return call.operation === 'query' ? fault.answer(answer as ResultSet, call) : answer;
  };
  const faulty: ShadowLeg = {
    admits: () => shadow.admits(),
    read,
    digest: async (call) => digestResult(await read(call), 'rows'),
    version: (dataset) => shadow.version?.(dataset),
    rehearse: async (call, limits) => {
      const effect = await shadow.rehearse?.(call, limits);
      return fault.effect(effect ?? { tables: {}, unseen: [] });
    },
    scratchWrite: shadow.scratchWrite?.bind(shadow),
  } as ShadowLeg;
  return {
    name: leg.name,
    api: leg.api,
    shadow: faulty,
    ...(leg.closedWhile === undefined ? {} : { closedWhile: leg.closedWhile.bind(leg) }),
  };
}
