import { openLegacy } from './harness.ts';
import { describeStorageBackend } from './storage-backend-suite.ts';

describeStorageBackend('the legacy leg on SQLite', 'sqlite', () => openLegacy('sqlite'), {
  serially: true,
});
