import * as users from './users.ts';
import { add } from './users.ts';

export async function use(): Promise<string> {
  await add('Ada');
  const found = await users.byName('Ada');
  return `${String(found?.name)} ${String(users.list().length)}`;
}

console.log(await use());
users.close();
