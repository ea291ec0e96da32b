import { getDb } from './db.ts';

getDb().prepare('insert into item (name) values (?)').run('film');
console.log(getDb() === getDb(), getDb().prepare('select * from item').all().length);
