import { expect, test } from '@jest/globals';
import pg from 'pg';
import { type Logger, silentLogger } from '@changeover/bridge';
import { readSharedRecordings } from 'changeover';
import { TcpProxy } from '../../kit/tcp-proxy.ts';
import { ownDatabase } from '../own-database.ts';
import { VirtualPod } from '../virtual-pod.ts';

const url = ownDatabase('away');
const keysEachTime = 30;
/** What an outbox holds at most, and what the recorder and one flush of it hold beside it. */
const mostRows = 8_000 + 2_000 + 1_000;

test('the store is away for an hour: calls and guardrails go on, counts are kept within bounds, and nothing is lost or doubled', async () => {
  const proxy = await TcpProxy.start(url());
  const errors: string[] = [];
  const logger: Logger = {
    ...silentLogger,
    error: (_fields, message) => {
      errors.push(message);
    },
  };
  const pod = new VirtualPod(proxy.urlFor(url()), logger);
  let counted = 0;
  const count = (at: number): void => {
    for (let key = 0; key < keysEachTime; key += 1)
      pod.count(`key-${String(at)}-${String(key)}`, 1);
    counted += keysEachTime;
  };
  try {
    while (pod.stage !== 'pooled') await pod.pass(1_000);
    count(0);
    await pod.pass(3_000);
    expect((await readSharedRecordings(url())).totals.calls).toBe(counted);

    proxy.mode = 'refuse';
    proxy.reset();
    for (let at = 1; at <= 720; at += 1) {
      await pod.pass(5_000);
      count(at);
      if (at === 360) {
        pod.guardrail.breach('errors', 'notes', { kind: 'key', name: 'one' }, 'too many failed');
        expect(pod.stage).toBe('legacy');
      }
    }
    expect(pod.stage).toBe('legacy');
    expect(errors.filter((one) => one.includes('shared store'))).toHaveLength(1);
    expect((await readSharedRecordings(url())).totals.calls).toBe(keysEachTime);

    proxy.mode = 'pass';
    while (!pod.fleet.outbox.empty) await pod.pass(10_000);
    const { totals, cells, keys } = await stored();
    expect(totals.calls).toBe(counted);
    expect(cells).toBeLessThanOrEqual(mostRows);
    expect(keys).toContain('(others)');
    expect(await held()).toEqual([{ held: true, to_stage: 'legacy' }]);
  } finally {
    proxy.mode = 'pass';
    await pod.close();
    await proxy.stop();
  }
  expect((await readSharedRecordings(url())).totals.calls).toBe(counted);
  // An hour of messages is half a minute of a core's work.
}, 600_000);

async function stored(): Promise<{
  readonly totals: { readonly calls: number };
  readonly cells: number;
  readonly keys: readonly unknown[];
}> {
  const { totals, cells } = await readSharedRecordings(url());
  return { totals, cells: cells.length, keys: cells.map(({ dataset }) => dataset) };
}

async function held(): Promise<readonly unknown[]> {
  const client = new pg.Client({ connectionString: url() });
  await client.connect();
  try {
    return (await client.query<{ held: boolean }>('select held, to_stage from changeover.ledger'))
      .rows;
  } finally {
    await client.end();
  }
}
