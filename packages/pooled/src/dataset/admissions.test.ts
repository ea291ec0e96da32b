import { describe, expect, test } from '@jest/globals';
import { ConnectionError, StatementError } from '@changeover/engines/api';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import { PoolBreaker } from '../pool/pool-breaker.ts';
import { CircuitOpenError } from '../pool/pool-errors.ts';
import { Admissions } from './admissions.ts';
import { ScriptedPool, ScriptedSession } from './test-kit/scripted-dataset.ts';

function admissionsOver(clock = new ManualClock()) {
  const breaker = new PoolBreaker(clock, { minimumCalls: 2 });
  const { pool } = new ScriptedPool(clock);
  const admissions = new Admissions({
    engine: 'postgresql',
    breaker,
    stats: () => pool.stats(),
  });
  return { clock, breaker, admissions };
}

describe('admissions', () => {
  test('refuse calls while the breaker is open, and say why it is', () => {
    const { admissions } = admissionsOver();
    const lack = new ConnectionError('no server');
    for (let call = 0; call < 2; call += 1)
      admissions.failed(admissions.admit({}), lack, undefined);
    let refusal: unknown;
    try {
      admissions.admit({ dataset: 'orders', operation: 'query' });
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(CircuitOpenError);
    expect(refusal).toMatchObject({ cause: lack, dataset: 'orders', operation: 'query' });
  });

  test('count the loss of one connection once, however many calls shared it', () => {
    const { admissions, breaker } = admissionsOver();
    const session = new ScriptedSession();
    const lost = new ConnectionError('lost');
    const calls = Array.from({ length: 5 }, () => admissions.admit({}));
    expect(calls.map((call) => admissions.failed(call, lost, session))).toEqual([
      false,
      true,
      true,
      true,
      true,
    ]);
    expect(breaker.state).toBe('closed');
  });

  test('count a statement that the engine refused as a working connection', async () => {
    const { admissions, breaker, clock } = admissionsOver();
    const lack = new ConnectionError('no server');
    for (let call = 0; call < 2; call += 1)
      admissions.failed(admissions.admit({}), lack, undefined);
    await clock.advance(250);
    admissions.failed(admissions.admit({}), new StatementError('syntax'), new ScriptedSession());
    expect(breaker.state).toBe('closed');
  });

  test('count what says nothing of connections neither way', async () => {
    const { admissions, breaker, clock } = admissionsOver();
    const lack = new ConnectionError('no server');
    for (let call = 0; call < 2; call += 1)
      admissions.failed(admissions.admit({}), lack, undefined);
    await clock.advance(250);
    admissions.failed(admissions.admit({}), new TypeError('a bug'), undefined);
    expect(breaker.state).toBe('half-open');
    admissions.succeeded(admissions.admit({}));
    expect(breaker.state).toBe('closed');
  });
});
