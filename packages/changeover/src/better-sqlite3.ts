export * from '@changeover/adapters/better-sqlite3';
