import db from './db.ts';
await db.schema.createTable('item', (table) => { table.increments('id'); table.text('name'); });
await db('item').insert({ name: 'film' });
console.log(JSON.stringify(await db('item').select('name')));
await db.destroy();
