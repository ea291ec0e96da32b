import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { walkStages } from '../walk-stages.ts';

const folder = mkdtempSync(join(tmpdir(), 'changeover-kysely-example-'));
process.env['ACCOUNTS_FILE'] = join(folder, 'accounts.sqlite');
const { db, dialect } = await import('./bridge.ts');

let expected = 100;

/** What the program does, unchanged by the bridge: money goes from one account to the other. */
async function transfer(amount: number): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    const from = transaction.updateTable('account').where('owner', '=', 'ann');
    await from.set((eb) => ({ balance: eb('balance', '-', amount) })).execute();
    const to = transaction.updateTable('account').where('owner', '=', 'ben');
    await to.set((eb) => ({ balance: eb('balance', '+', amount) })).execute();
  });
}

try {
  await walkStages(dialect, async () => {
    await db.schema
      .createTable('account')
      .ifNotExists()
      .addColumn('id', 'integer', (column) => column.primaryKey())
      .addColumn('owner', 'text', (column) => column.notNull().unique())
      .addColumn('balance', 'integer', (column) => column.notNull())
      .execute();
    await db
      .insertInto('account')
      .values([
        { owner: 'ann', balance: 100 },
        { owner: 'ben', balance: 0 },
      ])
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    await transfer(1);
    expected -= 1;
    await assert.rejects(
      db.transaction().execute(async (transaction) => {
        await transaction.deleteFrom('account').execute();
        throw new Error('given up');
      }),
    );
    const rows = await db.selectFrom('account').selectAll().orderBy('id').execute();
    assert.deepEqual(
      rows.map(({ balance }) => balance),
      [expected, 100 - expected],
    );
    return `ann has ${String(expected)}`;
  });
} finally {
  await db.destroy();
  rmSync(folder, { recursive: true, force: true });
}
