import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  canonicalNotation,
  compareDigests,
  digestResult,
  encodeCanonical,
  findDifference,
} from '@changeover/compare';
import { type DatasetBackend, type Engine, engines, type ResultSet } from '@changeover/engines';
import { StorageBackend } from '@changeover/legacy';
import { StorageBackendFactory } from '@changeover/pooled';
import { asText, isWritten, typeMatrix } from './type-matrix.ts';
import { readDocumentedValues } from './value-tables.ts';

const documented = await readDocumentedValues();
const dataset = `canonical_${String(process.pid)}`;
let basePath: string;
let factory: StorageBackendFactory;

beforeAll(async () => {
  basePath = await mkdtemp(join(tmpdir(), 'changeover-canonical-'));
  const location = { basePath, databaseUrl: process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '' };
  StorageBackend.configure(location);
  factory = new StorageBackendFactory(location);
  for (const engine of engines) await StorageBackend.getInstance(engine).createDataset(dataset);
});

afterAll(async () => {
  await factory.close();
  for (const engine of engines) {
    await StorageBackend.getInstance(engine).dropDataset(dataset);
    await StorageBackend.getInstance(engine).closeConnections();
  }
  await rm(basePath, { recursive: true, force: true });
});

async function both(
  engine: Engine,
  sql: string,
): Promise<readonly [legacy: ResultSet, pooled: ResultSet]> {
  const pooled: DatasetBackend = factory.createBackend(dataset, engine);
  return [await StorageBackend.getInstance(engine).query(dataset, sql), await pooled.query(sql)];
}

describe('the tables of docs/canonical-values.md', () => {
  test('hold all three engines and no encoding of two forms', () => {
    for (const engine of engines)
      expect(documented.filter((row) => row.engine === engine).length).toBeGreaterThan(20);
    const forms = new Map<string, string>();
    for (const { value, canonical } of documented) {
      const bytes = Buffer.from(encodeCanonical(value)).toString('hex');
      expect(forms.get(bytes) ?? canonical).toBe(canonical);
      forms.set(bytes, canonical);
    }
    expect(new Set(forms.values()).size).toBe(forms.size);
  });

  test.each(documented)(
    '$engine $type: $sql is $canonical, on both legs',
    async ({ engine, sql, value, canonical }) => {
      expect(canonicalNotation(value)).toBe(canonical);
      const [legacy, pooled] = await both(engine, `SELECT ${sql} AS v`);
      expect([
        canonicalNotation(legacy.rows[0]?.['v']),
        canonicalNotation(pooled.rows[0]?.['v']),
      ]).toEqual([canonical, canonical]);
      expect(compareDigests(digestResult(legacy, 'rows'), digestResult(pooled, 'rows'))).toBe(
        'equal',
      );
      expect(findDifference(legacy, pooled, true)).toBeUndefined();
    },
  );
});

test.each(engines)(
  '%s: at the edges of its types both legs say what the engine writes',
  async (engine) => {
    const wrong: unknown[] = [];
    for (const expression of typeMatrix[engine]) {
      const [legacy, pooled] = await both(
        engine,
        `SELECT ${expression} AS v, ${asText[engine](expression)} AS written`,
      );
      const [row] = legacy.rows;
      const same =
        compareDigests(digestResult(legacy, 'rows'), digestResult(pooled, 'rows')) === 'equal';
      const list = Array.isArray(row?.['v']);
      if (!same || (!list && !isWritten(engine, row?.['v'], row?.['written'])))
        wrong.push([expression, row, pooled.rows[0]]);
    }
    expect(wrong).toEqual([]);
  },
);

test('every type that DuckDB has compares clean', async () => {
  const [legacy, pooled] = await both('duckdb', 'SELECT * FROM test_all_types()');
  expect([legacy.rows.length, legacy.columns.length > 40]).toEqual([3, true]);
  expect(digestResult(legacy, 'rows')).toEqual(digestResult(pooled, 'rows'));
  expect(findDifference(legacy, pooled, true)).toBeUndefined();
  // And a fault in any of its cells is found.
  for (const column of legacy.columns) {
    const faulty = {
      columns: pooled.columns,
      rows: pooled.rows.map((row, at) => (at === 1 ? { ...row, [column]: ['fault'] } : row)),
    };
    expect(findDifference(legacy, faulty, true)?.columns).toEqual([column]);
  }
});
