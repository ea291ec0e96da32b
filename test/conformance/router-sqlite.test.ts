import { stages } from 'changeover';
import { openRouted } from './harness.ts';
import { describeStorageBackend } from './storage-backend-suite.ts';

for (const stage of stages) {
  describeStorageBackend(`the drop-in on SQLite at ${stage}`, 'sqlite', () =>
    openRouted('sqlite', stage),
  );
}
