import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { ResultSet } from '@changeover/engines';
import { StorageBackend } from '@changeover/legacy';
import { seededRandom } from '../faults/random.ts';
import { faults, plantFaults } from './plant-faults.ts';

const dataset = `detection_${String(process.pid)}`;
const results: Record<string, ResultSet> = {};
/** `CHANGEOVER_FAULTS=10000` for the whole campaign. */
const count = Number(process.env['CHANGEOVER_FAULTS'] ?? 600);
let basePath: string;

const statements = {
  sqlite:
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) SELECT i AS id, 'name ' || (i % 9) AS name, " +
    'i / 7.0 AS weight, CASE WHEN i % 4 > 0 THEN i % 3 END AS part, randomblob(0) AS raw, 9007199254740993 + i AS big FROM n',
  duckdb:
    "SELECT i AS id, i % 2 = 0 AS even, i::DECIMAL(9,2) AS price, DATE '2026-01-01' + i::INTEGER AS day, [i, NULL] AS list, " +
    "{'a': i, 'b': 'x' || i} AS struct, uuid(), (i * 1e30)::DOUBLE AS far FROM range(40) t(i)",
  postgresql:
    "SELECT i AS id, i % 2 = 0 AS even, i::numeric(9,2) AS price, now() + i * interval '1 day' AS at, ARRAY[i, NULL] AS list, " +
    "jsonb_build_object('a', i) AS doc, chr(233) || i AS name, decode(to_hex(i + 16), 'hex') AS raw FROM generate_series(1, 40) i",
} as const;

beforeAll(async () => {
  basePath = await mkdtemp(join(tmpdir(), 'changeover-detection-'));
  StorageBackend.configure({
    basePath,
    databaseUrl: process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '',
  });
  for (const engine of ['sqlite', 'duckdb', 'postgresql'] as const) {
    const backend = StorageBackend.getInstance(engine);
    await backend.createDataset(dataset);
    results[engine] = await backend.query(dataset, statements[engine]);
    await backend.dropDataset(dataset);
    await backend.closeConnections();
  }
});

afterAll(async () => {
  await rm(basePath, { recursive: true, force: true });
});

test('faults at random places of real results are all found, each with its class and place', () => {
  const { planted, wrong } = plantFaults(results, count, seededRandom(20_261_123));
  expect(wrong).toEqual([]);
  expect(Object.values(planted).reduce((sum, one) => sum + one, 0)).toBe(count);
  expect(Object.keys(planted).sort()).toEqual(faults.map((fault) => fault.class).sort());
});
