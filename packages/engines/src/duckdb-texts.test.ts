import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileStore } from './dataset-store.ts';
import { type DuckdbSession, openDuckdbSession } from './duckdb-session.ts';
import type { Program, Step, StepResult } from './program.ts';

const rows = 20_000;
let basePath: string;
let session: DuckdbSession;

function* one(step: Step): Program<StepResult> {
  return yield step;
}
const cellsOf = async (sql: string): Promise<unknown[][]> =>
  (await session.run(one({ kind: 'all', sql, form: 'cells' }))).cells;

/** Lengths around what a vector holds inline and around a page, repeated texts, and some that are missing. */
function textOf(id: number): string | null {
  if (id % 11 === 0) return null;
  const many = id % 3_000 === 1 ? 9_000 : id % 40;
  return `${id % 5 === 0 ? '\uFEFF' : ''}${String(id % 7 === 0 ? id % 21 : id)} ${'é漢🎬x'.repeat(many)}`;
}
const expected = Array.from({ length: rows }, (_, id) => [id, textOf(id)]);

beforeAll(async () => {
  basePath = mkdtempSync(join(tmpdir(), 'changeover-duckdb-texts-'));
  await fileStore('duckdb', { basePath }).create('d');
  session = await openDuckdbSession({ file: join(basePath, 'd', 'dataset.duckdb') });
  await session.run(one({ kind: 'run', sql: 'CREATE TABLE t (id INTEGER, s VARCHAR)' }));
  await session.run(one({ kind: 'begin' }));
  const columns = [
    { name: 'id', key: 'id', type: 'INTEGER' },
    { name: 's', key: 's', type: 'VARCHAR' },
  ];
  await session.run(
    one({
      kind: 'insert',
      table: 't',
      columns,
      rows: expected.map(([id, s]) => ({ id, s })) as never,
    }),
  );
  await session.run(one({ kind: 'commit' }));
});
afterAll(async () => {
  await session.close();
  rmSync(basePath, { recursive: true });
});

test.each([
  ['as they were inserted', 'SELECT id, s FROM t'],
  ['in another order', 'SELECT id, s FROM t ORDER BY hash(id)'],
  ['made by a join', 'SELECT a.id, b.s FROM t a JOIN t b ON a.id = b.id'],
  ['of some rows', 'SELECT id, s FROM t WHERE id % 13 <> 4'],
  ['with repeated ones', 'SELECT id, s FROM t UNION ALL SELECT id, s FROM t WHERE id < 100'],
])('texts %s are those that were stored', async (_title, sql) => {
  const read = await cellsOf(sql);
  expect(read.length).toBeGreaterThan(rows / 2);
  for (const [id, text] of read)
    if (text !== expected[id as number]?.[1]) expect([id, text]).toEqual(expected[id as number]);
});

const ways = ['uncompressed', 'dictionary', 'fsst', 'auto'];

test.each(ways)(
  'texts of a file that is compressed by %s are those that were stored',
  async (by) => {
    await cellsOf(`PRAGMA force_compression='${by}'`);
    await cellsOf(
      `CREATE TABLE of_${by} AS SELECT id, s, repeat('only a few of these ', 3) || (id % 9) AS few FROM t`,
    );
    await cellsOf('CHECKPOINT');
    for (const [id, text, few] of await cellsOf(`SELECT id, s, few FROM of_${by}`)) {
      if (text !== expected[id as number]?.[1]) expect([id, text]).toEqual(expected[id as number]);
      if (few !== `${'only a few of these '.repeat(3)}${Number(id) % 9}`)
        expect([id, few]).toEqual([id, 'as it was made']);
    }
  },
);

test('one text of megabytes is read whole', async () => {
  const [[text]] = (await cellsOf("SELECT repeat('0123456789abcdé', 200000) AS s")) as [[string]];
  expect([text.length, text.slice(-16)]).toEqual([3_000_000, 'é0123456789abcdé']);
});

test('a stream gives the rows of a statement in their order, and ends with the next statement', async () => {
  const stream = await session.stream('SELECT id, s FROM t', 'cells');
  const read: unknown[][] = [];
  for (let part = await stream.next(); part !== undefined; part = await stream.next())
    read.push(...part.cells);
  expect(read).toEqual(expected);
  expect(stream.isOpen()).toBe(false);
  await expect(stream.next()).rejects.toThrow('ended this stream');

  const other = await session.stream('SELECT id, s FROM t', 'objects');
  expect((await other.next())?.rows[1]).toEqual({ id: 1, s: textOf(1) });
  await cellsOf('SELECT 1');
  expect(other.isOpen()).toBe(false);
  await expect(other.next()).rejects.toThrow('ended this stream');
});
