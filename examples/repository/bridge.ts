import { AsyncLocalStorage } from 'node:async_hooks';
import { control, createBridge, read, sub, write } from 'changeover';
import { PooledShop, Shop } from './shop.ts';

/** Which tenant a request is for. The program sets it once a request, and each tenant moves by itself. */
export const tenant: AsyncLocalStorage<string> = new AsyncLocalStorage<string>();

/** What the program imports in place of its `Shop`. */
export const shop: Shop = createBridge({
  name: 'shop',
  legacy: () => new Shop(process.env['SHOP_FILE'] ?? 'shop.sqlite'),
  pooled: () => new PooledShop(process.env['SHOP_FILE'] ?? 'shop.sqlite'),
  operations: {
    products: sub({ upsert: write(), get: read(), list: read.rows() }),
    sales: sub({ sell: write(), list: read.rows({ ordered: true }) }),
    close: control(),
  },
  key: () => tenant.getStore(),
});
