import { openLegacy } from './harness.ts';
import { describeStorageBackend } from './storage-backend-suite.ts';

describeStorageBackend('the legacy leg on DuckDB', 'duckdb', () => openLegacy('duckdb'), {
  serially: true,
});
