export * from './dataset-name.ts';
export * from './engine.ts';
export * from './input-values.ts';
export * from './storage-backend.ts';
export * from './storage-errors.ts';
export * from './storage-operations.ts';
export * from './store-location.ts';
export * from './undetermined-sql.ts';
