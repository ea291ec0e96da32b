import { expect, test } from '@jest/globals';
import pg from 'pg';
import { silentLogger } from '@changeover/bridge';
import { readSharedRecordings } from 'changeover';
import { ownDatabase } from './own-database.ts';
import { PostgresLedgerStore } from '../../packages/bridge/src/stages/ledger/shared-ledger-store.ts';
import { VirtualPod } from './virtual-pod.ts';

const url = ownDatabase('busy');

const tenLines = `insert into changeover.ledger (at, backend, dataset, from_stage, to_stage, held, who, reason, revision, previous)
  select 1, 'notes', 'one', 'pooled', 'reverse', false, 'a person', 'a try', '', n from generate_series(0, 9) n`;

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

interface TwoPods {
  readonly one: VirtualPod;
  readonly other: VirtualPod;
  /** Connected to their store. */
  readonly client: pg.Client;
  /** Lets eight seconds pass for both. */
  pass(): Promise<void>;
}

async function withTwoPods(work: (pods: TwoPods) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url() });
  const [one, other] = [new VirtualPod(url(), silentLogger), new VirtualPod(url(), silentLogger)];
  const pass = async (): Promise<void> => {
    for (let second = 0; second < 8; second += 1)
      await Promise.all([one.pass(1_000), other.pass(1_000)]);
  };
  try {
    await client.connect();
    await work({ one, other, client, pass });
  } finally {
    await Promise.all([one.close(), other.close()]);
    await client.end();
  }
}

test('a store that was dropped and made again empty is made anew: counts are there once, and a later step back is obeyed', () =>
  withTwoPods(async ({ one, other, client, pass }) => {
    for (const pod of [one, other]) {
      while (pod.stage !== 'pooled') await pod.pass(1_000);
      pod.count('one', 3);
    }
    // All hear of lines whose numbers a new store must not give again.
    await client.query(tenLines);
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
  }));

test('a store that was put back from a backup gives numbers again that were heard: what is written then is obeyed all the same', () =>
  withTwoPods(async ({ one, other, client, pass }) => {
    for (const pod of [one, other]) while (pod.stage !== 'pooled') await pod.pass(1_000);
    await client.query(tenLines);
    await pass();
    const { rows } = await client.query('select min(sequence) as first from changeover.ledger');
    const first = Number((rows[0] as { first: string }).first);
    await client.query('delete from changeover.ledger where sequence > $1', [first]);
    await client.query(
      `alter table changeover.ledger alter column sequence restart with ${String(first + 1)}`,
    );
    await pass();
    expect([one.stage, other.stage]).toEqual(['pooled', 'pooled']);
    // A person who knows no more than the store does.
    const store = new PostgresLedgerStore(client);
    const said = { who: 'a person', reason: 'a drill', revision: '', held: true };
    const line = { at: Date.now(), backend: 'notes', dataset: 'one', previous: first, ...said };
    expect(await store.append([{ ...line, from: 'shadow', to: 'legacy' }])).toEqual([first + 1]);
    await pass();
    expect([one.stage, other.stage]).toEqual(['legacy', 'legacy']);
    expect(one.ledger.holds).toMatchObject([{ stage: 'legacy', reason: 'a drill' }]);
  }));
