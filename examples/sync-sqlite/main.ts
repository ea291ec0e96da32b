import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import assert from 'node:assert/strict';
import { walkStages } from '../walk-stages.ts';
import { accounts } from './bridge.ts';

const folder = mkdtempSync(join(tmpdir(), 'changeover-accounts-'));
process.env['ACCOUNTS_FILE'] = join(folder, 'accounts.sqlite');
try {
  let opened = 0;
  await walkStages(accounts, () => {
    const ada = accounts.open('Ada', 100_00);
    const grace = accounts.open('Grace', 0);
    opened += 2;
    // A synchronous transaction stays synchronous, and what is called inside it runs on its leg.
    accounts.inTransaction(() => {
      accounts.add(ada, -30_00);
      accounts.add(grace, 30_00);
    });
    assert.throws(
      () =>
        accounts.inTransaction(() => {
          accounts.add(ada, -30_00);
          accounts.add(-1, 30_00);
        }),
      new RangeError('there is no account -1'),
    );
    assert.deepEqual(
      [ada, grace].map((id) => accounts.find(id)?.cents),
      [70_00, 30_00],
    );
    assert.equal(accounts.list().length, opened);
    assert.equal(accounts.count, opened);
    return `${String(accounts.count)} accounts`;
  });
} finally {
  accounts.close();
  rmSync(folder, { recursive: true, force: true });
}
