import { db } from './db.ts';

const add = (name: string): number =>
  Number(db.prepare('insert into item (name) values (?)').run(name).lastInsertRowid);
const names = (): unknown[] => db.prepare('select name from item order by id').pluck().all();

db.transaction(() => add('film'))();
console.log(add('bread'), names().join());
