import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { walkStages } from '../walk-stages.ts';

const folder = mkdtempSync(join(tmpdir(), 'changeover-knex-example-'));
process.env['ACCOUNTS_FILE'] = join(folder, 'accounts.sqlite');
const { db } = await import('./bridge.ts');

let expected = 100;

/** What the program does, unchanged by the bridge: money goes from one account to the other. */
async function transfer(amount: number): Promise<void> {
  await db.transaction(async (transaction) => {
    await transaction('account').where({ owner: 'ann' }).decrement('balance', amount);
    await transaction('account').where({ owner: 'ben' }).increment('balance', amount);
  });
}

try {
  const accounts = [
    { owner: 'ann', balance: 100 },
    { owner: 'ben', balance: 0 },
  ];
  await walkStages(db, async () => {
    if (!(await db.schema.hasTable('account')))
      await db.schema.createTable('account', (table) => {
        table.increments();
        table.text('owner').notNullable().unique();
        table.integer('balance').notNullable();
      });
    await db('account').insert(accounts).onConflict('owner').ignore();
    await transfer(1);
    expected -= 1;
    await assert.rejects(
      db.transaction(async (transaction) => {
        await transaction('account').del();
        throw new Error('given up');
      }),
    );
    assert.deepEqual(await db('account').orderBy('id').pluck('balance'), [
      expected,
      100 - expected,
    ]);
    return `ann has ${String(expected)}`;
  });
} finally {
  await db.destroy();
  rmSync(folder, { recursive: true, force: true });
}
