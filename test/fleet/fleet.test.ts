import { setTimeout as wait } from 'node:timers/promises';
import { readSharedRecordings, type ReportData } from 'changeover';
import { afterEach, expect, test } from '@jest/globals';
import pg from 'pg';
import { TcpProxy } from '../kit/tcp-proxy.ts';
import { ownDatabase } from './own-database.ts';
import { PodProcess } from './pod-process.ts';

// Real processes on one store: killed, stopped, cut off. What they say that they counted is what the store has to have.

let pods: PodProcess[] = [];

afterEach(async () => {
  for (const pod of pods) pod.signal('SIGKILL');
  await Promise.all(pods.map(({ exited }) => exited));
  pods = [];
});

const url = ownDatabase('fleet');

function start(address = url(), silentMs = 60_000): PodProcess {
  const pod = new PodProcess('pod.ts', [address, String(silentMs)]);
  pods.push(pod);
  return pod;
}

async function until(look: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await look())) await wait(50);
}

async function calls(): Promise<number> {
  return (await readSharedRecordings(url())).totals.calls;
}

async function query<Row>(text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url() });
  await client.connect();
  try {
    return (await client.query(text)).rows as Row[];
  } finally {
    await client.end();
  }
}

const isPooled = (line: string): boolean => line === 'stage pooled';

test('eight processes, killed and started at random: no count is doubled, and none older than two seconds is lost', async () => {
  const living = Array.from({ length: 8 }, () => start());
  await Promise.all(living.map((pod) => pod.said(isPooled)));
  for (const pod of living) pod.say('run');
  await Promise.all(living.map((pod) => pod.said((line) => line.startsWith('counted '))));
  const killed: { readonly pod: PodProcess; readonly before: number }[] = [];
  for (const at of [5, 2, 7]) {
    const pod = living[at] as PodProcess;
    const before = pod.last('counted');
    await wait(2_000);
    pod.signal('SIGKILL');
    await pod.exited;
    killed.push({ pod, before });
    const next = start();
    await next.said(isPooled);
    next.say('run');
    living[at] = next;
  }
  const ended = await Promise.all(living.map((pod) => pod.end()));
  const exact = ended.reduce((sum, count) => sum + count, 0);
  const least = killed.reduce((sum, { before }) => sum + before, exact);
  // It may have counted once more than what it could still say.
  const most = killed.reduce((sum, { pod }) => sum + pod.last('counted') + 5, exact);
  const found = await calls();
  expect([found >= least, found <= most]).toEqual([true, true]);
});

test('the sums are exact where each process ends, for calls, shapes and latencies', async () => {
  const living = Array.from({ length: 3 }, () => start());
  await Promise.all(living.map((pod) => pod.said(isPooled)));
  for (const pod of living) pod.say('call 7');
  const ended = await Promise.all(living.map((pod) => pod.end()));
  expect(ended).toEqual([7, 7, 7]);
  const report: ReportData = await readSharedRecordings(url());
  expect(report.totals).toMatchObject({ calls: 21, pooled: { count: 21 } });
  expect(report.shapes).toMatchObject([{ key: 'one', calls: 21 }]);
  expect(report.runs).toHaveLength(3);
});

test('a guardrail that fires in one process puts the key back in all', async () => {
  const living = Array.from({ length: 8 }, () => start());
  await Promise.all(living.map((pod) => pod.said(isPooled)));
  living[0]?.say('breach');
  const began = living.map(({ lines }) => lines.length);
  await Promise.all(
    living.map((pod, at) => pod.said((line) => line === 'stage legacy', began[at])),
  );
  expect(living.map(({ stage }) => stage)).toEqual(living.map(() => 'legacy'));
});

test('while the store is away a process goes on, says so once, and its counts are added when it is back', async () => {
  const proxy = await TcpProxy.start(url());
  try {
    const pod = start(proxy.urlFor(url()));
    await pod.said(isPooled);
    pod.say('call 3');
    await until(async () => (await calls()) === 3);
    proxy.mode = 'refuse';
    proxy.reset();
    await pod.said((line) => line.startsWith('log the shared store can not be reached'));
    pod.say('call 4');
    pod.say('breach');
    await pod.said((line) => line.startsWith('log moved back'));
    expect(pod.stage).toBe('legacy');
    expect(await calls()).toBe(3);
    proxy.mode = 'pass';
    await pod.said((line) => line === 'log the shared store can be reached again');
    await until(async () => (await calls()) === 7);
    expect(await pod.end()).toBe(7);
    expect(await calls()).toBe(7);
    const told = pod.lines.filter((line) => line.startsWith('log the shared store can not'));
    expect(told).toHaveLength(1);
    const lines = await query<{ held: boolean }>('select held from changeover.ledger');
    expect(lines).toEqual([{ held: true }]);
  } finally {
    await proxy.stop();
  }
});

test('a process that was stopped for so long that its rows were folded counts on, once', async () => {
  const pod = start(url(), 12_000);
  await pod.said(isPooled);
  pod.say('call 5');
  await until(async () => (await calls()) === 5);
  pod.signal('SIGSTOP');
  await query(`update changeover.writer set seen = now() - interval '1 hour'`);
  const others = [start(url(), 12_000), start(url(), 12_000)];
  await until(async () => {
    const [row] = await query<{ count: string }>(
      `select count(*) from changeover.writer where folded`,
    );
    return Number(row?.count) === 1;
  });
  expect(await calls()).toBe(5);
  pod.signal('SIGCONT');
  pod.say('call 6');
  await until(async () => (await calls()) === 11);
  expect(await pod.end()).toBe(11);
  await Promise.all(others.map((one) => one.end()));
  expect(await readSharedRecordings(url())).toMatchObject({
    totals: { calls: 11 },
    shapes: [{ calls: 11 }],
  });
});
