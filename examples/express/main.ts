import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import { bridgeOf } from 'changeover';
import pg from 'pg';
import { startPostgres } from '../../scripts/embedded-postgres.ts';
import { reached, startFlags } from '../walk-stages.ts';
import { startLoad } from './load.ts';

// One's own PostgreSQL, or one that is started for this run.
const given = process.env['DATABASE_URL'] ?? '';
const started = given === '' ? await startPostgres() : undefined;
if (started !== undefined) process.env['DATABASE_URL'] = started.url;
// What goes wrong is told below, and pg warns of what this program always did: requests that use one client at once.
process.env['CHANGEOVER_LOG'] = 'silent';
process.noDeprecation = true;
// The program's settings are its environment, which it reads when it is loaded.
const flags = startFlags();
const require = createRequire(import.meta.url);
const application = require('./application.cjs') as { listen(port: number): Server };
const db = require('./database.cjs') as pg.Client;
const { pool, mend } = require('./pool.cjs') as { readonly pool: pg.Pool; mend(): void };

const admin = new pg.Client(process.env['DATABASE_URL']);
await admin.connect();
await admin.query('drop table if exists changeover_example_orders');
// Nothing keeps a reference from being there twice: a write that is done twice is seen.
await admin.query(
  'create table changeover_example_orders (number bigserial primary key, reference text not null, item text not null)',
);
await db.connect();
const bridge = bridgeOf(db);
const server = application.listen(0);
await once(server, 'listening');
const load = startLoad(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}`, 4);

type Count = 'match' | 'mismatch' | 'calls';
const counted = (count: Count): number => bridge.recorder.summary().totals[count];

/** Until the callers have made so many more calls, or as many comparisons came out so. */
async function more(count: Count, many: number): Promise<number> {
  const before = counted(count);
  for (let tries = 0; counted(count) < before + many; tries += 1) {
    if (tries === 1_000) throw new Error(`no ${String(many)} more of ${count}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return counted(count) - before;
}

try {
  await flags.move(bridge, 'legacy');
  console.log(`legacy   ${String(await more('calls', 100))} calls`);

  flags.write(bridge, 'shadow');
  await more('mismatch', 1);
  await reached(bridge, 'legacy');
  const [hold] = bridge.guardrail.holds;
  console.log(`shadow   the guardrail put it back: ${hold?.reason ?? ''}`);
  mend();
  await bridge.idle();
  bridge.guardrail.resume(bridge.name, { kind: 'key', name: 'all' });

  const before = counted('mismatch');
  for (const stage of ['shadow', 'reverse'] as const) {
    await flags.move(bridge, stage);
    console.log(`${stage.padEnd(8)} ${String(await more('match', 20))} compared and equal`);
  }
  for (const stage of ['pooled', 'legacy'] as const) {
    await flags.move(bridge, stage);
    console.log(`${stage.padEnd(8)} ${String(await more('calls', 100))} calls`);
  }
  await bridge.idle();
  assert.equal(counted('mismatch'), before);

  await load.stop();
  const { rows } = await admin.query<{ reference: string }>(
    'select reference from changeover_example_orders',
  );
  assert.deepEqual(rows.map(({ reference }) => reference).sort(), [...load.acknowledged].sort());
  console.log(
    `${String(load.answered())} requests answered, ${String(rows.length)} orders, each there once`,
  );
} finally {
  await load.stop().catch(() => undefined);
  server.close();
  server.closeAllConnections();
  await db.end();
  await pool.end();
  await bridge.close();
  flags.remove();
  await admin.query('drop table if exists changeover_example_orders');
  await admin.end();
  await started?.stop();
}
