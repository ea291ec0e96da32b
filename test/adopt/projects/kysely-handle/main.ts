import { db, sqlite } from './db.ts';

sqlite.exec('create table if not exists item (id integer primary key, name text not null)');
await db.insertInto('item').values({ name: 'film' }).execute();
await db.transaction().execute((trx) => trx.insertInto('item').values({ name: 'tape' }).execute());
sqlite.prepare('insert into item (name) values (?)').run('disc');
console.log(JSON.stringify(await db.selectFrom('item').selectAll().execute()));
console.log(JSON.stringify(sqlite.prepare('select count(*) as n from item').get()));
await db.destroy();
