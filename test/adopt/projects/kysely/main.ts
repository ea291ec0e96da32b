import { sql } from 'kysely';
import { db } from './db.ts';

await sql`create table if not exists item (id integer primary key, name text not null)`.execute(db);
await db.transaction().execute((trx) => trx.insertInto('item').values({ name: 'film' }).execute());
console.log(JSON.stringify(await db.selectFrom('item').selectAll().execute()));
await db.destroy();
