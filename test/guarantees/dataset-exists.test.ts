import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { Leg, ShadowCall } from '@changeover/core';
import {
  createStaticStageSource,
  createStorageBridge,
  engines,
  StorageBackendFactory,
  type StorageApi,
} from 'changeover';

/** A leg before whose first look at the datasets something happens. */
function lookedAtAfter(
  leg: Leg<StorageApi>,
  happens: (call: ShadowCall) => Promise<void>,
): Leg<StorageApi> {
  const { shadow } = leg;
  if (shadow === undefined) throw new Error('the pooled leg has a shadow');
  let isFirst = true;
  const digest: typeof shadow.digest = async (call) => {
    if (isFirst && call.operation === 'datasetExists') {
      isFirst = false;
      await happens(call);
    }
    return await shadow.digest(call);
  };
  const late = new Proxy(shadow, {
    get(target, name) {
      if (name === 'digest') return digest;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { ...leg, shadow: late };
}

test.each(engines)(
  'a dataset that somebody else creates between the two legs is no mismatch on %s: no leg fails when it is asked again',
  async (engine) => {
    const location = {
      basePath: mkdtempSync(join(tmpdir(), 'changeover-exists-')),
      databaseUrl: process.env['CHANGEOVER_TEST_DATABASE_URL'],
    };
    const dataset = `exists_${process.pid.toString(36)}_${engine}`;
    const others = new StorageBackendFactory(location).storage(engine);
    const bridge = createStorageBridge({
      ...location,
      storePath: ':memory:',
      stages: createStaticStageSource(() => 'shadow'),
      guardrail: { mode: 'report' },
      decoratePooledLeg: (leg) => lookedAtAfter(leg, () => others.createDataset(dataset)),
    });
    try {
      expect(await bridge.storage(engine).datasetExists(dataset)).toBe(false);
      await bridge.idle();
      const { compared, mismatch, raced } = bridge.recorder.cell(
        engine,
        dataset,
        'datasetExists',
        'shadow',
      );
      expect({ compared, mismatch, raced }).toEqual({ compared: 1, mismatch: 0, raced: 1 });
    } finally {
      await others.dropDataset(dataset);
      await others.closeConnections();
      await bridge.close();
      rmSync(location.basePath, { recursive: true, force: true });
    }
  },
);
