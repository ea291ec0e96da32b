import { describe, expect, test } from '@jest/globals';
import { ConnectionError } from '@changeover/engines/api';
import {
  datasetOver,
  ScriptedPool,
  type ScriptedSession,
  unlimited,
} from './test-kit/scripted-dataset.ts';

async function begun() {
  const scripted = new ScriptedPool();
  const { pool } = scripted;
  const { transactions } = datasetOver(scripted);
  const lease = await transactions.begin(unlimited);
  return { transactions, lease, pool, session: scripted.sessions[0] as ScriptedSession, scripted };
}

describe('a transaction', () => {
  test('has one connection from BEGIN to COMMIT, and gives it back then', async () => {
    const { transactions, lease, pool, session } = await begun();
    await transactions.call(
      lease,
      { kind: 'operation', operation: 'execute', args: ['DELETE FROM t'] },
      unlimited,
    );
    expect(lease.held).toBe(true);
    await transactions.end(lease, 'commit', unlimited);
    expect(session.ran).toEqual(['begin', 'execute', 'commit']);
    expect([lease.held, pool.stats().idle]).toEqual([false, 1]);
  });

  test('that can not begin is begun again on another connection', async () => {
    const { transactions, scripted, session } = await begun();
    session.connected = false;
    const lease = await transactions.begin(unlimited);
    expect(lease.resource).toBe(scripted.sessions[1]);
  });

  test('rejects where its commit was refused, and gives its connection back all the same', async () => {
    const { transactions, lease, pool, session } = await begun();
    const refused = new Error('deferred constraint');
    session.answer = () => Promise.reject(refused);
    await expect(transactions.end(lease, 'commit', unlimited)).rejects.toBe(refused);
    expect([lease.held, pool.stats().inUse]).toEqual([false, 0]);
  });

  test('has been committed where the server says so after the connection was lost', async () => {
    const { transactions, lease, session, scripted } = await begun();
    session.answer = () => {
      session.transactionState = 'committing';
      session.connected = false;
      return Promise.reject(new ConnectionError('lost'));
    };
    session.commitOutcome = () => ({
      kind: 'commitOutcome',
      transaction: { id: '7', server: '1' },
    });
    const ended = transactions.end(lease, 'commit', unlimited);
    const other = await scripted.pool.acquire({});
    for (const each of scripted.sessions) each.answer = async () => 'committed';
    other.release();
    await ended;
    expect(scripted.sessions[1]?.ran).toEqual(['commitOutcome']);
  });

  test('never rejects where it is rolled back', async () => {
    const { transactions, lease, session } = await begun();
    session.answer = () => Promise.reject(new ConnectionError('lost'));
    await transactions.end(lease, 'rollback', unlimited);
    expect(lease.held).toBe(false);
  });

  test('that is ended in the middle is rolled back, or its connection is ended', async () => {
    const { transactions, lease, session } = await begun();
    await transactions.cut(lease);
    expect([session.ran.at(-1), session.ended, lease.held]).toEqual(['rollback', 0, false]);
    const other = await begun();
    other.session.transactionState = 'open';
    await other.transactions.cut(other.lease);
    expect([other.session.ended, other.lease.held]).toEqual([1, false]);
  });
});
