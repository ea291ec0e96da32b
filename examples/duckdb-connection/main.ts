import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { walkStages } from '../walk-stages.ts';

const folder = mkdtempSync(join(tmpdir(), 'changeover-duckdb-example-'));
process.env['SALES_FILE'] = join(folder, 'sales.duckdb');
const { db } = await import('./database.ts');
const { add, append, createTables, totals } = await import('./sales.ts');

try {
  let rounds = 0;
  await walkStages(db, async () => {
    // After the walk has said where the flags are: the bridge reads them at its first statement.
    if (rounds === 0) await createTables();
    rounds += 1;
    await add('pear', [2.5, 12]);
    await assert.rejects(add('plum', [1, -1]), new RangeError('a sale has no price'));
    await append('fig', 3);
    const expected = [
      { item: 'fig', sales: 3 * rounds, large: 0 },
      { item: 'pear', sales: 2 * rounds, large: rounds },
    ];
    assert.deepEqual(await totals(), expected);
    return `${String(5 * rounds)} sales`;
  });
} finally {
  db.closeSync();
  rmSync(folder, { recursive: true, force: true });
}
