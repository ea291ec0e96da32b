import { type Engine, type Row, type StorageApi } from 'changeover';

/** Numbers in [0, 1) from a seed, so that a run can be made again. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

export const pick = <T>(random: () => number, from: readonly T[]): T => {
  const found = from[Math.floor(random() * from.length)];
  if (found === undefined) throw new Error('there is nothing to pick from');
  return found;
};

const words = [
  'ash',
  'Birke',
  'érable',
  '柳',
  '',
  'O\'Neill "quoted"',
  '🌲 pine',
  'a|b',
  'line\nbreak',
];

/** Rows with nulls, unicode, large integers, fractions and repeated keys. */
export function treeRows(random: () => number, count: number, from = 0): Row[] {
  return Array.from({ length: count }, (_, at) => ({
    id: from + at,
    kind: pick(random, words),
    height: random() < 0.1 ? null : Math.round(random() * 4_000) / 100,
    seeds: random() < 0.1 ? null : Math.floor(random() * 1_000_000),
    big: 9_007_199_254_740_993n + BigInt(at),
    felled: random() < 0.3,
  }));
}

/** Queries whose result is determined, ordered or not. `{n}` stands for a number from the caller. */
export const determinedQueries: readonly string[] = [
  'SELECT count(*) AS n, count(height) AS heights, count(DISTINCT kind) AS kinds FROM trees',
  'SELECT kind, count(*) AS n, min(id) AS first, max(seeds) AS most FROM trees GROUP BY kind',
  'SELECT kind, sum(seeds) AS seeds FROM trees GROUP BY kind HAVING count(*) > 1 ORDER BY kind',
  'SELECT * FROM trees WHERE id = {n}',
  'SELECT id, kind FROM trees WHERE height IS NULL ORDER BY id',
  "SELECT id FROM trees WHERE kind = '' OR kind LIKE '%a%'",
  'SELECT id, big, big + 1 AS next FROM trees ORDER BY id LIMIT 20',
  'SELECT DISTINCT kind FROM trees',
  'SELECT t.id, p.name FROM trees t JOIN places p ON p.id = t.id % 7 WHERE t.id < {n} ORDER BY t.id, p.name',
  'SELECT p.name, count(t.id) AS n FROM places p LEFT JOIN trees t ON p.id = t.id % 11 GROUP BY p.name ORDER BY p.name',
  'WITH tall AS (SELECT id, height FROM trees WHERE height > 20) SELECT count(*) AS n, max(height) AS height FROM tall',
  "SELECT id, CASE WHEN height > 20 THEN 'tall' WHEN height IS NULL THEN 'unknown' ELSE 'small' END AS size FROM trees ORDER BY id",
  'SELECT id, rank() OVER (PARTITION BY kind ORDER BY id) AS place FROM trees ORDER BY id',
  'SELECT id, sum(seeds) OVER (ORDER BY id RANGE BETWEEN 2 PRECEDING AND CURRENT ROW) AS seeds FROM trees ORDER BY id',
  'SELECT id FROM trees WHERE id < 10 UNION SELECT id FROM places',
  'SELECT id FROM trees INTERSECT SELECT id FROM places',
  "SELECT id FROM trees WHERE id IN (SELECT id FROM places WHERE name <> 'b')",
  'SELECT kind FROM trees WHERE EXISTS (SELECT 1 FROM places WHERE places.id = trees.id) ORDER BY kind',
  "SELECT id, coalesce(height, -1) AS height, nullif(kind, '') AS kind FROM trees ORDER BY id DESC LIMIT 5 OFFSET 3",
  'SELECT upper(kind) AS kind, length(kind) AS letters FROM trees WHERE id % 3 = 0 ORDER BY id',
  "VALUES (1, 'one'), (2, NULL)",
];

/** Determined here, where ids are given once; but no constraint says so, and so nothing tells it of the statement. */
const untoldQueries: readonly string[] = [
  'SELECT id, row_number() OVER (PARTITION BY kind ORDER BY id) AS place FROM trees ORDER BY id',
  'SELECT id, sum(seeds) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS seeds FROM trees ORDER BY id',
];

