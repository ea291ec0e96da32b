import knex, { type Knex } from 'knex';
import { bridgeKnex } from 'changeover/knex';
import { config } from './database.ts';

/** What the program imports, as before. It was `knex(config)`. */
export const db: Knex = bridgeKnex(knex(config), { name: 'accounts' });
