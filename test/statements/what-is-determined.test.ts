import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Engine, engines, type ResultSet, type Row } from 'changeover';
import { type Fault, type OpenDataset, openDataset, removeAll } from './open-dataset.ts';

const rows = Array.from({ length: 12 }, (_, at) => ({ id: at + 1, k: at % 3, name: `n${at}` }));

const inRows =
  (change: (rows: Row[]) => Row[]): Fault =>
  (answer: ResultSet) => ({ ...answer, rows: change(answer.rows) });
const reversed = inRows((all) => all.toReversed());
const fewer = inRows((all) => all.slice(0, -1));
const asText = inRows((all) =>
  all.map((row) => ({ ...row, ...('id' in row ? { id: String(row['id']) } : {}) })),
);

async function openTable(engine: Engine): Promise<OpenDataset['compared']> {
  const opened = await openDataset(engine, 'shadow');
  const { storage, dataset } = opened;
  await storage.writeTable(dataset, 't', rows);
  await storage.writeTable(
    dataset,
    'many',
    Array.from({ length: 6_000 }, (_, id) => ({ id, k: Math.floor(id / 1_000) })),
  );
  await storage.execute(dataset, 'CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT)');
  await storage.execute(dataset, 'INSERT INTO p SELECT id, name FROM t');
  return async (sql, fault) => {
    let counts = await opened.compared(sql, fault);
    // Rows that are equal in the order may come otherwise once and never again, by whichever leg: then nothing can be told.
    for (let again = 0; again < 4 && counts['raced'] === 1; again += 1)
      counts = await opened.compared(sql, fault);
    return counts;
  };
}

