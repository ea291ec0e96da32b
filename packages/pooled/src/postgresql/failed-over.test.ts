import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import pg from 'pg';
import { type RunningPostgres, startPostgres } from '../../../../scripts/embedded-postgres.ts';
import { TcpProxy } from '../../../../test/kit/tcp-proxy.ts';
import { StorageBackendFactory } from '../storage-backend-factory.ts';

let basePath: string;
let before: RunningPostgres;
let after: RunningPostgres;
let proxy: TcpProxy;
let factory: StorageBackendFactory;

beforeEach(async () => {
  basePath = mkdtempSync(join(tmpdir(), 'changeover-failed-over-'));
  [before, after] = await Promise.all([startPostgres(), startPostgres()]);
  proxy = await TcpProxy.start(before.url);
  factory = new StorageBackendFactory({ basePath, databaseUrl: proxy.urlFor(before.url) });
});

afterEach(async () => {
  proxy.intercept = undefined;
  await factory.close();
  await proxy.stop();
  await Promise.all([before.stop(), after.stop()]);
  rmSync(basePath, { recursive: true, force: true });
});

/** Has a server commit transactions of all the numbers that the other one may have come to, and take the other one's password. */
async function commitMany(url: string, password: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(`ALTER USER CURRENT_USER PASSWORD ${client.escapeLiteral(password)}`);
  await client.query('CREATE TABLE many (n int)');
  await client.query(
    'DO $$ BEGIN FOR n IN 1..2000 LOOP INSERT INTO many VALUES (n); COMMIT; END LOOP; END $$',
  );
  await client.end();
}

test('a commit that was lost with its server is not taken for one of the same number of the server that took its place', async () => {
  const other = new StorageBackendFactory({ basePath, databaseUrl: after.url });
  await other.createBackend('moved', 'postgresql').createDataset();
  await other.close();
  const backend = factory.createBackend('moved', 'postgresql');
  await backend.createDataset();
  await backend.writeTable('t', [{ id: 1 }]);
  await commitMany(after.url, new URL(before.url).password);
  proxy.intercept = (bytes, fromServer) => {
    if (fromServer || !bytes.includes('COMMIT')) return 'pass';
    proxy.intercept = undefined;
    proxy.leadTo(after.url);
    setImmediate(() => {
      proxy.reset();
    });
    return 'lose';
  };
  await expect(
    backend.transaction(async (transaction) => {
      await transaction.execute('INSERT INTO t VALUES (2)');
    }),
  ).rejects.toMatchObject({ code: 'COMMIT_UNKNOWN', retryable: false });
});