/** Queries whose result isn't determined, by engine. They must never raise an alarm. */
export const undeterminedQueries: Readonly<Record<Engine, readonly string[]>> = {
  sqlite: [
    ...untoldQueries,
    'SELECT random() AS r',
    'SELECT id FROM trees ORDER BY random() LIMIT 3',
    'SELECT hex(randomblob(8)) AS h',
  ],
  duckdb: [
    ...untoldQueries,
    'SELECT random() AS r',
    'SELECT id FROM trees ORDER BY random() LIMIT 3',
    'SELECT uuid() AS u',
    'SELECT current_timestamp AS t',
    'SELECT avg(height) AS a, stddev(height) AS s FROM trees',
    'SELECT list(id) AS ids FROM trees',
    'SELECT kind FROM trees LIMIT 3',
    'SELECT first(id) AS id FROM trees GROUP BY kind',
    'SELECT DISTINCT kind FROM trees LIMIT 2',
  ],
  postgresql: [
    ...untoldQueries,
    'SELECT random() AS r',
    'SELECT id FROM trees ORDER BY random() LIMIT 3',
    'SELECT clock_timestamp() AS t',
    'SELECT now() AS t',
    'SELECT txid_current_if_assigned() AS x, pg_backend_pid() AS p',
    'SELECT gen_random_uuid() AS u',
  ],
};

/** Statements that fail, on every engine, each time. */
export const failingQueries: readonly string[] = [
  'SELECT * FROM no_such_table',
  'SELECT no_such_column FROM trees',
  'SELECT 1 +',
  'DELETE FROM trees',
];

export interface Traffic {
  readonly storage: StorageApi;
  readonly engine: Engine;
  readonly dataset: string;
  readonly random: () => number;
}

export async function createTrees(
  { storage, dataset, random }: Traffic,
  rows: number,
): Promise<void> {
  await storage.createDataset(dataset);
  await storage.writeTable(dataset, 'trees', treeRows(random, rows));
  await storage.writeTable(
    dataset,
    'places',
    ['a', 'b', 'c', 'd', 'é'].map((name, id) => ({ id, name })),
  );
}

/** One read that a caller might make. */
export async function readSomething({ storage, engine, dataset, random }: Traffic): Promise<void> {
  const n = Math.floor(random() * 200);
  const call = random();
  if (call < 0.4)
    await storage.query(dataset, pick(random, determinedQueries).replaceAll('{n}', String(n)));
  else if (call < 0.5) await storage.query(dataset, pick(random, undeterminedQueries[engine]));
  else if (call < 0.55)
    await storage.query(dataset, pick(random, failingQueries)).catch(() => undefined);
  else if (call < 0.65) await storage.readTable(dataset, 'trees', { limit: n, orderBy: ['id'] });
  else if (call < 0.72)
    await storage.readTable(dataset, 'trees', {
      columns: ['id', 'kind'],
      where: { kind: pick(random, words) },
    });
  else if (call < 0.77) await storage.readTable(dataset, 'trees', { limit: 5 });
  else if (call < 0.82) await storage.getTableInfo(dataset, 'trees');
  else if (call < 0.87)
    await storage.analyzeColumn(dataset, 'trees', pick(random, ['height', 'seeds', 'kind']));
  else if (call < 0.9) await storage.getColumns(dataset, 'places');
  else if (call < 0.93) await storage.listTables(dataset);
  else if (call < 0.96) await storage.getMetadata(dataset);
  else await storage.tableExists(dataset, pick(random, ['trees', 'nothing']));
}

/** One write that a caller might make; ids from 1,000,000 on are those of the appended rows. */
export async function writeSomething({ storage, engine, dataset, random }: Traffic): Promise<void> {
  const [one, two] = engine === 'postgresql' ? ['$1', '$2'] : ['?', '?'];
  const id = Math.floor(random() * 200);
  const call = random();
  if (call < 0.3) {
    await storage.writeTable(
      dataset,
      'trees',
      treeRows(random, 5, 1_000_000 + Math.floor(random() * 1e6)),
      { ifExists: 'append' },
    );
  } else if (call < 0.55) {
    await storage.execute(dataset, `UPDATE trees SET seeds = ${one} WHERE id = ${two}`, [
      Math.floor(random() * 1_000),
      id,
    ]);
  } else if (call < 0.65)
    await storage.execute(dataset, `DELETE FROM trees WHERE id > ${one}`, [1_500_000]);
  else if (call < 0.75) await storage.updateMetadata(dataset, { [`key${String(id % 5)}`]: id });
  else if (call < 0.85) {
    await storage.writeTable(dataset, 'scratch', treeRows(random, 20), { ifExists: 'replace' });
  } else if (call < 0.95) {
    await storage.transaction(dataset, async (transaction) => {
      await transaction.execute(`UPDATE trees SET height = ${one} WHERE id = ${two}`, [1.5, id]);
      await transaction.writeTable(
        'trees',
        treeRows(random, 2, 1_000_000 + Math.floor(random() * 1e6)),
        { ifExists: 'append' },
      );
    });
  } else await storage.execute(dataset, 'DELETE FROM no_such_table').catch(() => undefined);
}
