import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { walkStages } from '../walk-stages.ts';
import { shop, tenant } from './bridge.ts';

const folder = mkdtempSync(join(tmpdir(), 'changeover-shop-'));
process.env['SHOP_FILE'] = join(folder, 'shop.sqlite');
try {
  await walkStages(shop, (stage) =>
    tenant.run('berlin', async () => {
      const { products, sales } = shop;
      await products.upsert({ sku: stage, title: `Sold at ${stage}`, stock: 5 });
      assert.equal(await sales.sell(stage, 2), 3);
      await assert.rejects(
        sales.sell(stage, 4),
        new RangeError(`there are not 4 of ${stage} left`),
      );
      assert.equal((await products.get(stage))?.stock, 3);
      const all = await products.list();
      const sold = await sales.list();
      return `${String(all.length)} products, ${String(sold.length)} sales`;
    }),
  );
} finally {
  await shop.close();
  rmSync(folder, { recursive: true, force: true });
}
