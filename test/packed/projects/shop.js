// A program of somebody's: SQLite at shadow, where each read of the pooled leg runs in a worker thread.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStaticStageSource, createStorageBridge } from 'changeover';

export async function keepShop() {
  const basePath = mkdtempSync(join(tmpdir(), 'changeover-shop-'));
  const bridge = createStorageBridge({
    basePath,
    storePath: ':memory:',
    stages: createStaticStageSource({ sqlite: 'shadow' }),
    pooled: { sqlite: { inlineThresholdMs: 0 } },
  });
  try {
    const sqlite = bridge.storage('sqlite');
    await sqlite.createDataset('shop');
    await sqlite.writeTable('shop', 'orders', [{ id: 1, total: 12.5 }, { id: 2, total: 7 }]);
    const orders = await sqlite.readTable('shop', 'orders');
    await bridge.idle();
    const { match, mismatch } = bridge.recorder.summary().totals;
    const { alive } = bridge.factory.stats().workers;
    return { orders: orders.length, compared: match > 0 && mismatch === 0, threads: alive > 0 };
  } finally {
    await bridge.close();
    rmSync(basePath, { recursive: true, force: true });
  }
}
