import { describe, expect, test } from '@jest/globals';
import { AbortedError, StatementError } from '@changeover/engines/api';
import { settle } from '../../../../test/kit/manual-clock.ts';
import type { Job } from '../job.ts';
import { CallEnd } from './call-end.ts';
import { LeaseWork } from './lease-work.ts';
import {
  fieldsOf,
  ScriptedPool,
  type ScriptedSession,
  unlimited,
} from './test-kit/scripted-dataset.ts';

const query: Job = { kind: 'operation', operation: 'query', args: ['SELECT 1'] };
const rehearsal: Job = { kind: 'rehearse', args: ['DELETE'], maxRows: 1, lockTimeoutMs: 1 };

async function leased() {
  const scripted = new ScriptedPool();
  const { clock, pool } = scripted;
  const lease = await pool.acquire({});
  const session = scripted.sessions[0] as ScriptedSession;
  const work = new LeaseWork({ engine: 'postgresql', clock, fields: fieldsOf });
  return { clock, pool, lease, session, work };
}

/** A statement that runs until it is told to end. */
function running(session: ScriptedSession) {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  session.answer = () => promise;
  return { resolve, reject };
}

describe('work on a lease', () => {
  test('keeps the lease where it succeeds, and ends it where it fails if that is asked', async () => {
    const { lease, session, work } = await leased();
    expect(await work.run(lease, query, { limit: unlimited, releaseOnFailure: true })).toBe(
      'query',
    );
    expect(lease.held).toBe(true);
    session.answer = () => Promise.reject(new StatementError('syntax'));
    await expect(
      work.run(lease, query, { limit: unlimited, releaseOnFailure: false }),
    ).rejects.toThrow('syntax');
    expect(lease.held).toBe(true);
    await expect(
      work.run(lease, query, { limit: unlimited, releaseOnFailure: true }),
    ).rejects.toThrow('syntax');
    expect(lease.held).toBe(false);
  });

  test('does not begin once its limit is reached, nor keep a lease for what can not be sent', async () => {
    const { lease, session, work } = await leased();
    const limit = { signal: AbortSignal.abort(), atMs: Infinity };
    expect(() => work.run(lease, query, { limit, releaseOnFailure: true })).toThrow(AbortedError);
    expect([session.ran, lease.held]).toEqual([[], false]);
  });

  test('answers its caller at the deadline, cancels, and gives the connection back when that is heard', async () => {
    const { clock, lease, pool, session, work } = await leased();
    const statement = running(session);
    const limit = { signal: undefined, atMs: clock.monotonicMs() + 50 };
    const answer = work.run(lease, query, { limit, releaseOnFailure: true });
    const refused = expect(answer).rejects.toMatchObject({ retryable: true, operation: 'query' });
    await clock.advance(50);
    await refused;
    expect([session.cancels, lease.held, pool.stats().inUse]).toEqual([1, true, 1]);
    statement.reject(new Error('cancelled'));
    await settle();
    expect([lease.held, session.cuts, pool.stats().idle]).toEqual([false, 0, 1]);
  });

  test('cuts a connection that does not hear the cancel within a second', async () => {
    const { clock, lease, session, work } = await leased();
    running(session);
    const caller = new AbortController();
    const limit = { signal: caller.signal, atMs: Infinity };
    const refused = expect(
      work.run(lease, query, { limit, releaseOnFailure: true }),
    ).rejects.toThrow(AbortedError);
    caller.abort();
    await refused;
    await clock.advance(999);
    expect(session.cuts).toBe(0);
    await clock.advance(1);
    expect([session.cuts, lease.held]).toEqual([1, false]);
  });

  test('tells who wants to end it whether its connection allows that, as long as it runs', async () => {
    const { lease, session, work } = await leased();
    const statement = running(session);
    session.mayEnd = () => false;
    const end = new CallEnd();
    end.taken = true;
    const limit = { signal: end.signal, atMs: Infinity, end };
    const answer = work.run(lease, query, { limit, releaseOnFailure: true });
    expect(end.end(new Error('moved back'))).toBe(false);
    statement.resolve('rows');
    expect(await answer).toBe('rows');
    expect(end.mayEnd).toBe(undefined);
  });

  test('answers a rehearsal when it has ended and not before, cancelled or not', async () => {
    const { clock, lease, session, work } = await leased();
    const statement = running(session);
    const caller = new AbortController();
    let settled = false;
    const answer = work
      .rehearse(lease, rehearsal, { signal: caller.signal, atMs: Infinity })
      .finally(() => {
        settled = true;
      });
    const refused = expect(answer).rejects.toThrow('cancelled');
    caller.abort();
    await clock.advance(999);
    expect([session.cancels, settled]).toEqual([1, false]);
    statement.reject(new Error('cancelled'));
    await refused;
    expect([lease.held, clock.pending, session.cuts]).toEqual([false, expect.any(Number), 0]);
    await clock.advance(10);
    expect(session.cuts).toBe(0);
  });
});
