import db from './db.ts';

db.exec('create table item (id integer primary key, name text)');
db.prepare('insert into item (name) values (?)').run('film');
console.log(JSON.stringify(db.prepare('select * from item').get()));
