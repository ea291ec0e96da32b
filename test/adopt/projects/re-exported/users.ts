import { db } from './connection.ts';
export interface User { id: number; name: string }
export function listUsers(): User[] {
  return db.prepare('select id, name from user order by id').all() as User[];
}
export function addUser(name: string): void {
  db.prepare('insert into user (name) values (?)').run(name);
}
