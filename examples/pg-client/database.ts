import pg from 'pg';
import { bridgeClient } from 'changeover/pg';

/** What the program imports. It was `new pg.Client(process.env.DATABASE_URL)`. */
export const db: pg.Client = bridgeClient(new pg.Client(process.env['DATABASE_URL']), {
  name: 'orders',
});
