import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { inspect } from 'node:util';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import pg from 'pg';
import {
  createStaticStageSource,
  type Stage,
  stages,
  StorageBackend,
  StorageError,
} from 'changeover';
import { silentLogger } from '@changeover/bridge';
import { ChangedMind, loadInBatches } from '../../scripts/demo/call-sites.ts';
import { realDatasets } from '../../scripts/demo/datasets.ts';
import { readStored } from '../../scripts/demo/reference.ts';
import { Caller, type Effect, type Entry, type FailedWrite } from '../../scripts/demo/workload.ts';
import { type RunningPostgres, startPostgres } from '../../scripts/embedded-postgres.ts';
import { haproxyProgram, type RunningHaproxy, startHaproxy } from '../kit/haproxy.ts';
import { notRun } from '../kit/not-run.ts';
import { primarySettings, type RunningReplica, startReplica } from '../kit/postgres-replica.ts';

// The workload of `npm start` on PostgreSQL, whose server fails over to a replica while it runs.

const title = (stage: string): string =>
  `at ${stage}: what was acknowledged is there once, and who failed was told whether it was applied`;
/** Those that are loaded soonest. */
const datasets = realDatasets
  .map((dataset) => ({ dataset, count: dataset.rows().length }))
  .sort((a, b) => a.count - b.count)
  .slice(0, 4);
/** Of each caller, before and after the failover. */
const callsEach = 60;

function throughHaproxy(): void {
  let basePath: string;
  let primary: RunningPostgres;
  let replica: RunningReplica;
  let proxy: RunningHaproxy;

  beforeEach(async () => {
    basePath = mkdtempSync(join(tmpdir(), 'changeover-failover-'));
    primary = await startPostgres({ ...primarySettings, synchronous_commit: 'on' });
    replica = await startReplica(primary);
    proxy = await startHaproxy([primary.url, replica.url]);
  });

  afterEach(async () => {
    await StorageBackend.shutdown();
    await proxy.stop();
    await replica.stop();
    await primary.stop();
    rmSync(basePath, { recursive: true, force: true });
  });

  test.each(stages)(
    title('%s'),
    async (stage: Stage) => {
      StorageBackend.configure({
        basePath,
        databaseUrl: proxy.url,
        storePath: ':memory:',
        logger: silentLogger,
        // What it does of its own accord is another test's.
        guardrail: { mode: 'report' },
        stages: createStaticStageSource({ postgresql: stage }),
      });
      const callers: Caller[] = [];
      for (const [at, { dataset }] of datasets.entries()) {
        await loadInBatches('postgresql', dataset.name, dataset.table, dataset.rows());
        callers.push(new Caller('postgresql', dataset, datasets[at]?.count ?? 0, at));
      }
      for (const caller of callers) await caller.begin();
      await awaitReplica(primary.url);

      const ended = new AbortController();
      const work = Promise.all(callers.map((caller) => callUntil(caller, ended.signal)));
      await reached(callers, callsEach);
      primary.crash();
      await replica.promote();
      const done = callers.map(({ calls }) => calls);
      await reached(callers, (at) => (done[at] ?? 0) + callsEach);
      ended.abort();
      await work;
      await StorageBackend.bridge().idle();

      const silent = callers
        .flatMap(({ failedWrites }) => failedWrites)
        .filter(({ error }) => toldOf(error, stage) === 'silent');
      expect(silent.map(({ error }) => inspect(error))).toEqual([]);
      for (const caller of callers)
        expect(await wrongEntries(caller, stage, replica.url)).toEqual([]);
    },
    180_000,
  );
}

type Row = Readonly<Record<string, unknown>>;

/** From now on a write is acknowledged when the replica has it: without that a failover loses by design. */
async function awaitReplica(url: string): Promise<void> {
  const admin = new pg.Client(url);
  await admin.connect();
  admin.on('error', () => undefined);
  await admin.query(`ALTER SYSTEM SET synchronous_standby_names = '*'`);
  await admin.query('SELECT pg_reload_conf()');
  await admin.end();
}

async function callUntil(caller: Caller, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    await caller.step();
    await nextTurn();
  }
}

/** Until each caller has made so many calls, whose answers it got. */
async function reached(
  callers: readonly Caller[],
  calls: number | ((at: number) => number),
): Promise<void> {
  while (
    callers.some((caller, at) => caller.calls < (typeof calls === 'number' ? calls : calls(at)))
  )
    await wait(20);
}

/** What an error says of its write. The singleton knows no more of one that it was running than that its connection is lost. */
function toldOf(error: unknown, stage: Stage): 'not applied' | 'unknown' | 'silent' {
  if (error instanceof ChangedMind) return 'not applied';
  if (!(error instanceof StorageError)) return 'silent';
  if (error.retryable) return 'not applied';
  if (error.name === 'CommitUnknownError') return 'unknown';
  const singletonAnswers = stage === 'legacy' || stage === 'shadow';
  return singletonAnswers && error.name === 'ConnectionError' ? 'unknown' : 'silent';
}

/** Entries that are otherwise than the caller was told. */
async function wrongEntries(
  { dataset, entries, failedWrites }: Caller,
  stage: Stage,
  databaseUrl: string,
): Promise<string[]> {
  const rows = await readStored(
    'postgresql',
    { basePath: '', databaseUrl },
    dataset.name,
    'activity',
  );
  const found = new Map<number, Row[]>();
  for (const row of rows) {
    const id = Number(row['id']);
    found.set(id, [...(found.get(id) ?? []), row]);
  }
  const unknown = failedWrites.filter(({ error }) => toldOf(error, stage) === 'unknown');
  const wrong: string[] = [];
  for (const [id, entry] of entries) {
    const at = found.get(id) ?? [];
    if (at.length !== 1) wrong.push(`entry ${String(id)} is there ${String(at.length)} times`);
    else if (!possibleAmounts(entry, unknown).has(Number(at[0]?.['amount'])))
      wrong.push(
        `entry ${String(id)} has ${String(at[0]?.['amount'])}, not ${String(entry.amount)}`,
      );
  }
  for (const { effect } of unknown) wrong.push(...halfDone(effect, found));
  const mayBe = new Set(unknown.flatMap(({ effect }) => effect.added.map(({ id }) => id)));
  for (const id of found.keys())
    if (!entries.has(id) && !mayBe.has(id)) wrong.push(`entry ${String(id)} was not applied`);
  return wrong;
}

/** Its amount with and without each change of which nobody knows. */
function possibleAmounts({ id, amount }: Entry, unknown: readonly FailedWrite[]): Set<number> {
  let amounts = new Set([amount]);
  for (const { effect } of unknown) {
    const by = effect.changed.get(id) ?? 0;
    amounts = new Set([...amounts].flatMap((one) => [one, one + by]));
  }
  return amounts;
}

/** A write of which nobody knows is there as a whole, once, or not at all. */
function halfDone({ added }: Effect, found: ReadonlyMap<number, readonly Row[]>): string[] {
  const times = new Set(added.map(({ id }) => found.get(id)?.length ?? 0));
  return times.size <= 1 && !times.has(2)
    ? []
    : [`of ${String(added.length)} entries some are there`];
}

if (haproxyProgram() === undefined) notRun('haproxy', stages.map(title));
else throughHaproxy();
