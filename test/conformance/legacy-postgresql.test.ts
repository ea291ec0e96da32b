import { openLegacy } from './harness.ts';
import { describeStorageBackend } from './storage-backend-suite.ts';

describeStorageBackend(
  'the legacy leg on PostgreSQL',
  'postgresql',
  () => openLegacy('postgresql'),
  { serially: true },
);
