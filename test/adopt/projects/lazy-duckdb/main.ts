import { getConnection } from './db.ts';

const connection = await getConnection();
await connection.run('create table item (id integer, name varchar)');
await connection.run('insert into item values ($1, $2)', [1, 'film']);
const reader = await connection.runAndReadAll('select name from item order by id');
console.log(connection === (await getConnection()), JSON.stringify(reader.getRowsJson()));
connection.closeSync();
