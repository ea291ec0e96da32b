import { describe, expect, test } from '@jest/globals';
import { ClosedError } from '@changeover/engines/api';
import { settle } from '../../../../test/kit/manual-clock.ts';
import type { EngineDriver } from '../engine-parts.ts';
import type { Job } from '../job.ts';
import { OpenDatasets } from './open-datasets.ts';
import {
  datasetOver,
  ScriptedPool,
  type ScriptedSession,
  unlimited,
} from './test-kit/scripted-dataset.ts';

const query: Job = { kind: 'operation', operation: 'query', args: ['SELECT 1'] };

function opened() {
  const made: ScriptedPool[] = [];
  const driver = {
    setting: { engine: 'postgresql' },
    open(dataset: string, onEmpty: () => void) {
      const scripted = new ScriptedPool(undefined, undefined, onEmpty);
      made.push(scripted);
      return datasetOver(scripted, { dataset, onEmpty });
    },
  } as unknown as EngineDriver;
  const datasets = new OpenDatasets(driver);
  const ask = (): Promise<unknown> =>
    datasets.use('orders', (pools) => pools.run(query, unlimited));
  return { datasets, made, ask };
}

describe('the open datasets of an engine', () => {
  test('are made on first use and kept as long as something is open of them', async () => {
    const { datasets, made, ask } = opened();
    expect(datasets.ready('orders')).toBe(undefined);
    await ask();
    await ask();
    await settle();
    expect([datasets.names(), made.length]).toEqual([['orders'], 1]);
  });

  test('are forgotten when nothing is open of them any more', async () => {
    const { datasets, made, ask } = opened();
    await ask();
    made[0]?.pool.retireAll();
    await settle();
    expect(datasets.names()).toEqual([]);
  });

  test('are closed while something is done to them, and calls wait until it is done', async () => {
    const { datasets, made, ask } = opened();
    await ask();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const done = datasets.closedWhile('orders', () => promise);
    const call = ask();
    await settle();
    expect((made[0]?.sessions[0] as ScriptedSession).connected).toBe(false);
    expect([datasets.names(), datasets.ready('orders')]).toEqual([[], undefined]);
    resolve(undefined);
    await done;
    expect(await call).toBe('query');
    expect(made).toHaveLength(2);
  });

  test('let the next call through where what was done to them failed', async () => {
    const { datasets, ask } = opened();
    const done = datasets.closedWhile('orders', () => Promise.reject(new Error('no space')));
    await expect(done).rejects.toThrow('no space');
    expect(await ask()).toBe('query');
  });

  test('take no more calls once closed', async () => {
    const { datasets, made, ask } = opened();
    await ask();
    await datasets.close(1_000);
    expect((made[0]?.sessions[0] as ScriptedSession).connected).toBe(false);
    expect(() => {
      datasets.checkOpen();
    }).toThrow(ClosedError);
    await expect(ask()).rejects.toThrow(ClosedError);
  });
});
