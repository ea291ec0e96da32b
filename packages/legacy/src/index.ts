export * from './legacy-leg.ts';
export * from './storage-backend.ts';
