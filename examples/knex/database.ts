import type { Knex } from 'knex';

/** Where the accounts are. */
export const config: Knex.Config = {
  client: 'better-sqlite3',
  connection: { filename: process.env['ACCOUNTS_FILE'] ?? 'accounts.sqlite' },
  useNullAsDefault: true,
};
