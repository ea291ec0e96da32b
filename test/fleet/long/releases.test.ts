import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { readSharedRecordings } from 'changeover';
import { storeVersion } from '../../../packages/bridge/src/fleet/fleet-schema.ts';
import { notRun } from '../../kit/not-run.ts';
import { ownDatabase } from '../own-database.ts';
import { PodProcess } from '../pod-process.ts';
import { commitBeforeSchema, type EarlierRelease, takeEarlierRelease } from './earlier-release.ts';

const titles = [
  'during a rolling deploy the release before and this one count in one store, are killed, and each reads the same sums',
  'what one release puts back, the other obeys, in either direction',
] as const;

function twoReleases(commit: string): void {
  const url = ownDatabase('releases');
  let earlier: EarlierRelease;
  let pods: PodProcess[] = [];
  beforeAll(() => {
    earlier = takeEarlierRelease(commit);
  });
  afterAll(() => {
    earlier.remove();
  });
  afterEach(async () => {
    for (const pod of pods) pod.signal('SIGKILL');
    await Promise.all(pods.map(({ exited }) => exited));
    pods = [];
  });

  async function start(release: 'earlier' | 'this'): Promise<PodProcess> {
    const program = release === 'this' ? 'pod.ts' : join(earlier.folder, 'test/fleet/pod.ts');
    const pod = new PodProcess(program, [url(), '12000']);
    pods.push(pod);
    await pod.said((line) => line === 'stage pooled');
    return pod;
  }

  test(
    titles[0],
    async () => {
      const old = [await start('earlier'), await start('earlier')] as const;
      expect(await versionOf(url())).toBe(earlier.storeVersion);
      for (const pod of old) pod.say('run');
      // The schema is brought forward while others use it.
      const next = [await start('this'), await start('this')] as const;
      for (const pod of next) pod.say('run');
      await wait(2_000);
      expect(await versionOf(url())).toBe(storeVersion);
      const sums: number[] = [];
      for (const pod of [old[0], next[0]]) {
        pod.say('stop');
        await wait(50);
        const counted = pod.last('counted');
        sums.push(counted);
        while ((await storedOf(url(), pod.pid)) < counted) await wait(50);
        pod.signal('SIGKILL');
        await pod.exited;
      }
      // Whoever finds them silent adds their rows up, of whichever release.
      while ((await folded(url())) < 2) await wait(200);
      sums.push(await old[1].end(), await next[1].end());
      const exact = sums.reduce((sum, count) => sum + count, 0);
      expect((await readSharedRecordings(url())).totals.calls).toBe(exact);
      expect(readByEarlier(earlier, url())).toBe(exact);
    },
    120_000,
  );

  test(
    titles[1],
    async () => {
      for (const first of ['earlier', 'this'] as const) {
        const other = first === 'this' ? 'earlier' : 'this';
        const [breaching, obeying] = [await start(first), await start(other)];
        breaching.say('breach');
        await Promise.all(
          [breaching, obeying].map((pod) => pod.said((line) => line === 'stage legacy')),
        );
        await Promise.all([breaching.end(), obeying.end()]);
        await forget(url());
      }
    },
    60_000,
  );
}

async function query<Row>(url: string, text: string, values: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text, values)).rows as Row[];
  } finally {
    await client.end();
  }
}

async function versionOf(url: string): Promise<number> {
  const [row] = await query<{ version: number }>(url, 'select version from changeover.store');
  return Number(row?.version);
}

/** What the store has of a process. */
async function storedOf(url: string, pid: number): Promise<number> {
  const [row] = await query<{ calls: string }>(
    url,
    `select coalesce(sum((counts->>0)::bigint), 0) as calls from changeover.cell
     join changeover.writer using (writer) where pid = $1`,
    [pid],
  );
  return Number(row?.calls);
}

async function folded(url: string): Promise<number> {
  const [row] = await query<{ count: string }>(
    url,
    'select count(*) from changeover.writer where folded',
  );
  return Number(row?.count);
}

/** Empties the ledger, so that keys begin anew. */
async function forget(url: string): Promise<void> {
  await query(url, 'delete from changeover.ledger');
}

function readByEarlier({ folder }: EarlierRelease, url: string): number {
  const program = `
    const { readSharedRecordings } = await import('changeover');
    console.log((await readSharedRecordings(${JSON.stringify(url)})).totals.calls);`;
  const said = execFileSync(
    process.execPath,
    ['--conditions=@changeover/source', '--input-type=module', '-e', program],
    { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  );
  return Number(said);
}

const commit = commitBeforeSchema();
if (commit === undefined) notRun('git', titles);
else twoReleases(commit);
