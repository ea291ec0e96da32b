import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { datasetFile } from '@changeover/engines';
import { datasetPrograms, openSqliteSession } from '@changeover/engines';
import { StorageBackendFactory } from '@changeover/pooled';
import { pause, startOther } from './arena.ts';
import type { Arena } from './arena.ts';
import type { Fault } from './fault.ts';

const engines = ['sqlite'] as const;
const openOther = 'const D = require(JSON.parse(process.env.MODULES).sqlite); const d = new D(';

/** What befalls SQLite. */
export const sqliteFaults: readonly Fault[] = [
  {
    name: 'sqlite: another process holds the write lock',
    engines,
    async run(arena) {
      const [dataset = ''] = arena.datasets;
      const file = JSON.stringify(datasetFile({ basePath: arena.basePath }, 'sqlite', dataset));
      const take = `(function take() { try { d.exec('BEGIN IMMEDIATE'); console.log('ready'); } catch { setTimeout(take, 1); } })();`;
      const other = await startOther(
        `${openOther}${file}, { timeout: 0 }); ${take} setInterval(() => {}, 1000);`,
      );
      await pause(700);
      await other.end();
    },
  },
  {
    name: 'sqlite: worker threads are killed, in the middle of commits too',
    engines,
    async run(arena) {
      for (let round = 0; round < 8; round += 1) {
        const writes = arena.datasets.map((dataset) =>
          arena.append('sqlite', dataset, 2_000, 1_000),
        );
        await pause(arena.random() * 15);
        for (const worker of arena.workers.splice(0)) {
          if (arena.random() < 0.7) void worker.terminate();
          else arena.workers.push(worker);
        }
        await Promise.all(writes);
      }
    },
  },
  { name: 'sqlite: the disk is full', engines, run: fillDisk },
  {
    name: 'sqlite: a file is corrupt',
    engines,
    async run(arena) {
      const storage = arena.storage('sqlite');
      // It may have befallen the same arena before.
      await storage.dropDataset(arena.victim);
      await storage.createDataset(arena.victim);
      await storage.writeTable(
        arena.victim,
        't',
        Array.from({ length: 2_000 }, (_unused, id) => ({ id, text: 'x'.repeat(50) })),
      );
      const file = datasetFile({ basePath: arena.basePath }, 'sqlite', arena.victim);
      const leg = arena.factory.leg('sqlite');
      const whole =
        (await leg.closedWhile?.(arena.victim, () => readFile(file))) ?? Buffer.alloc(0);
      const broken = Buffer.from(whole);
      broken.fill(0xa5, 4_096);
      await leg.closedWhile?.(arena.victim, () => writeFile(file, broken));
      const backend = arena.factory.createBackend(arena.victim, 'sqlite');
      for (let call = 0; call < 3; call += 1) {
        const error = await arena.noted('sqlite', arena.victim, 'read', 1_000, () =>
          backend.readTable('t', {}, { deadlineMs: 1_000 }),
        );
        if (error === undefined) arena.log.problem('a corrupt file was read without an error');
      }
      await leg.closedWhile?.(arena.victim, () => writeFile(file, whole));
      const rows = await storage.readTable(arena.victim, 't');
      if (rows.length !== 2_000)
        arena.log.problem(`of 2000 rows ${rows.length} were there after the file was restored`);
    },
  },
  {
    name: 'sqlite: a long reader starves the checkpoints',
    engines,
    async run(arena) {
      const [dataset = ''] = arena.datasets;
      const file = datasetFile({ basePath: arena.basePath }, 'sqlite', dataset);
      const reader = await startOther(
        `${openOther}${JSON.stringify(file)}); d.exec('BEGIN'); ` +
          "d.prepare('SELECT count(*) FROM log').get(); console.log('ready'); setInterval(() => {}, 1000);",
      );
      const backend = arena.factory.createBackend(dataset, 'sqlite');
      const rows = Array.from({ length: 3_000 }, (_unused, id) => ({ id, text: 'x'.repeat(200) }));
      for (let write = 0; write < 6; write += 1) {
        await arena.noted('sqlite', dataset, 'bulk', 3_000, () =>
          backend.writeTable('bulk', rows, { ifExists: 'replace' }, { deadlineMs: 3_000 }),
        );
      }
      const grown = arena.factory.stats().sqliteWalBytes();
      if (grown < 1_000_000)
        arena.log.problem(`the write-ahead log was expected to grow and has ${grown} bytes`);
      await reader.end();
      for (let write = 0; write < 2; write += 1)
        await backend.writeTable('bulk', rows, { ifExists: 'replace' });
      // After the reader is gone a checkpoint gets through, and the log is written from its beginning again.
      const before = statSync(`${file}-wal`).size;
      for (let write = 0; write < 3; write += 1)
        await backend.writeTable('bulk', rows, { ifExists: 'replace' });
      if (statSync(`${file}-wal`).size > before * 1.5)
        arena.log.problem('the write-ahead log goes on growing after its reader ended');
    },
  },
];

/** On a small file system where one may be mounted, else by the engine's own limit. */
async function fillDisk(arena: Arena): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-full-'));
  const mounted = mountSmall(folder);
  try {
    if (mounted) await fillFileSystem(arena, folder);
    else fillByPageCount(arena, folder);
  } finally {
    if (mounted) execFileSync('umount', [folder]);
    rmSync(folder, { recursive: true, force: true });
  }
}

function mountSmall(folder: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const bigRows = Array.from({ length: 4_000 }, (_unused, id) => ({ id, text: 'x'.repeat(400) }));

async function fillFileSystem(arena: Arena, folder: string): Promise<void> {
  const factory = new StorageBackendFactory({ basePath: folder });
  try {
    const storage = factory.storage('sqlite');
    await storage.createDataset('full');
    await storage.writeTable('full', 't', [{ id: 0, text: 'kept' }]);
    const fill = (): Promise<void> =>
      storage.writeTable('full', 't', bigRows, { ifExists: 'append' });
    const error = await arena.noted('sqlite', 'full', 'fill', 5_000, fill);
    if (error === undefined) arena.log.problem('a write to a full disk was acknowledged');
    const rows = await storage.readTable('full', 't');
    if (rows.length !== 1)
      arena.log.problem(`a write that failed for want of space left ${rows.length - 1} rows`);
    if ((await storage.execute('full', 'UPDATE t SET id = 1')) !== 1)
      arena.log.problem('a full disk takes no small write after a big one failed');
  } finally {
    await factory.close();
  }
}

function fillByPageCount(arena: Arena, folder: string): void {
  const [dataset = ''] = arena.datasets;
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'full.sqlite');
  copyFileSync(datasetFile({ basePath: arena.basePath }, 'sqlite', dataset), file);
  const session = openSqliteSession({ file });
  session.run(
    (function* () {
      yield { kind: 'all', sql: 'PRAGMA max_page_count = 50' } as const;
    })(),
  );
  let failed = false;
  try {
    session.run(datasetPrograms({ engine: 'sqlite', dataset }).writeTable('t', bigRows));
  } catch {
    failed = true;
  }
  const tables = session.run(datasetPrograms({ engine: 'sqlite', dataset }).listTables());
  if (!failed || tables.includes('t'))
    arena.log.problem('a write to a full disk was acknowledged or left in part');
  session.close();
}
