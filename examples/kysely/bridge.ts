import { Kysely } from 'kysely';
import { BridgeDialect } from 'changeover/kysely';
import { accountsDialect, type Tables } from './database.ts';

const file = process.env['ACCOUNTS_FILE'] ?? 'accounts.sqlite';

/** It was `dialect: accountsDialect(file)`. */
export const dialect: BridgeDialect = new BridgeDialect({
  name: 'accounts',
  legacy: accountsDialect(file),
  pooled: accountsDialect(file),
});

/** What the program imports, as before. */
export const db: Kysely<Tables> = new Kysely<Tables>({ dialect });
