import { control, createBridge, read, transaction, write } from 'changeover';
import { Accounts } from './accounts.ts';
import { PooledAccounts } from './pooled-accounts.ts';

/** What the program imports in place of `Accounts.getInstance()`. */
export const accounts: Accounts = createBridge({
  name: 'accounts',
  legacy: () => Accounts.getInstance(),
  pooled: () => new PooledAccounts(process.env['ACCOUNTS_FILE'] ?? 'accounts.sqlite'),
  operations: {
    list: read.rows(),
    find: read(),
    open: write(),
    add: write(),
    inTransaction: transaction(),
    close: control(),
  },
});
