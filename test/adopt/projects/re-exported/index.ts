export * from './users.ts';
export { db as connection } from './connection.ts';
export type { User } from './users.ts';
