import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngineStats, FactoryStats } from '@changeover/pooled';
import { silentLogger } from '@changeover/bridge';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { type PoolFigures, publishPools, readPools } from '@changeover/bridge';
import { figuresOf } from './pool-figures.ts';

let folder: string;
let storePath: string;
let clock: ManualClock;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-pools-'));
  storePath = join(folder, 'comparisons.sqlite');
  clock = new ManualClock();
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const pool = (
  name: string,
  inUse: number,
  pending = 0,
): EngineStats['callers']['pools'][number] => ({
  name,
  max: 25,
  min: 0,
  open: inUse + 1,
  idle: 1,
  inUse,
  opening: 0,
  closing: 0,
  pending,
});

const figures = (inUse: number): PoolFigures[] => stats(inUse).engines.flatMap(figuresOf);

function stats(inUse: number): FactoryStats {
  const none = {
    connections: 0,
    budget: 20,
    pools: [],
    breakers: { closed: 0, open: 0, 'half-open': 0 },
  };
  const callers = {
    connections: inUse + 5,
    budget: 200,
    pools: [pool('titanic', inUse), pool('iris', 2, 4)],
    breakers: { closed: 1, open: 1, 'half-open': 1 },
  };
  return {
    engines: [{ engine: 'postgresql', callers, shadow: none }],
    workers: { alive: 0, running: 0 },
    inlineReaders: 0,
    duckdbQueries: { running: 0, waiting: 0, max: 1 },
    sqliteWalBytes: () => 0,
  };
}

test('a process keeps its sums up to date beside the store, for nobody else to read, and takes them along', async () => {
  let inUse = 3;
  const end = publishPools({
    figures: () => figures(inUse),
    storePath,
    logger: silentLogger,
    clock,
  });
  const line = {
    backend: 'postgresql',
    purpose: 'callers',
    pools: 2,
    connections: 8,
    budget: 200,
    inUse: 5,
    idle: 2,
    waiting: 4,
    openBreakers: 2,
  };
  expect(readPools(storePath, clock)).toMatchObject([{ pid: process.pid, figures: [line] }]);
  inUse = 7;
  await clock.advance(2_000);
  expect(readPools(storePath, clock)).toMatchObject([{ figures: [{ inUse: 9 }] }]);
  const files = readdirSync(folder);
  expect(files).toHaveLength(1);
  expect(statSync(join(folder, files[0] ?? '')).mode & 0o777).toBe(0o600);
  end();
  expect([readdirSync(folder), clock.pending]).toEqual([[], 0]);
});

test('without news it is told again within ten seconds, and who is silent for longer counts no more', async () => {
  const end = publishPools({ figures: () => figures(3), storePath, logger: silentLogger, clock });
  await clock.advance(60_000);
  const [told] = readPools(storePath, clock);
  expect(clock.wallMs() - (told?.at ?? 0)).toBeLessThanOrEqual(10_000);
  clock.setWall(clock.wallMs() + 31_000);
  expect(readPools(storePath, clock)).toEqual([]);
  end();
});

test('what killed processes left is removed after an hour, and nothing else', () => {
  const mine = [
    `${storePath}-pools-1-old.json`,
    `${storePath}-pools-2-new.json`,
    join(folder, 'old.json'),
  ];
  for (const path of mine) writeFileSync(path, '{}');
  const long = clock.wallMs() / 1_000 - 3_700;
  utimesSync(mine[0] ?? '', long, long);
  utimesSync(mine[1] ?? '', long + 3_600, long + 3_600);
  utimesSync(mine[2] ?? '', long, long);
  publishPools({ figures: () => figures(0), storePath, logger: silentLogger, clock })();
  expect(readdirSync(folder).sort()).toEqual(['comparisons.sqlite-pools-2-new.json', 'old.json']);
});

test.each([
  '',
  'null',
  '7',
  '{"host": 1}',
  '{"host": "a", "pid": 1, "at": 1700000001000, "figures": [{}]}',
])('a file that says %j is passed over', (text) => {
  writeFileSync(`${storePath}-pools-1-x.json`, text);
  expect(readPools(storePath, clock)).toEqual([]);
});

test('a file that is longer than figures ever are is not read', () => {
  const right = JSON.stringify({ host: 'a', pid: 1, at: clock.wallMs(), figures: [] });
  writeFileSync(`${storePath}-pools-1-x.json`, right);
  writeFileSync(`${storePath}-pools-2-x.json`, `${right}${' '.repeat(20_000)}`);
  expect(readPools(storePath, clock)).toHaveLength(1);
});

test('a folder that is not there, or stats that fail, break nothing; no store keeps nothing', async () => {
  const away = join(folder, 'away', 'store.sqlite');
  const fails = (): PoolFigures[] => {
    throw new Error('no stats');
  };
  for (const options of [
    { figures: () => figures(1), storePath: away },
    { figures: fails, storePath },
    { figures: fails, storePath: ':memory:' },
  ]) {
    const end = publishPools({ ...options, logger: silentLogger, clock });
    await clock.advance(4_000);
    expect(readPools(options.storePath, clock)).toEqual([]);
    end();
  }
  expect(clock.pending).toBe(0);
});
