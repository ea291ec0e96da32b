import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { silentLogger } from '@changeover/core';
import { createStaticStageSource } from './stages/flags/static-stage-source.ts';
import { read } from './call/operations.ts';
import { bridgeOf, createBridge, endBridge } from './create-bridge.ts';
import type { BridgeSettings } from './bridge-settings.ts';

let folder: string;
let settings: BridgeSettings;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-shared-'));
  settings = {
    storePath: join(folder, 'comparisons.sqlite'),
    stages: createStaticStageSource({ notes: 'shadow' }),
    logger: silentLogger,
    flushAtExit: false,
  };
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Notes {
  count(): number;
}

function notes(more: BridgeSettings = {}, name = 'notes'): Notes {
  return createBridge({
    name,
    legacy: (): Notes => ({ count: () => 1 }),
    pooled: () => ({ count: () => 1 }),
    operations: { count: read() },
    shareServices: true,
    ...settings,
    ...more,
  });
}

describe('bridges of one name that share their services', () => {
  test('have one store, whose counts are those of all of them', async () => {
    const [one, other] = [notes(), notes({ rules: [] })];
    expect(bridgeOf(one).services).toBe(bridgeOf(other).services);
    for (const each of [one, other]) {
      each.count();
      await bridgeOf(each).idle();
    }
    await bridgeOf(one).close();
    // The other one's comparisons go on, and are counted.
    other.count();
    await bridgeOf(other).idle();
    expect(bridgeOf(other).recorder.summary().totals).toMatchObject({ calls: 3, match: 3 });
    await bridgeOf(other).close();
    const later = notes();
    expect(bridgeOf(later).services).not.toBe(bridgeOf(other).services);
    expect(bridgeOf(later).recorder.summary().totals).toMatchObject({ calls: 3, match: 3 });
    await bridgeOf(later).close();
  });

  test('leave them open for the next one where a handle was closed, until one is closed as a bridge', async () => {
    const first = notes();
    first.count();
    const { services } = bridgeOf(first);
    endBridge(first);
    const second = notes();
    expect(bridgeOf(second).services).toBe(services);
    endBridge(second);
    expect(services.closed).toBe(false);
    await bridgeOf(second).close();
    expect(services.closed).toBe(true);
    await bridgeOf(first).close();
  });

  test('are those with the same settings and the same name', async () => {
    const bridges = [
      notes(),
      notes({ storePath: join(folder, 'other.sqlite') }),
      notes({ stages: createStaticStageSource({ notes: 'shadow' }) }),
      notes({}, 'other'),
    ].map(bridgeOf);
    expect(new Set(bridges.map(({ services }) => services)).size).toBe(4);
    await Promise.all(bridges.map((bridge) => bridge.close()));
  });

  test('are ended with the services, where somebody ends those', async () => {
    const [one, other] = [notes(), notes()];
    const { services } = bridgeOf(one);
    expect(bridgeOf(other).services).toBe(services);
    await services.close();
    await Promise.all([bridgeOf(one).close(), bridgeOf(other).close()]);
    expect(one.count()).toBe(1);
  });
});
