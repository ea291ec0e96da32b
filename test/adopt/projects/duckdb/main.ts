import { connection } from './db.ts';

await connection.run('insert into item values ($1, $2)', [1, 'film']);
const reader = await connection.runAndReadAll('select * from item order by id');
console.log(JSON.stringify(reader.getRowObjectsJson()));
connection.closeSync();
