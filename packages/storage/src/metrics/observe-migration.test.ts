import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { StageSource } from '@changeover/bridge';
import { createStaticStageSource, migrationInstruments } from '@changeover/bridge';
import { createStorageBridge, type StorageBridge } from '../storage-bridge.ts';
import { type InstrumentSink, keyTarget } from '@changeover/core';
import { poolInstruments } from '@changeover/pooled';
import { prometheusName, PrometheusSink } from '@changeover/operate';
import { type StorageBridgeOptions } from '../bridge-options.ts';

let basePath: string;
let bridges: StorageBridge[];

beforeEach(() => {
  basePath = mkdtempSync(join(tmpdir(), 'changeover-metrics-'));
  bridges = [];
});

afterEach(async () => {
  for (const bridge of bridges) await bridge.close();
  rmSync(basePath, { recursive: true, force: true });
});

function open(options: StorageBridgeOptions): StorageBridge {
  const bridge = createStorageBridge({
    basePath,
    flagsFile: join(basePath, 'none.json'),
    ...options,
  });
  bridges.push(bridge);
  return bridge;
}

test('a bridge tells Prometheus of its calls, comparisons, flags, holds and pools', async () => {
  const sink = new PrometheusSink();
  const stages = createStaticStageSource({ sqlite: 'legacy' });
  const bridge = open({ metrics: sink, stages });
  const storage = bridge.storage('sqlite');
  await storage.createDataset('titanic');
  await storage.writeTable('titanic', 'passengers', [{ id: 1 }, { id: 2 }]);
  stages.set({ sqlite: 'shadow' });
  for (let call = 0; call < 5; call += 1) await storage.readTable('titanic', 'passengers');
  await bridge.idle();
  stages.set({ sqlite: 'pooled' });
  await storage.readTable('titanic', 'nowhere').catch(() => undefined);
  bridge.guardrail.hold('sqlite', keyTarget('titanic'), 'a test');
  const text = await sink.text();
  const labels = 'db_system_name="sqlite",db_operation_name="readTable"';
  expect(text).toContain(`changeover_calls_total{${labels},changeover_stage="shadow"} 5\n`);
  expect(text).toContain(
    `changeover_comparisons_total{${labels},changeover_stage="shadow",changeover_verdict="match"} 5\n`,
  );
  expect(text).toContain(`changeover_call_failures_total{${labels},changeover_stage="pooled"} 1\n`);
  for (const leg of ['legacy', 'pooled']) {
    expect(text).toContain(
      `changeover_leg_calls_total{${labels},changeover_stage="shadow",changeover_leg="${leg}"} 5\n`,
    );
  }
  expect(text).toMatch(
    /changeover_leg_time_seconds_total\{[^}]*changeover_stage="shadow",changeover_leg="pooled"\} (?!0\n)/,
  );
  expect(text).toContain('changeover_holds{db_system_name="sqlite"} 1\n');
  expect(text).toContain('changeover_flags_stale{changeover_flags_source="default"} 0\n');
  expect(text).toMatch(
    /db_client_connection_count\{db_client_connection_pool_name="changeover\/sqlite\/callers",[^}]*\} [1-9]/,
  );
  // Names of datasets are without end, and are data.
  expect(text).not.toMatch(/titanic|passengers/);
  for (const instrument of [
    ...Object.values(migrationInstruments),
    ...Object.values(poolInstruments),
  ]) {
    expect(text).toContain(`# TYPE ${prometheusName(instrument)} `);
  }
});

test('flags that can not be read are told as stale', async () => {
  const sink = new PrometheusSink();
  open({ metrics: sink });
  expect(await sink.text()).toContain(
    'changeover_flags_stale{changeover_flags_source="default"} 1\n',
  );
});

test('a bridge that is closed is read no more, and another goes on with the same sink', async () => {
  const sink = new PrometheusSink();
  const stages: StageSource = createStaticStageSource({ sqlite: 'legacy' });
  for (const dataset of ['first', 'second']) {
    const bridge = open({ metrics: sink, stages, storePath: ':memory:' });
    await bridge.storage('sqlite').createDataset(dataset);
    expect(await sink.text()).toMatch(/changeover_calls_total\{[^}]*"createDataset"[^}]*\} 1\n/);
    await bridge.close();
    expect(await sink.text()).not.toContain('changeover_calls_total{');
  }
});

test("all of the pooled leg can be told through the bridge, but for what is the bridge's own", () => {
  const bridge = open({ pooled: { budgets: { sqlite: 7 }, callTimeoutMs: 1_000 } });
  expect(
    bridge.factory.stats().engines.find(({ engine }) => engine === 'sqlite')?.callers.budget,
  ).toBe(7);
  expect(() => open({ pooled: { budget: { sqlite: 7 } } as object })).toThrow(
    /budget is no option of the factory: did you mean "budgets"\?/,
  );
  expect(() => open({ pooled: { basePath: '/' } as object })).toThrow(
    /pooled\.basePath is not the pooled leg's/,
  );
  expect(() => open({ poold: {} } as object)).toThrow(/no option "poold": did you mean "pooled"\?/);
});

test('what is no sink is refused, by the names that it lacks', () => {
  const half = { add: () => undefined, record: () => undefined } as unknown as InstrumentSink;
  expect(() => open({ metrics: half })).toThrow(
    /Option metrics must be .*it has no declare, observe\./,
  );
  expect(() => open({ metrics: null as unknown as InstrumentSink })).toThrow(
    /Option metrics must be/,
  );
});
