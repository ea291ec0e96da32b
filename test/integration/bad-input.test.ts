import { afterEach, describe, expect, test } from '@jest/globals';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidNameError, UnknownEngineError } from '@changeover/engines/api';
import {
  ConnectionError,
  createStaticStageSource,
  createStorageBridge,
  InvalidOptionError,
  type Stage,
  stages,
  StorageBackend,
  type StorageBridge,
  type StorageBridgeOptions,
} from 'changeover';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-bad-input-'));
  cleanups.push(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** What is logged at `error`, and at `warn`. */
const logged: string[] = [];
const logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (_fields: unknown, text?: string) => {
    logged.push(text ?? '');
  },
  error: (_fields: unknown, text?: string) => {
    logged.push(text ?? '');
  },
} as unknown as NonNullable<StorageBridgeOptions['logger']>;

function bridgeAt(stage: Stage, options: StorageBridgeOptions): StorageBridge {
  const bridge = createStorageBridge({
    storePath: ':memory:',
    logger,
    stages: createStaticStageSource(() => stage),
    ...options,
  });
  cleanups.push(() => bridge.close());
  return bridge;
}

/** A server that takes connections and never answers. */
async function blackHole(): Promise<number> {
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const pooled = {
  pools: { postgresql: { acquireTimeoutMs: 300, connectTimeoutMs: 250, validationTimeoutMs: 100 } },
};

test.each([
  ['SQLite', /sqlite/],
  ['mysql', /duckdb/],
  ['', /postgresql/],
  [undefined, /sqlite/],
  ['__proto__', /sqlite/],
])('the engine %j is unknown, and the message lists those there are', (engine, message) => {
  const ask = (): unknown => StorageBackend.getInstance(engine as 'sqlite');
  expect(ask).toThrow(UnknownEngineError);
  expect(ask).toThrow(message);
  expect(existsSync('datasets')).toBe(false);
});

describe.each(stages)('at %s', (stage) => {
  test.each(['../x', 'a/b', 'a\\b', '"; drop table', '', '.', 'a\0b', 'x'.repeat(300)])(
    'the dataset name %j is refused, and nothing is written',
    async (name) => {
      const basePath = newFolder();
      const bridge = bridgeAt(stage, { basePath });
      for (const engine of ['sqlite', 'duckdb', 'postgresql'] as const) {
        const calls = [
          () => bridge.storage(engine).createDataset(name),
          () => bridge.storage(engine).readData(name),
          () => bridge.storage(engine).dropDataset(name),
          () => bridge.storage(engine).writeTable(name, 't', [{ a: 1 }]),
          () => bridge.storage(engine).query(name, 'SELECT 1'),
        ];
        for (const call of calls) await expect(call()).rejects.toThrow(InvalidNameError);
      }
      expect(readdirSync(basePath).filter((found) => found !== '.changeover')).toEqual([]);
    },
  );

  test('a server that refuses is an error that names it, without its password', async () => {
    const databaseUrl = 'postgres://someone:not-to-be-seen@127.0.0.1:9/nowhere';
    const storage = bridgeAt(stage, { basePath: newFolder(), databaseUrl, pooled }).storage(
      'postgresql',
    );
    for (const call of [
      () => storage.readTable('titanic', 'train'),
      () => storage.createDataset('titanic'),
    ]) {
      const error = await call().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(ConnectionError);
      expect(String(error)).toMatch(/127\.0\.0\.1:9\/nowhere/);
      expect(String(error)).toMatch(/Check DATABASE_URL/);
      expect(JSON.stringify([String(error), logged])).not.toContain('not-to-be-seen');
    }
  });

  test('a folder that can not be made is an error that names it', async () => {
    const file = join(newFolder(), 'file');
    writeFileSync(file, '');
    const basePath = join(file, 'below');
    const bridge = bridgeAt(stage, { basePath });
    for (const engine of ['sqlite', 'duckdb'] as const) {
      const error = await bridge
        .storage(engine)
        .createDataset('titanic')
        .then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
      expect(error).toBeInstanceOf(ConnectionError);
      expect(String(error)).toContain(basePath);
      expect(String(error)).toMatch(/a part of the path is a file; configure another base folder/);
    }
  });
});

test.each(['legacy', 'pooled'] as const)(
  'a server that never answers is given up in time at %s',
  async (stage) => {
    const port = await blackHole();
    const bridge = bridgeAt(stage, {
      basePath: newFolder(),
      databaseUrl: `postgres://a:b@127.0.0.1:${String(port)}/db`,
      pooled,
    });
    await expect(bridge.storage('postgresql').readTable('titanic', 'train')).rejects.toThrow(
      /time ?out|took longer|within/,
    );
  },
);

test('a URL of another database is refused at once, and not shown', () => {
  const make = (): unknown =>
    createStorageBridge({ databaseUrl: 'mysql://someone:not-to-be-seen@host/db', logger });
  expect(make).toThrow(InvalidOptionError);
  expect(make).toThrow(
    /databaseUrl \(or DATABASE_URL\) must be a URL that begins with postgres:\/\//,
  );
  expect(make).not.toThrow(/not-to-be-seen/);
});

// The superuser may write everywhere.
const asPlainUser = process.getuid?.() === 0 ? process.setuid : undefined;

test('a folder without permission to write is an error that says so', async () => {
  const basePath = newFolder();
  if (asPlainUser !== undefined) return expectRefusalOfReadOnly();
  chmodSync(basePath, 0o500);
  cleanups.push(() => {
    chmodSync(basePath, 0o700);
  });
  const bridge = bridgeAt('legacy', { basePath });
  await expect(bridge.storage('sqlite').createDataset('titanic')).rejects.toThrow(
    /change its permissions/,
  );
});

/** What even the superuser may not write: the kernel's own folders. */
async function expectRefusalOfReadOnly(): Promise<void> {
  const basePath = ['/sys/changeover', '/proc/changeover'].find((path) =>
    existsSync(join(path, '..')),
  );
  if (basePath === undefined)
    throw new Error('this system has no folder that the superuser may not write');
  const bridge = bridgeAt('legacy', { basePath });
  await expect(bridge.storage('sqlite').createDataset('titanic')).rejects.toThrow(
    /change its permissions|no folder can be made/,
  );
}

test('a flags file that is cut in half means legacy, loudly, until it is whole', async () => {
  const folder = newFolder();
  const flagsFile = join(folder, 'flags.json');
  const whole = JSON.stringify({
    version: 2,
    features: [
      {
        name: 'changeover.sqlite',
        enabled: true,
        strategies: [
          {
            name: 'default',
            parameters: {},
            constraints: [],
            variants: [
              { name: '3-pooled', weight: 1000, weightType: 'variable', stickiness: 'dataset' },
            ],
          },
        ],
      },
    ],
  });
  writeFileSync(flagsFile, whole.slice(0, whole.length / 2));
  logged.length = 0;
  const bridge = createStorageBridge({
    basePath: folder,
    flagsFile,
    ledger: false,
    storePath: ':memory:',
    logger,
  });
  cleanups.push(() => bridge.close());
  const storage = bridge.storage('sqlite');
  await storage.createDataset('titanic');
  await storage.writeTable('titanic', 'train', [{ id: 1 }]);
  expect(bridge.recorder.cell('sqlite', 'titanic', 'writeTable', 'legacy').calls).toBe(1);
  expect(logged.join('\n')).toMatch(/flags/);
  writeFileSync(flagsFile, whole);
  const pooled = bridge.recorder.cell('sqlite', 'titanic', 'readTable', 'pooled');
  while (pooled.calls === 0) {
    expect(await storage.readTable('titanic', 'train')).toEqual([{ id: 1 }]);
    // A read that is answered at once lets no timer run.
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  writeFileSync(flagsFile, whole.slice(0, whole.length / 2));
  expect(await storage.readTable('titanic', 'train')).toEqual([{ id: 1 }]);
});
