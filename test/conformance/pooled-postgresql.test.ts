import { openPooled } from './harness.ts';
import { describeStorageBackend } from './storage-backend-suite.ts';

describeStorageBackend('the pooled leg on PostgreSQL', 'postgresql', () =>
  openPooled('postgresql'),
);
