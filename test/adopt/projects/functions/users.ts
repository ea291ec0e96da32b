import { DatabaseSync } from 'node:sqlite';

const database = new DatabaseSync(process.env['DB_FILE'] ?? 'users.sqlite');
database.exec('create table if not exists user (id integer primary key, name text)');

export interface User {
  id: number;
  name: string;
}

export function list(): User[] {
  return database.prepare('select id, name from user').all() as unknown as User[];
}

export const byName = async (name: string): Promise<User | undefined> =>
  database.prepare('select id, name from user where name = ?').get(name) as User | undefined;

/** Adds one. */
export async function add(name: string): Promise<number> {
  return Number(database.prepare('insert into user (name) values (?)').run(name).lastInsertRowid);
}

export function refresh(): void {
  database.exec(statement());
}

export const close = (): void => database.close();

function statement(): string {
  return ['re', 'index'].join('');
}
