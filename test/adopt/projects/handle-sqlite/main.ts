import { db } from './db.ts';

export const add = (name: string): number =>
  Number(db.prepare('insert into item (name) values (?)').run(name).lastInsertRowid);
export const names = (): unknown[] => db.prepare('select name from item order by id').pluck().all();
