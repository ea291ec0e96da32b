import { describe, expect, test } from '@jest/globals';
import { type KnownReliance, sessionFactsByWords, type SessionMode } from '@changeover/engines';
import { SessionStateError } from '@changeover/engines/api';
import type { OperationJob } from '../job.ts';
import { SessionState } from './session-state.ts';
import { fieldsOf, ScriptedPool, unlimited } from './test-kit/scripted-dataset.ts';

function statement(sql: string): OperationJob {
  return { kind: 'operation', operation: 'query', args: [sql] };
}

const sets = statement('SET search_path TO tenant');
const asksLastWrite = statement('SELECT lastval()');
const plain = statement('SELECT 1');

interface Given {
  readonly mode?: SessionMode;
  readonly known?: KnownReliance;
  readonly ownWriters?: boolean;
  readonly isSingle?: boolean;
}

function stateOf({
  mode = 'pin',
  known = 'none',
  ownWriters = false,
  isSingle = false,
}: Given = {}) {
  const readers = new ScriptedPool();
  const writers = ownWriters ? new ScriptedPool(readers.clock) : readers;
  const pools = { readers: readers.pool, writers: writers.pool };
  const state = new SessionState(
    {
      facts: sessionFactsByWords('postgresql'),
      mode: () => mode,
      known: () => known,
      isSingle,
      pin: (last) => writers.pin(last),
    },
    pools,
    fieldsOf,
  );
  return { state, pools, writers };
}

describe('the session state of a dataset', () => {
  test('leaves any connection to statements that leave nothing', () => {
    const { state, pools } = stateOf({ ownWriters: true });
    expect(state.entered(plain)).toBe(plain);
    expect(state.poolFor(false)).toBe(pools.readers);
    expect(state.poolFor(true)).toBe(pools.writers);
    expect(state.takesAll).toBe(false);
  });

  test('takes every call to one connection from the first statement that leaves something on it', () => {
    const { state, pools } = stateOf();
    expect(state.entered(sets)).toMatchObject({ session: 'keeps' });
    expect(state.takesAll).toBe(true);
    expect(state.poolFor(false)).not.toBe(pools.readers);
    expect(state.poolFor(true)).toBe(state.poolFor(false));
  });

  test('takes writes, and who asks what the last one left, to one connection where there is no writer', () => {
    const { state, pools } = stateOf();
    expect(state.entered(asksLastWrite)).toMatchObject({ session: 'last write' });
    expect(state.poolFor(false)).toBe(pools.readers);
    expect(state.poolFor(true)).not.toBe(pools.writers);
    const other = stateOf({ ownWriters: true });
    other.state.entered(asksLastWrite);
    expect(other.state.poolFor(true)).toBe(other.pools.writers);
  });

  test('takes every call to the one connection that there is, where the last write is asked for', () => {
    for (const ownWriters of [false, true]) {
      const { state } = stateOf({ ownWriters, isSingle: true });
      state.entered(asksLastWrite);
      expect(state.takesAll).toBe(true);
      expect(stateOf({ ownWriters, isSingle: true, known: 'writes' }).state.takesAll).toBe(true);
    }
  });

  test('refuses what would leave something where that is asked, and names where', () => {
    const { state } = stateOf({ mode: 'refuse' });
    expect(() => state.entered(sets)).toThrow(SessionStateError);
    expect(() => state.entered(sets)).toThrow(expect.objectContaining(fieldsOf('query')));
    expect(state.entered(plain)).toBe(plain);
    expect(state.takesAll).toBe(false);
  });

  test('keeps nothing for comparisons, whose connections are cleaned', () => {
    const { state } = stateOf({ mode: 'none' });
    expect(state.entered(sets)).toMatchObject({ session: 'keeps' });
    expect(state.takesAll).toBe(false);
  });

  test('is kept from the first call on where the dataset was seen to rely on it', () => {
    expect(stateOf({ known: 'all' }).state.takesAll).toBe(true);
    expect(stateOf({ known: 'all', mode: 'refuse' }).state.takesAll).toBe(false);
    const { state, pools } = stateOf({ known: 'writes' });
    expect(state.takesAll).toBe(false);
    expect(state.poolFor(true)).not.toBe(pools.writers);
  });

  test('is on the connection of the transaction that left something, from its end on', async () => {
    const { state, writers } = stateOf();
    const other = await writers.pool.acquire({});
    const lease = await state.lendWriter(unlimited, 'transaction');
    const session = lease.resource;
    state.keepFor(lease, state.marked(plain));
    expect(state.takesAll).toBe(false);
    state.keepFor(lease, state.marked(sets));
    expect([state.takesAll, state.hasKept(session)]).toEqual([true, true]);
    state.transactionEnded(lease);
    // The one that any caller would be lent now.
    other.release();
    const next = await state.poolFor(false).acquire({});
    expect(next.resource).toBe(session);
  });

  test('gives the connection of any other transaction back', async () => {
    const { state, writers } = stateOf();
    const lease = await state.lendWriter(unlimited, 'transaction');
    state.transactionEnded(lease);
    expect([lease.held, writers.pool.stats().idle]).toEqual([false, 1]);
  });

  test('lends who asks for it the connection last written on', async () => {
    const { state, writers } = stateOf();
    const leases = [await writers.pool.acquire({}), await writers.pool.acquire({})];
    const written = leases[0]?.resource;
    if (written !== undefined) state.wroteOn(written);
    for (const lease of leases) lease.release();
    state.entered(asksLastWrite);
    const next = await state.poolFor(true).acquire({});
    expect(next.resource).toBe(written);
  });
});
