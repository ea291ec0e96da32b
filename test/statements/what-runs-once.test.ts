import { afterEach, describe, expect, test } from '@jest/globals';
import { openDataset, removeAll } from './open-dataset.ts';

afterEach(removeAll);

describe.each(['shadow', 'reverse'] as const)('at %s', (stage) => {
  test.each([
    'SELECT pg_advisory_lock(815)',
    'SELECT "pg_advisory_unlock_all"()',
    "SELECT pg_notify('a', 'b')",
    'SELECT locked()',
    'SELECT * FROM locks',
  ])('postgresql: %s is not run again for comparison', async (sql) => {
    const { storage, dataset, compared } = await openDataset('postgresql', stage);
    await storage.execute(
      dataset,
      "CREATE FUNCTION locked() RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_lock_shared(816)'",
    );
    await storage.execute(
      dataset,
      'CREATE VIEW locks AS SELECT pg_try_advisory_lock_shared(817) AS held',
    );
    expect(await compared(sql)).toEqual({ 'side-effects': 1 });
    await storage.query(dataset, 'SELECT pg_advisory_unlock_all()');
  });

  test('postgresql: a function or a view that is made anew is looked into anew', async () => {
    const { storage, dataset, compared } = await openDataset('postgresql', stage);
    const make = (body: string): Promise<number> =>
      storage.execute(dataset, `CREATE OR REPLACE VIEW v AS SELECT ${body} AS n`);
    await make('1');
    expect(await compared('SELECT n FROM v')).toEqual({ match: 1 });
    await storage.execute(dataset, 'DROP VIEW v');
    await storage.execute(dataset, 'CREATE SEQUENCE numbers');
    await make("nextval('numbers')");
    // In a query the server refuses it on either leg, and it is not asked twice.
    await expect(compared('SELECT n FROM v')).rejects.toThrow();
  });
});

test('sqlite: what tells about the connection is not held against the legs', async () => {
  const { compared } = await openDataset('sqlite', 'shadow');
  const counts = await compared('PRAGMA cache_size');
  expect(counts['mismatch']).toBeUndefined();
  expect(counts['inconclusive']).toBeUndefined();
});

test('postgresql: a connection has a number of its own, beside which the rest is compared', async () => {
  const { storage, dataset, compared } = await openDataset('postgresql', 'shadow');
  await storage.writeTable(dataset, 't', [{ id: 1 }, { id: 2 }]);
  const sql = 'SELECT id, pg_backend_pid() AS pid FROM t';
  expect(await compared(sql)).toEqual({ match: 1 });
  const wrong = await compared(sql, (answer) => ({
    ...answer,
    rows: answer.rows.map((row) => ({ ...row, id: 3 })),
  }));
  expect(wrong).toEqual({ mismatch: 1 });
});

test('postgresql: a flood of new texts is compared or shed, and leaves nothing waiting', async () => {
  const { storage, dataset, bridge } = await openDataset('postgresql', 'shadow');
  await storage.writeTable(dataset, 't', [{ id: 1 }]);
  await Promise.all(
    Array.from({ length: 100 }, (_, at) =>
      storage.query(dataset, `SELECT id, ${String(at)} AS n FROM t`),
    ),
  );
  await bridge.idle();
  const { calls, compared, shed } = bridge.recorder
    .summary()
    .cells.find(({ operation }) => operation === 'query') ?? { calls: 0, compared: 0, shed: 0 };
  expect([calls, compared + shed]).toEqual([100, 100]);
});
