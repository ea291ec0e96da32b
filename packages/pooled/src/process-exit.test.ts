import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { engines } from '@changeover/engines/api';
import { TcpProxy } from '../../../test/kit/tcp-proxy.ts';
import { StorageBackendFactory } from './storage-backend-factory.ts';

let basePath: string;
beforeAll(() => {
  basePath = mkdtempSync(join(tmpdir(), 'changeover-exit-'));
});
afterAll(() => {
  rmSync(basePath, { recursive: true, force: true });
});

const index = fileURLToPath(new URL('./index.ts', import.meta.url));

/** Runs a piece of a program in a process of its own until that ends by itself. */
async function run(
  script: string,
  databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '',
): Promise<{ code: number | null; said: string }> {
  const options = JSON.stringify({ basePath, databaseUrl });
  const program = `import { StorageBackendFactory } from ${JSON.stringify(index)};
    const options = ${options};
    ${script}`;
  const child = spawn(
    process.execPath,
    ['--conditions=@changeover/source', '--input-type=module-typescript', '-e', program],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: '' },
    },
  );
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => {
      said += text.toString();
    });
  const code = await new Promise<number | null>((resolve) => {
    child.once('exit', resolve);
  });
  return { code, said: said.trim() };
}

describe('a process', () => {
  test.each(engines)(
    'ends by itself when the factory is closed after work on %s',
    async (engine) => {
      const name = `exit_${process.pid}`;
      expect(
        await run(`
      {
        const factory = new StorageBackendFactory(options);
        const storage = factory.storage('${engine}');
        await storage.createDataset('${name}');
        await Promise.all(Array.from({ length: 8 }, (_unused, id) => storage.writeTable('${name}', 't' + id, [{ id }])));
        console.log((await storage.listTables('${name}')).length);
        await storage.dropDataset('${name}');
        await factory.close();
      }`),
      ).toEqual({ code: 0, said: '8' });
    },
  );

  test('ends by itself in time although a transaction never ends', async () => {
    const name = `hung_${process.pid}`;
    const { code, said } = await run(`
      const factory = new StorageBackendFactory(options);
      const storage = factory.storage('sqlite');
      await storage.createDataset('${name}');
      await new Promise((begun) => {
        storage.transaction('${name}', () => { begun(); return new Promise(() => {}); })
          .catch((error) => { console.log(error.code); });
      });
      await factory.close({ deadlineMs: 200 });
      console.log('closed');`);
    // Which of the two is told first is nobody's promise.
    expect({ code, said: said.split('\n').sort() }).toEqual({
      code: 0,
      said: ['ABORTED', 'closed'],
    });
  });

  test('ends by itself in time although PostgreSQL has fallen silent, with calls that run, wait and open', async () => {
    const url = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
    const proxy = await TcpProxy.start(url);
    const name = `silent_${process.pid}`;
    const owner = new StorageBackendFactory({ basePath, databaseUrl: url });
    try {
      await owner.storage('postgresql').createDataset(name);
      const running = run(
        `
        const factory = new StorageBackendFactory({ ...options, pools: { postgresql: { max: 3 } } });
        const storage = factory.storage('postgresql');
        await storage.writeTable('${name}', 't', [{ id: 1 }]);
        await Promise.all([storage.readTable('${name}', 't'), storage.readTable('${name}', 't')]);
        // From here on the server neither hears nor says anything.
        const silent = storage.query('${name}', "SELECT 'now silent'").catch(() => undefined);
        await Promise.race([silent, new Promise((resolve) => { setTimeout(resolve, 200); })]);
        const calls = Array.from({ length: 6 }, () => storage.execute('${name}', 'DELETE FROM t'));
        const told = Promise.allSettled(calls);
        await new Promise((resolve) => { setTimeout(resolve, 50); });
        const late = setTimeout(() => { console.log('late'); }, 20_000);
        await factory.close({ deadlineMs: 500 });
        clearTimeout(late);
        // Nor do the connection that was being opened and the request to cancel keep it alive.
        setTimeout(() => { console.log('late'); }, 3_000).unref();
        console.log((await told).map(({ status }) => status).join());`,
        proxy.urlFor(url),
      );
      proxy.intercept = (bytes) => {
        if (bytes.includes('now silent')) proxy.mode = 'blackHole';
        return 'pass';
      };
      expect(await running).toEqual({ code: 0, said: Array(6).fill('rejected').join() });
      expect(proxy.mode).toBe('blackHole');
    } finally {
      await proxy.stop();
      await owner.storage('postgresql').dropDataset(name);
      await owner.close({ deadlineMs: 2_000 });
    }
  });

  test('lives as long as a caller waits, even if it waits for nothing but a timer', async () => {
    expect(
      await run(
        `
      const factory = new StorageBackendFactory({ ...options, pools: { postgresql: { acquireTimeoutMs: 400, validationTimeoutMs: 400 } } });
      await factory.storage('postgresql').readTable('d', 't').catch((error) => { console.log(error.code); });`,
        'postgres://nobody:nothing@127.0.0.1:1/none',
      ),
    ).toEqual({ code: 0, said: 'ACQUIRE_TIMEOUT' });
  });

  test('is not kept alive by workers and pools that are idle', async () => {
    const name = `idle_${process.pid}`;
    expect(
      await run(`
      const storage = new StorageBackendFactory(options).storage('sqlite');
      await storage.createDataset('${name}');
      await storage.writeTable('${name}', 't', [{ id: 1 }]);
      console.log((await storage.readTable('${name}', 't')).length);`),
    ).toEqual({ code: 0, said: '1' });
  });
});
