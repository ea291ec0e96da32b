import { describe, expect, test } from '@jest/globals';
import { StatementError } from '@changeover/engines/api';
import { ManualClock, settle } from '../../../../test/kit/manual-clock.ts';
import type { Job } from '../job.ts';
import type { PooledSession } from '../pooled-session.ts';
import type { Attempt } from './attempts.ts';
import { JobRuns } from './job-runs.ts';
import { LeaseWork } from './lease-work.ts';
import {
  fieldsOf,
  ScriptedPool,
  type ScriptedSession,
  unlimited,
} from './test-kit/scripted-dataset.ts';

const query: Job = { kind: 'operation', operation: 'query', args: ['SELECT 1'] };
const execute: Job = { kind: 'operation', operation: 'execute', args: ['DELETE FROM t'] };
const sharing = { atOnce: 8, inAll: 100, freelyMs: 5, mostMs: 10, stallMs: 50 };

function runsOver({ expectedMs }: { readonly expectedMs?: number } = {}) {
  const clock = new ManualClock();
  const scripted = new ScriptedPool(clock, sharing);
  const written: PooledSession[] = [];
  const runs = new JobRuns({
    engine: 'postgresql',
    work: new LeaseWork({ engine: 'postgresql', clock, fields: fieldsOf }),
    readers: scripted.pool,
    costOf: () => ({ expectedMs, note: () => undefined }),
    sharesWrites: false,
    clock,
    fields: fieldsOf,
    onWrite: (session) => {
      written.push(session);
    },
  });
  const run = (job: Job): { readonly answer: Promise<unknown>; readonly attempt: Attempt } => {
    const attempt: Attempt = { session: undefined };
    return { answer: runs.run({ pool: scripted.pool, job, limit: unlimited, attempt }), attempt };
  };
  return { scripted, run, written };
}

describe('a job', () => {
  test('gives its connection back, whether it succeeds or fails', async () => {
    const { run, scripted } = runsOver();
    const { answer, attempt } = run(query);
    expect(await answer).toBe('query');
    expect(attempt.session).toBe(scripted.sessions[0]);
    (scripted.sessions[0] as ScriptedSession).answer = () => Promise.reject(new Error('refused'));
    await expect(run(query).answer).rejects.toThrow('refused');
    expect(scripted.pool.stats()).toMatchObject({ idle: 1, inUse: 0 });
  });

  test('that writes says on which connection before it runs', async () => {
    const { run, scripted, written } = runsOver();
    await run(query).answer;
    expect(written).toEqual([]);
    await run(execute).answer;
    expect(written).toEqual([scripted.sessions[0]]);
  });

  test('that is known to be a short read shares a connection with others', async () => {
    const { run, scripted } = runsOver({ expectedMs: 1 });
    await run(query).answer;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    (scripted.sessions[0] as ScriptedSession).answer = () => promise;
    const together = [run(query), run(query)];
    await settle();
    expect(together.map(({ attempt }) => attempt.session)).toEqual([
      scripted.sessions[0],
      scripted.sessions[0],
    ]);
    resolve('rows');
    expect(await Promise.all(together.map(({ answer }) => answer))).toEqual(['rows', 'rows']);
    expect(scripted.pool.stats()).toMatchObject({ idle: 1, inUse: 0 });
  });

  test('that fails among others is asked again alone; what it says then holds', async () => {
    const { run, scripted } = runsOver({ expectedMs: 1 });
    await run(query).answer;
    const first = scripted.sessions[0] as ScriptedSession;
    const { promise, reject } = Promise.withResolvers<unknown>();
    first.answer = () => promise;
    const together = [run(query), run(query)];
    await settle();
    first.answer = async () => 'alone';
    reject(new StatementError('a setting that another changed'));
    expect(await Promise.all(together.map(({ answer }) => answer))).toEqual(
      expect.arrayContaining(['alone']),
    );
    await settle();
    expect(scripted.pool.stats()).toMatchObject({ inUse: 0 });
  });

  test('that fails on a connection it had to itself is not asked again', async () => {
    const { run, scripted } = runsOver({ expectedMs: 1 });
    await run(query).answer;
    const session = scripted.sessions[0] as ScriptedSession;
    session.answer = () => Promise.reject(new StatementError('syntax'));
    await expect(run(query).answer).rejects.toThrow('syntax');
    expect(session.ran).toHaveLength(2);
  });
});
