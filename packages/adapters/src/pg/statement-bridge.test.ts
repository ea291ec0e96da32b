import { expect, test } from '@jest/globals';
import pg from 'pg';
import { bridgeOf } from '@changeover/bridge';
import { bridgePool } from './bridge-pool.ts';

test("what the adapter warns of goes to the bridge's own log, which keeps to CHANGEOVER_LOG", async () => {
  process.env['CHANGEOVER_LOG'] = 'error';
  const pooled = new pg.Pool();
  const pool = bridgePool(new pg.Pool(), {
    name: 'quiet',
    pooled: () => pooled,
    storePath: ':memory:',
    ledger: false,
  });
  const { logger } = bridgeOf(pool).services;
  const said: unknown[] = [];
  logger.warn = (_fields: unknown, text?: unknown) => said.push(text);
  pooled.emit('error', new Error('gone'), undefined);
  expect(said).toEqual(['an idle connection of the pool was lost']);
  delete process.env['CHANGEOVER_LOG'];
  await pool.end();
  await pooled.end();
  await bridgeOf(pool).close();
});
