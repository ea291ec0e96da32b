import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import pg from 'pg';
import { readSharedRecordings, type ReportData } from 'changeover';
import { type FlagServer, startFlagServer } from '../flag-server.ts';
import { ownDatabase } from '../own-database.ts';
import { PodProcess } from '../pod-process.ts';

// Real processes with a bridge each, one store and one server of flags: how their key moves.

const url = ownDatabase('moves');
let pods: PodProcess[] = [];
let flags: FlagServer;

beforeEach(async () => {
  flags = await startFlagServer('shadow');
});

afterEach(async () => {
  for (const pod of pods) pod.signal('SIGKILL');
  await Promise.all(pods.map(({ exited }) => exited));
  pods = [];
  await flags.stop();
});

async function start(count: number, guardrail = 'act'): Promise<readonly PodProcess[]> {
  const args = [url(), flags.url, guardrail];
  const started = Array.from({ length: count }, () => new PodProcess('bridge-pod.ts', args));
  pods.push(...started);
  await Promise.all(started.map((pod) => pod.said((line) => line === 'stage shadow')));
  return started;
}

/** Until each is on a stage that it was not on. */
async function reach(stage: string, all: readonly PodProcess[]): Promise<void> {
  await Promise.all(
    all.map(async (pod) => {
      if (pod.stage !== stage)
        await pod.said((line) => line === `stage ${stage}`, pod.lines.length);
    }),
  );
}

/** Makes calls, a hundred a second, until the store has them. */
async function call(pod: PodProcess, calls: number): Promise<void> {
  const before = (await totals()).calls;
  pod.say(`call ${String(calls)}`);
  while ((await totals()).calls < before + calls) await wait(50);
}

async function totals(): Promise<ReportData['totals']> {
  return (await readSharedRecordings(url())).totals;
}

async function steps(): Promise<readonly string[]> {
  const client = new pg.Client({ connectionString: url() });
  await client.connect();
  try {
    const { rows } = await client.query(
      'select from_stage, to_stage from changeover.ledger order by sequence',
    );
    return (rows as { from_stage: string; to_stage: string }[]).map(
      ({ from_stage: from, to_stage: to }) => `${from} to ${to}`,
    );
  } finally {
    await client.end();
  }
}

test('a flag that one process has heard of is obeyed in all, and older flags of others turn nothing forward again', async () => {
  const all = await start(4);
  const [first] = all;
  const processId = String(first?.last('ready'));
  flags.serve('legacy', [processId]);
  await reach('legacy', all);
  // For three seconds all are called, and their flags still ask for shadow.
  await Promise.all(
    all.map(async (pod) => {
      const before = pod.last('called');
      pod.say('call 300');
      await pod.said((line) => line === `called ${String(before + 300)}`);
    }),
  );
  expect(await steps()).toEqual(['legacy to shadow', 'shadow to legacy']);
  flags.serve('shadow');
  await reach('shadow', all);
  expect(await steps()).toEqual(['legacy to shadow', 'shadow to legacy', 'legacy to shadow']);
});

test('a step forward is judged by what all processes compared, those that were killed included', async () => {
  const all = await start(3);
  const [first, second, third] = all as [PodProcess, PodProcess, PodProcess];
  flags.serve('reverse');
  await call(first, 45);
  first.signal('SIGKILL');
  await first.exited;
  await call(second, 45);
  expect([second.stage, third.stage]).toEqual(['shadow', 'shadow']);
  await call(third, 45);
  await reach('reverse', [second, third]);
  expect(await steps()).toEqual(['legacy to shadow', 'shadow to reverse']);
});

test('a mismatch that a process found before it was killed lets the key step forward in no other', async () => {
  const all = await start(3, 'report');
  const [first, second, third] = all as [PodProcess, PodProcess, PodProcess];
  await findMismatch(first);
  flags.serve('reverse');
  await call(second, 150);
  await call(third, 150);
  expect([second.stage, third.stage]).toEqual(['shadow', 'shadow']);
  expect(await steps()).toEqual(['legacy to shadow']);
});

test('a guardrail that fires in one process puts the key back in all, and keeps it there when that process is gone', async () => {
  const all = await start(3);
  const [first, second, third] = all as [PodProcess, PodProcess, PodProcess];
  await findMismatch(first);
  await reach('legacy', [second, third]);
  flags.serve('reverse');
  await call(second, 150);
  expect([second.stage, third.stage]).toEqual(['legacy', 'legacy']);
  expect(await steps()).toEqual(['legacy to shadow', 'shadow to legacy']);
});

/** Lets a process find one that is confirmed and stored, and kills it. */
async function findMismatch(pod: PodProcess): Promise<void> {
  pod.say('differ');
  pod.say('call 1');
  while ((await totals()).mismatch === 0) await wait(50);
  pod.signal('SIGKILL');
  await pod.exited;
}
