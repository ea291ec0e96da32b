import { control, createBridge, read, write } from 'changeover';
import * as legacyOrders from './orders.ts';
import { createPooledOrders } from './pooled-orders.ts';

/** What the program imports in place of `* as orders`. Each customer moves by itself. */
export const orders: typeof legacyOrders = createBridge({
  name: 'orders',
  legacy: () => legacyOrders,
  pooled: () => createPooledOrders(process.env['DATABASE_URL']),
  operations: {
    place: write(),
    ordersOf: read.rows({ ordered: true }),
    countOrders: read(),
    close: control(),
  },
  key: { place: (customer) => customer, ordersOf: (customer) => customer },
});
