import { getDb } from './db.ts';

const db = await getDb();
db.exec('create table if not exists item (id integer primary key, name text not null)');
db.prepare('insert into item (name) values (?)').run('film');
console.log(JSON.stringify((await getDb()).prepare('select * from item').all()));
db.close();
