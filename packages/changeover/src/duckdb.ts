export * from '@changeover/adapters/duckdb';
