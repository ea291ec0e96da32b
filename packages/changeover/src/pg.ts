export * from '@changeover/adapters/pg';
