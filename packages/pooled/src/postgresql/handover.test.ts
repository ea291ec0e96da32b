import { expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatasetNotFoundError } from '@changeover/engines/api';
import { StorageBackendFactory } from '../storage-backend-factory.ts';

const quiet = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

test('more busy datasets than connections share them, and never see each other', async () => {
  const basePath = mkdtempSync(join(tmpdir(), 'changeover-handover-'));
  const factory = new StorageBackendFactory({
    basePath,
    databaseUrl: process.env['CHANGEOVER_TEST_DATABASE_URL'],
    budgets: { postgresql: 2 },
    logger: quiet,
  });
  const storage = factory.storage('postgresql');
  const names = [0, 1, 2, 3, 4].map((at) => `handover_${process.pid.toString(36)}_${String(at)}`);
  try {
    for (const [at, name] of names.entries()) {
      await storage.createDataset(name);
      // Other columns of one table's name: a statement prepared for one dataset would be wrong in another.
      await storage.writeTable(name, 't', [{ owner: name, [`own_${String(at)}`]: at }]);
    }
    const servers = new Set<unknown>();
    let calls = 0;
    await Promise.all(
      names.map(async (name, at) => {
        for (let call = 0; call < 30; call += 1) {
          expect(await storage.readTable(name, 't')).toEqual([
            { owner: name, [`own_${String(at)}`]: at + Math.floor(call / 10) },
          ]);
          const { rows } = await storage.query(
            name,
            'SELECT pg_backend_pid() AS pid, owner FROM t',
          );
          expect(rows[0]?.['owner']).toBe(name);
          servers.add(rows[0]?.['pid']);
          if (call % 10 === 9)
            await storage.execute(name, `UPDATE t SET own_${String(at)} = own_${String(at)} + 1`);
          if (call === 15)
            await expect(storage.readTable(`${name}_none`, 't')).rejects.toThrow(
              DatasetNotFoundError,
            );
          calls += 1;
        }
      }),
    );
    expect(calls).toBe(150);
    // They were handed on, not closed and opened anew for every call.
    expect(servers.size).toBeLessThan(calls / 4);
  } finally {
    for (const name of names) await storage.dropDataset(name);
    await factory.close();
    rmSync(basePath, { recursive: true, force: true });
  }
});

test('closing the factory closes connections that are on their way', async () => {
  const basePath = mkdtempSync(join(tmpdir(), 'changeover-handover-'));
  const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
  const named = `${databaseUrl}${databaseUrl.includes('?') ? '&' : '?'}application_name=handover_${process.pid.toString(36)}`;
  const factory = new StorageBackendFactory({
    basePath,
    databaseUrl: named,
    budgets: { postgresql: 1 },
    logger: quiet,
  });
  const storage = factory.storage('postgresql');
  const names = [5, 6, 7].map((at) => `handover_${process.pid.toString(36)}_${String(at)}`);
  for (const name of names) await storage.createDataset(name);
  const asked = names.map((name) => storage.listTables(name));
  expect(await Promise.all(asked)).toEqual([[], [], []]);
  for (const name of names) await storage.dropDataset(name);
  await factory.close();
  const { engines } = factory.stats();
  expect(engines.map(({ callers }) => callers.connections)).toEqual([0, 0, 0]);
  rmSync(basePath, { recursive: true, force: true });
});