describe.each(engines)('%s', (engine) => {
  const now = { sqlite: "date('now')", duckdb: 'current_date', postgresql: 'current_date' }[engine];
  const early = engine === 'sqlite' ? "'2000-01-01'" : "DATE '2000-01-01'";
  const random = 'random()';

  // Read and not written, so one for all.
  let compare: OpenDataset['compared'];
  beforeAll(async () => {
    compare = await openTable(engine);
  });
  afterAll(removeAll);

  test.each([
    ['in a window', 'SELECT id, row_number() OVER (ORDER BY id) AS r FROM t'],
    ['in a text', "SELECT id, 'order by id' AS text FROM t"],
    ['in a comment', 'SELECT id FROM t /* order by id */'],
    ['in a subquery', 'SELECT id FROM (SELECT id FROM t ORDER BY id) AS s'],
    ['by what leaves ties', 'SELECT id FROM t ORDER BY k * 0'],
  ])('the order of rows does not count where ORDER BY stands %s', async (_where, sql) => {
    expect(await compare(sql, reversed)).toEqual({ match: 1 });
    expect(await compare(sql, fewer)).toEqual({ mismatch: 1 });
  });

  test('the order of rows counts where ORDER BY tells any two apart, however it is written', async () => {
    const sql = 'SELECT name, id FROM p ORDER/**/BY id';
    expect(await compare(sql)).toEqual({ match: 1 });
    expect(await compare(sql, reversed)).toEqual({ mismatch: 1 });
  });

  const swapped = inRows((all) => [all[1], all[0], ...all.slice(2)] as Row[]);

  test.each([
    ['it is not shown', 'SELECT name FROM p ORDER BY id'],
    ['it has a sign', 'SELECT name FROM p ORDER BY -id'],
    ['nothing is added to it', 'SELECT id, name FROM p ORDER BY id + 0 DESC'],
    ['it has another name', 'SELECT id AS number, name FROM p ORDER BY number'],
  ])('the order by a key counts where %s', async (_how, sql) => {
    expect(await compare(sql)).toEqual({ match: 1 });
    expect(await compare(sql, swapped)).toEqual({ mismatch: 1 });
    expect(await compare(sql, reversed)).toEqual({ mismatch: 1 });
  });

  test('a column by the name of a key is none', async () => {
    const sql = 'SELECT id % 3 AS id, name FROM p ORDER BY id';
    expect(await compare(sql)).toEqual({ match: 1 });
    expect(await compare(sql, swapped)).toEqual({ match: 1 });
    expect(await compare(sql, reversed)).toEqual({ mismatch: 1 });
  });

  test.each([
    ['is not shown', 'SELECT id FROM t ORDER BY k'],
    ['has a sign', 'SELECT id, k FROM t ORDER BY -k'],
    ['is an expression', 'SELECT name FROM t ORDER BY k * 2 DESC, length(name)'],
    ['stands behind what is shown', 'SELECT id, id * 0 AS "all" FROM t ORDER BY "all", k'],
    ['is that of a group', 'SELECT id FROM t GROUP BY id ORDER BY min(k)'],
    ['compares', "SELECT id FROM t ORDER BY name < 'n5', k"],
    ['is that of which LIMIT takes some', 'SELECT id FROM t ORDER BY k LIMIT 9'],
  ])('of an order that %s only rows that are equal in it may change places', async (...at) => {
    const [, sql] = at;
    expect(await compare(sql)).toEqual({ match: 1 });
    expect(await compare(sql, swapped)).toEqual({ match: 1 });
    expect(await compare(sql, reversed)).toEqual({ mismatch: 1 });
    expect(
      await compare(
        sql,
        inRows(([first, ...rest]) => [...rest, first] as Row[]),
      ),
    ).toEqual({
      mismatch: 1,
    });
    expect(await compare(sql, fewer)).toEqual({ mismatch: 1 });
  });

  test('what is equal in an order that is not shown is as the engine compares it', async () => {
    const letter = "(SELECT id, CASE id % 2 WHEN 0 THEN 'A' ELSE 'a' END AS f FROM t) AS s";
    const folded = engine === 'postgresql' ? 'lower(f)' : 'f COLLATE NOCASE';
    const sql = `SELECT id FROM ${letter} ORDER BY ${folded}`;
    expect(await compare(sql)).toEqual({ match: 1 });
    expect(await compare(sql, reversed)).toEqual({ match: 1 });
  });

  test.each([
    ['a name', 'SELECT id, k FROM t ORDER BY k DESC'],
    ['a number', 'SELECT k, id FROM t ORDER BY 1'],
    ['an alias', 'SELECT id, k + 1 AS "of" FROM t ORDER BY "of"'],
    ['a name, of which LIMIT takes some', 'SELECT id, k FROM t ORDER BY k LIMIT 9'],
  ])('of an order by %s only rows that are equal in it may change places', async (_by, sql) => {
    expect(await compare(sql)).toEqual({ match: 1 });
    expect(await compare(sql, swapped)).toEqual({ match: 1 });
    expect(await compare(sql, reversed)).toEqual({ mismatch: 1 });
  });

  test.each([
    ['a name', 'SELECT id, k FROM t UNION ALL SELECT id + 50, k FROM t ORDER BY k'],
    [
      'a number, behind WITH',
      'WITH u AS (SELECT * FROM t) SELECT k, id FROM u UNION SELECT k, id FROM t ORDER BY 1 DESC',
    ],
    [
      'a number that a limit follows',
      'SELECT k, id FROM t UNION ALL SELECT k, id + 50 FROM t ORDER BY 1 LIMIT 23',
    ],
    [
      'letters whose case counts',
      "SELECT name, 'b' AS f FROM t WHERE k > 0 UNION ALL SELECT name, 'A' FROM t UNION ALL SELECT name, 'a' FROM t ORDER BY f DESC",
    ],
    ...(engine === 'duckdb'
      ? [['all', 'SELECT k, 0 AS id FROM t UNION ALL SELECT k, 0 FROM t ORDER BY ALL DESC']]
      : []),
  ])(
    'of UNION in an order by %s only rows that are equal in it may change places',
    async (...at) => {
      const [, sql = ''] = at;
      expect(await compare(sql)).toEqual({ match: 1 });
      expect(await compare(sql, swapped)).toEqual({ match: 1 });
      expect(
        await compare(
          sql,
          inRows((all) => [...all.slice(4), ...all.slice(0, 4)]),
        ),
      ).toEqual({ mismatch: 1 });
      expect(await compare(sql, fewer)).toEqual({ mismatch: 1 });
    },
  );

  test('an order by sums of floating-point numbers counts but for their last digits', async () => {
    const sum = 'sum(id * CAST(1.1 AS DOUBLE PRECISION))';
    const nearly = inRows((all) =>
      all.map((row) => ({ ...row, s: Number(row['s']) * (1 + 2 ** -50) })),
    );
    for (const sql of [
      `SELECT k, ${sum} AS s FROM t GROUP BY k ORDER BY s DESC`,
      `SELECT k, ${sum} AS s FROM t GROUP BY k UNION ALL SELECT 7, CAST(0.5 AS DOUBLE PRECISION) ORDER BY 2`,
    ]) {
      expect(await compare(sql)).toEqual({ match: 1 });
      expect(await compare(sql, nearly)).toEqual({ match: 1 });
      expect(await compare(sql, reversed)).toEqual({ mismatch: 1 });
    }
  });

  test('the order of more than 5,000 rows counts, and so does which rows a LIMIT took of as many', async () => {
    const sql = 'SELECT id FROM many ORDER BY k';
    expect(await compare(sql, swapped)).toEqual({ match: 1 });
    expect(await compare(sql, reversed)).toEqual({ mismatch: 1 });
    const some = 'SELECT id FROM many LIMIT 3';
    expect(
      await compare(
        some,
        inRows((all) => all.map((_, at) => ({ id: 5_000 + at }))),
      ),
    ).toEqual({ match: 1 });
    expect(
      await compare(
        some,
        inRows((all) => all.map((_, at) => ({ id: 6_000 + at }))),
      ),
    ).toEqual({ mismatch: 1 });
  });

  test('a statement that asks for the time is compared in all but what the time changes', async () => {
    const filtered = `SELECT id FROM t WHERE ${now} > ${early}`;
    expect(await compare(filtered)).toEqual({ match: 1 });
    expect(await compare(filtered, fewer)).toEqual({ mismatch: 1 });
    const shown = `SELECT id, ${random} AS chance FROM t`;
    expect(await compare(shown)).toEqual({ match: 1 });
    expect(await compare(shown, asText)).toEqual({ mismatch: 1 });
    expect(await compare(shown, fewer)).toEqual({ mismatch: 1 });
  });

  test.each([
    ['a number of rows', 'row_number() OVER (ORDER BY k)'],
    ['a frame of rows', 'count(*) OVER (ORDER BY k ROWS UNBOUNDED PRECEDING)'],
    ['a neighbour', 'lag(id) OVER (ORDER BY k)'],
  ])('beside %s in an order with ties all other columns are compared', async (_name, window) => {
    const sql = `SELECT id, ${window} AS place FROM t`;
    const otherwise = inRows((all) =>
      all.map((row) => ({ ...row, place: row['place'] === null ? null : 7 })),
    );
    expect(await compare(sql)).toEqual({ match: 1 });
    expect(await compare(sql, otherwise)).toEqual({ match: 1 });
    expect(await compare(sql, asText)).toEqual({ mismatch: 1 });
    expect(await compare(sql, fewer)).toEqual({ mismatch: 1 });
  });

  test('of a LIMIT without an order, rows that the statement could give are a match, and others are not', async () => {
    const sql = 'SELECT id, k FROM t WHERE id > 2 LIMIT 3';
    const others = inRows((all) =>
      all.map((row) => ({ ...row, id: Number(row['id']) + 4, k: (Number(row['id']) + 3) % 3 })),
    );
    expect(await compare(sql)).toEqual({ match: 1 });
    expect(await compare(sql, others)).toEqual({ match: 1 });
    expect(await compare(sql, asText)).toEqual({ mismatch: 1 });
    expect(await compare(sql, fewer)).toEqual({ mismatch: 1 });
    const twice = inRows((all) => all.map(() => ({ ...all[0] })));
    expect(await compare(sql, twice)).toEqual({ mismatch: 1 });
  });

  /** The table's last rows in the place of those that were chosen. */
  const otherRows = inRows((all) =>
    all.map((_row, at) => ({ id: rows.length - at, k: (rows.length - at - 1) % 3 })),
  );
  const wrongValue = inRows((all) => all.map((row, at) => (at === 0 ? { ...row, k: 77 } : row)));

  test.each([
    ['in FROM', 'SELECT id, k FROM (SELECT id, k FROM t LIMIT 5) AS s'],
    ['in FROM, of an order with ties', 'SELECT id, k FROM (SELECT * FROM t ORDER BY k LIMIT 3) s'],
    ...(engine === 'sqlite' ? [] : [['by DISTINCT ON', 'SELECT DISTINCT ON (k) id, k FROM t']]),
    ...(engine === 'duckdb' ? [['by a sample', 'SELECT id, k FROM t USING SAMPLE 5 ROWS']] : []),
  ])(
    'how many rows are chosen %s is compared, and that each is one that is there',
    async (...at) => {
      const [, sql = ''] = at;
      expect(await compare(sql, otherRows)).toEqual({ match: 1 });
      expect(await compare(sql, wrongValue)).toEqual({ mismatch: 1 });
      expect(await compare(sql, fewer)).toEqual({ mismatch: 1 });
    },
  );

  test.each([
    ['behind IN', 'SELECT id, k FROM t WHERE id IN (SELECT id FROM p LIMIT 5)'],
    ['in a join', 'SELECT t.id, t.k FROM t JOIN (SELECT id FROM p LIMIT 5) s ON s.id = t.id'],
  ])('of rows that a LIMIT %s chose each is one that is there', async (_where, sql) => {
    expect(await compare(sql)).toEqual({ match: 1 });
    expect(await compare(sql, otherRows)).toEqual({ nondeterministic: 1 });
    expect(await compare(sql, fewer)).toEqual({ nondeterministic: 1 });
    expect(await compare(sql, wrongValue)).toEqual({ mismatch: 1 });
  });

  test('how many rows a LIMIT in a subquery chose is determined', async () => {
    const sql = 'SELECT count(*) AS k FROM (SELECT id FROM t LIMIT 5) AS s';
    expect(await compare(sql, wrongValue)).toEqual({ mismatch: 1 });
  });
});
