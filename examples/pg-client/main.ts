import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { startPostgres } from '../../scripts/embedded-postgres.ts';
import { walkStages } from '../walk-stages.ts';

// One's own PostgreSQL, or one that is started for this run.
const given = process.env['DATABASE_URL'] ?? '';
const started = given === '' ? await startPostgres() : undefined;
if (started !== undefined) process.env['DATABASE_URL'] = started.url;
const { db } = await import('./database.ts');
const { application } = await import('./application.ts');

// The walk says where the flags are, and the bridge reads them at its first statement: so the table is made beside it.
const admin = new pg.Client(process.env['DATABASE_URL']);
await admin.connect();
await db.connect();
application.listen(0, '127.0.0.1');
await once(application, 'listening');
const url = `http://127.0.0.1:${String((application.address() as AddressInfo).port)}`;

async function call(path: string, method = 'GET'): Promise<unknown> {
  const response = await fetch(url + path, { method });
  return response.json();
}

try {
  await admin.query('drop table if exists changeover_example_items');
  await admin.query(
    'create table changeover_example_items (item text primary key, stock int not null, sold int not null)',
  );
  await admin.query(
    "insert into changeover_example_items values ('pear', 10000, 0), ('plum', 0, 0)",
  );
  let sold = 0;
  await walkStages(db, async (stage) => {
    // One after another at `legacy` and `shadow`, where all requests share one transaction, as they always did; at once where they
    // have one each.
    const apart = stage === 'reverse' || stage === 'pooled';
    if (apart) await Promise.all([1, 2, 3].map(() => call('/orders?item=pear', 'POST')));
    else for (let at = 0; at < 3; at += 1) await call('/orders?item=pear', 'POST');
    sold += 3;
    assert.deepEqual(await call('/orders?item=plum', 'POST'), {
      error: 'RangeError: there is no plum left',
    });
    assert.deepEqual(await call('/items'), [
      { item: 'pear', sold, stock: 10_000 - sold },
      { item: 'plum', sold: 0, stock: 0 },
    ]);
    return `${String(sold)} sold`;
  });
} finally {
  application.close();
  application.closeAllConnections();
  await db.end();
  await admin.query('drop table if exists changeover_example_items');
  await admin.end();
  await started?.stop();
}
