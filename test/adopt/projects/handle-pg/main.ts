import client from './db.ts';

await client.query('create temporary table item (id serial, name text)');
await client.query('insert into item (name) values ($1)', ['film']);
console.log(JSON.stringify((await client.query('select id, name from item')).rows));
await client.end();
