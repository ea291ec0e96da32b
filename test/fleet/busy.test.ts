import { expect, test } from '@jest/globals';
import pg from 'pg';
import { silentLogger } from '@changeover/bridge';
import { readSharedRecordings } from 'changeover';
import { ownDatabase } from './own-database.ts';
import { VirtualPod } from './virtual-pod.ts';

const url = ownDatabase('busy');

test('a process that has something to say each second adds up those that are gone, too', async () => {
  const client = new pg.Client({ connectionString: url() });
  const [gone, busy] = [new VirtualPod(url(), silentLogger), new VirtualPod(url(), silentLogger)];
  try {
    await client.connect();
    for (const pod of [gone, busy]) {
      while (pod.stage !== 'pooled') await pod.pass(1_000);
      pod.count('one', 5);
      await pod.pass(2_000);
    }
    await client.query(
      `update changeover.writer set seen = now() - interval '1 hour' where writer = $1`,
      [gone.fleet.outbox.writer?.writer],
    );
    for (let second = 0; second < 12; second += 1) {
      busy.count('one', 1);
      await busy.pass(1_000);
    }
    const { rows } = await client.query('select writer from changeover.writer where folded');
    expect(rows).toEqual([{ writer: gone.fleet.outbox.writer?.writer }]);
    expect((await readSharedRecordings(url())).totals.calls).toBe(22);
  } finally {
    await Promise.all([gone.close(), busy.close()]);
    await client.end();
  }
});
