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

test('a store that was dropped and made again empty is made anew: counts are there once, and a later step back is obeyed', async () => {
  const client = new pg.Client({ connectionString: url() });
  const [one, other] = [new VirtualPod(url(), silentLogger), new VirtualPod(url(), silentLogger)];
  const pass = async (): Promise<void> => {
    for (let second = 0; second < 8; second += 1)
      await Promise.all([one.pass(1_000), other.pass(1_000)]);
  };
  try {
    await client.connect();
    for (const pod of [one, other]) {
      while (pod.stage !== 'pooled') await pod.pass(1_000);
      pod.count('one', 3);
    }
    // All hear of lines whose numbers a new store must not give again.
    await client.query(
      `insert into changeover.ledger (at, backend, dataset, from_stage, to_stage, held, who, reason, revision, previous)
         select 1, 'notes', 'one', 'pooled', 'reverse', false, 'a person', 'a try', '', n from generate_series(0, 9) n`,
    );
    await pass();
    expect((await readSharedRecordings(url())).totals.calls).toBe(6);
    await client.query('drop schema changeover cascade');
    await pass();
    for (const pod of [one, other]) pod.count('one', 4);
    await pass();
    expect((await readSharedRecordings(url())).totals.calls).toBe(14);
    other.guardrail.breach('errors', 'notes', { kind: 'key', name: 'one' }, 'too many failed');
    await pass();
    expect([one.stage, other.stage]).toEqual(['legacy', 'legacy']);
  } finally {
    await Promise.all([one.close(), other.close()]);
    await client.end();
  }
});
