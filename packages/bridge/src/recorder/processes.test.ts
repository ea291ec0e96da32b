import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { readRecordings } from './read-recordings.ts';

// What only real processes can show.

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-processes-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Runs TypeScript in a process of its own; resolves when it ends by itself. */
function run(script: string, args: readonly string[], shell = 'exec "$@"'): Promise<number | null> {
  const child = spawn(
    'sh',
    [
      '-c',
      shell,
      'sh',
      process.execPath,
      '--conditions=@changeover/source',
      '--input-type=module-typescript',
      '--no-warnings',
      '--eval',
      script,
      ...args,
    ],
    { cwd: import.meta.dirname, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  return new Promise((resolve) => {
    child.once('exit', resolve);
  });
}

const source = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);

test('several processes that count into one store at once are counted exactly', async () => {
  const path = join(folder, 'comparisons.sqlite');
  const script = `
    import { openRecorder } from ${source('open-recorder.ts')};
    import { silentLogger } from ${source('../log.ts')};
    const [path, seed] = process.argv.slice(1);
    const recorder = openRecorder({ path, run: 'shared', logger: silentLogger, flushIntervalMs: 2, maxCells: 8 });
    for (let round = 0; round < 200; round += 1) {
      const cell = recorder.cell('sqlite', 'd' + String((round + Number(seed)) % 10), 'query', 'shadow');
      cell.calls += 1;
      cell.legacyLatency.record(1);
      recorder.sample({ at: Date.now(), backend: 'sqlite', dataset: 'd', operation: 'query', stage: 'shadow',
        verdict: 'mismatch', summary: 's' });
      if (round % 10 === 0) await new Promise((resolve) => { setTimeout(resolve, 2); });
    }
    recorder.event('end', {});
    recorder.close();
  `;
  expect(await Promise.all(['0', '3', '6'].map((seed) => run(script, [path, seed])))).toEqual([
    0, 0, 0,
  ]);
  const report = readRecordings(path);
  expect(report.totals).toMatchObject({ calls: 600, legacy: { count: 600 } });
  expect(report.byDataset.map(({ calls }) => calls)).toEqual(Array.from({ length: 10 }, () => 60));
  expect(report.sampleGroups).toMatchObject([{ count: 600 }]);
  expect(report.timeline).toHaveLength(3);
  expect(new Set(report.runs.map(({ pid }) => pid)).size).toBe(3);
});

test('processes that make a new store at the same moment all know its ledger from their first call on', async () => {
  const script = `
    import assert from 'node:assert/strict';
    import { existsSync, writeFileSync } from 'node:fs';
    import { SqliteLedgerStore } from ${source('../stages/ledger/file-ledger-store.ts')};
    import { SqliteRecordingStore } from ${source('sqlite-recording-store.ts')};
    import { isBusy } from ${source('store-file.ts')};
    const [folder, own, ...all] = process.argv.slice(1);
    const found = [];
    for (let round = 0; round < 12; round += 1) {
      const path = folder + '/' + round;
      writeFileSync(path + '-' + own, '');
      while (!all.every((one) => existsSync(path + '-' + one)));
      const ledger = new SqliteLedgerStore(path);
      try {
        found.push(ledger.read(0).length);
      } catch (error) {
        found.push(error.message);
      }
      // What is counted has time.
      try {
        new SqliteRecordingStore(path, 0).close();
      } catch (error) {
        if (!isBusy(error)) found.push(error.message);
      }
      ledger.close();
    }
    assert.deepEqual(found, Array.from({ length: 12 }, () => 0));
  `;
  const all = ['a', 'b', 'c'];
  expect(await Promise.all(all.map((own) => run(script, [folder, own, ...all])))).toEqual([
    0, 0, 0,
  ]);
});

test('processes that first store their counts at their end, all at the same moment, lose none', async () => {
  const script = `
    import { existsSync, writeFileSync } from 'node:fs';
    import { openRecorder } from ${source('open-recorder.ts')};
    import { silentLogger } from ${source('../log.ts')};
    const [folder, own, ...all] = process.argv.slice(1);
    for (let round = 0; round < 12; round += 1) {
      const path = folder + '/' + round;
      const recorder = openRecorder({ path, run: own, logger: silentLogger });
      recorder.cell('notes', 'inbox', 'list', 'shadow').calls += 1;
      writeFileSync(path + '-' + own, '');
      while (!all.every((one) => existsSync(path + '-' + one)));
      recorder.flushAll();
      recorder.close();
    }
  `;
  const all = ['a', 'b', 'c'];
  await Promise.all(all.map((own) => run(script, [folder, own, ...all])));
  const counted = Array.from(
    { length: 12 },
    (_, round) => readRecordings(join(folder, String(round))).totals.calls,
  );
  expect(counted).toEqual(counted.map(() => 3));
});

test('a disk that takes no more is told once, nothing fails, and what was counted is in the summary', async () => {
  const path = join(folder, 'comparisons.sqlite');
  const script = `
    import assert from 'node:assert/strict';
    import { openRecorder } from ${source('open-recorder.ts')};
    import { silentLogger } from ${source('../log.ts')};
    const errors = [];
    const logger = { ...silentLogger, error: (_fields, message) => { errors.push(message); } };
    const recorder = openRecorder({ path: process.argv[1], run: 'full', logger, flushIntervalMs: 60_000 });
    assert.deepEqual(errors, []);
    for (let round = 0; round < 400; round += 1) {
      const cell = recorder.cell('sqlite', 'd' + String(round), 'query', 'shadow');
      cell.calls += 1;
      for (let ms = 1; ms < 100; ms += 1) cell.legacyLatency.record(ms);
      recorder.flush();
    }
    const report = recorder.summary();
    assert.equal(report.totals.calls, 400);
    assert.equal(errors.length, 1);
    assert.match(errors[0], /can't be written .+ counts stay in memory/);
    recorder.close();
  `;
  // A limit on the size of files, with its signal ignored: the system refuses to write on, as a full disk does.
  expect(await run(script, [path], 'trap "" XFSZ; ulimit -f 256; exec "$@"')).toBe(0);
});

test('nothing that was left open keeps a process from ending, with a flag server that hangs', async () => {
  const hangs = createServer();
  await new Promise<void>((resolve) => {
    hangs.listen(0, '127.0.0.1', resolve);
  });
  const asked = new Promise<Socket>((resolve) => {
    hangs.once('connection', resolve);
  });
  const script = `
    import { openRecorder } from ${source('open-recorder.ts')};
    import { openFileStageSource } from ${source('../stages/flags/file-stage-source.ts')};
    import { openServerStageSource } from ${source('../stages/flags/server-stage-source.ts')};
    import { Ledger } from ${source('../stages/ledger/ledger.ts')};
    import { SqliteLedgerStore } from ${source('../stages/ledger/file-ledger-store.ts')};
    import { silentLogger as logger } from ${source('../log.ts')};
    const [folder, port] = process.argv.slice(1);
    openRecorder({ path: folder + '/store.sqlite', run: 'left open', logger });
    openFileStageSource({ path: folder + '/flags.json', logger });
    new Ledger({ store: new SqliteLedgerStore(folder + '/store.sqlite'), logger });
    openServerStageSource({ url: 'http://127.0.0.1:' + port + '/api', token: 't', logger, timeoutMs: 600_000 });
    // Long enough for the request to be out.
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  `;
  const { port } = hangs.address() as AddressInfo;
  expect(await run(script, [folder, String(port)])).toBe(0);
  (await asked).destroy();
  await new Promise<void>((resolve) => {
    hangs.close(() => {
      resolve();
    });
  });
});
