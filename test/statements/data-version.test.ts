import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  atEachStage,
  type FourStages,
  openFourStages,
  toldAtEachStage,
} from '../guarantees/four-stages.ts';
import { counted } from '../kit/counted.ts';

// `PRAGMA data_version` tells whether anybody else has written since it was asked on that connection before.

let opened: FourStages;
beforeAll(() => {
  opened = openFourStages();
});
afterAll(async () => {
  await opened.close();
});

test.each(['PRAGMA data_version', 'SELECT data_version FROM pragma_data_version'])(
  '%s moves by others’ writes and not by own ones, at each stage',
  async (sql) => {
    const { bridge } = opened;
    const found = await toldAtEachStage(
      opened,
      'sqlite',
      (storage, dataset) => storage.execute(dataset, 'CREATE TABLE t (a)'),
      async (storage, dataset) => {
        const before = counted(bridge.recorder, 'mismatch');
        const version = async (): Promise<unknown> =>
          (await storage.query(dataset, sql)).rows[0]?.['data_version'];
        const first = await version();
        const slow =
          'WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 9999) SELECT count(*) FROM r';
        await storage.execute(dataset, 'INSERT INTO t VALUES (1)');
        await storage.query(dataset, slow);
        await storage.writeTable(dataset, 'u', [{ a: 1 }]);
        await storage.transaction(dataset, async (transaction) => {
          await transaction.execute('INSERT INTO t VALUES (2)');
        });
        const own = await Promise.all([version(), version(), version()]);
        const { rows } = await storage.query(dataset, 'PRAGMA database_list');
        const other = new DatabaseSync(String(rows[0]?.['file']));
        other.exec('INSERT INTO t VALUES (3)');
        other.close();
        const others = [await version(), await version()];
        await bridge.idle();
        return {
          byOwn: own.filter((now) => now !== first).length,
          byOthers: others.filter((now) => now !== first).length,
          mismatches: counted(bridge.recorder, 'mismatch') - before,
        };
      },
    );
    expect(found).toEqual(atEachStage({ byOwn: 0, byOthers: 2, mismatches: 0 }));
  },
);

test('what is read of a key whose PRAGMA data_version is asked is compared', async () => {
  const { bridge, setStage } = opened;
  const storage = bridge.storage('sqlite');
  const dataset = `version_${process.pid.toString(36)}`;
  await storage.createDataset(dataset);
  await storage.execute(dataset, 'CREATE TABLE t (a)');
  setStage('shadow');
  await storage.query(dataset, 'PRAGMA data_version');
  const before = counted(bridge.recorder, 'match');
  await storage.query(dataset, 'SELECT a FROM t');
  await bridge.idle();
  expect(counted(bridge.recorder, 'match') - before).toBe(1);
  setStage('legacy');
  await storage.dropDataset(dataset);
});
