import assert from 'node:assert/strict';
import { startPostgres } from '../../scripts/embedded-postgres.ts';
import { walkStages } from '../walk-stages.ts';
import { orders } from './bridge.ts';

const given = process.env['DATABASE_URL'];
const server = given === undefined || given === '' ? await startPostgres() : undefined;
if (server !== undefined) process.env['DATABASE_URL'] = server.url;
try {
  const customer = `ada-${String(process.pid)}`;
  let placed = 0;
  await walkStages(orders, async () => {
    const id = await orders.place(customer, 'film');
    placed += 1;
    const all = await orders.ordersOf(customer);
    assert.equal(all[0]?.id, id);
    assert.equal(all.length, placed);
    assert.ok((await orders.countOrders()) >= placed);
    return `${String(all.length)} orders`;
  });
} finally {
  await orders.close();
  await server?.stop();
}
