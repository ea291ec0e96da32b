import { db } from './db.ts';

await db.raw('create table if not exists item (id integer primary key, name text not null)');
await db.transaction((trx) => trx('item').insert({ name: 'film' }));
console.log(JSON.stringify(await db('item').select()));
await db.destroy();
