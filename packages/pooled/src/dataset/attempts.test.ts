import { describe, expect, test } from '@jest/globals';
import type { TransactionState } from '@changeover/engines';
import { ConnectionError, type Engine, StatementError } from '@changeover/engines/api';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import { KeepAlive } from '../keep-alive.ts';
import { PoolBreaker } from '../pool/pool-breaker.ts';
import { AcquireTimeoutError, CommitUnknownError } from '../pool/pool-errors.ts';
import { Admissions } from './admissions.ts';
import { Attempts, type AttemptedCall } from './attempts.ts';
import { OpenCalls } from './open-calls.ts';
import { RetryBudget } from './retry-policy.ts';
import { fieldsOf, ScriptedPool, ScriptedSession, unlimited } from './test-kit/scripted-dataset.ts';

const busy = new StatementError('locked', { cause: { code: '55P03', message: 'lock timeout' } });
const lost = new ConnectionError('lost');

class Tried {
  readonly clock = new ManualClock();
  readonly retries: string[] = [];
  state: TransactionState = 'none';
  retired = 0;
  kept = false;
  resolved: () => Promise<void> = async () => undefined;
  times = 0;
  readonly budget: RetryBudget;
  readonly #attempts: Attempts;

  constructor(engine: Engine = 'postgresql', budget: RetryBudget = new RetryBudget()) {
    const { clock } = this;
    const { pool } = new ScriptedPool(clock);
    this.budget = budget;
    this.#attempts = new Attempts({
      engine,
      admissions: new Admissions({
        engine,
        breaker: new PoolBreaker(clock),
        stats: () => pool.stats(),
      }),
      calls: new OpenCalls({ clock, keepAlive: new KeepAlive(), onNone: () => undefined }),
      clock,
      random: () => 0.5,
      retryBudget: budget,
      lockWaitMs: 1_000,
      fields: fieldsOf,
      hasKept: () => this.kept,
      retireAll: () => {
        this.retired += 1;
      },
      resolveCommit: () => this.resolved(),
      onRetry: (action) => {
        this.retries.push(action);
      },
    });
  }

  /** A call that fails with each of these in turn and then answers `done`. */
  async run(failures: unknown[], options: Partial<AttemptedCall<unknown>> = {}): Promise<unknown> {
    const answer = this.#attempts
      .run<unknown>({
        kind: 'read',
        limit: unlimited,
        operation: 'query',
        run: async (attempt) => {
          this.times += 1;
          const session = new ScriptedSession();
          session.transactionState = this.state;
          attempt.session = session;
          const failure = failures.shift();
          if (failure !== undefined) throw failure;
          return 'done';
        },
        ...options,
      })
      .catch((error: unknown) => error);
    await this.clock.advance(5_000);
    return await answer;
  }
}

describe('a call that is tried', () => {
  test('is tried again after a lost connection, four times in all, and then fails as one that may be repeated', async () => {
    const tried = new Tried();
    expect(await tried.run([lost, lost, lost])).toBe('done');
    expect(tried.retries).toEqual(['retry', 'retry', 'retry']);
    const other = new Tried();
    const error = await other.run([lost, lost, lost, lost, lost]);
    expect(other.times).toBe(4);
    expect(error).toMatchObject({ message: 'lost', retryable: true });
  });

  test('retires the other connections after a loss, on an engine whose connections are lost together', async () => {
    const tried = new Tried();
    await tried.run([lost]);
    expect(tried.retired).toBe(1);
    const file = new Tried('sqlite');
    await file.run([lost]);
    expect(file.retired).toBe(0);
  });

  test('is not tried again on another connection where the lost one had something that is kept', async () => {
    const tried = new Tried();
    tried.kept = true;
    // Nothing of it was applied, which its caller is told.
    expect(await tried.run([lost])).toMatchObject({ name: 'ConnectionError', retryable: true });
    expect(tried.times).toBe(1);
  });

  test('is not tried again where no connection was had', async () => {
    const tried = new Tried();
    const { pool } = new ScriptedPool(tried.clock);
    const timeout = new AcquireTimeoutError(5_000, pool.stats());
    const error = await tried.run([], { run: () => Promise.reject(timeout) });
    expect(error).toBe(timeout);
    expect(tried.retries).toEqual([]);
  });

  test('is not tried again when the retry budget is spent', async () => {
    const tried = new Tried('postgresql', new RetryBudget(1, 0));
    await tried.run([lost, lost]);
    expect(tried.times).toBe(2);
  });

  test('waits for a lock, past four attempts, until the longest wait', async () => {
    const tried = new Tried();
    expect(await tried.run([busy, busy, busy, busy, busy, busy])).toBe('done');
    const other = new Tried();
    expect(await other.run(Array.from({ length: 10_000 }, () => busy))).toBe(busy);
    expect(other.times).toBeGreaterThan(20);
  });

  test('waits for a lock no longer than its own deadline', async () => {
    const tried = new Tried();
    const limit = { signal: undefined, atMs: tried.clock.monotonicMs() + 100 };
    const error = await tried.run(
      Array.from({ length: 10_000 }, () => busy),
      { limit },
    );
    expect(error).not.toBe('done');
    expect(tried.times).toBeLessThan(20);
  });

  test('is answered by what became of its commit, where that was lost', async () => {
    const tried = new Tried();
    tried.state = 'committing';
    expect(await tried.run([lost], { kind: 'write' })).toBe(undefined);
    const other = new Tried();
    other.state = 'committing';
    const unknown = new CommitUnknownError({});
    other.resolved = () => Promise.reject(unknown);
    expect(await other.run([lost], { kind: 'write' })).toBe(unknown);
    expect(other.times).toBe(1);
  });

  test('is unknown where a write that commits by itself was sent and its connection lost', async () => {
    const tried = new Tried();
    const error = await tried.run([lost], { kind: 'write' });
    expect(error).toBeInstanceOf(CommitUnknownError);
    expect(error).toMatchObject({ cause: lost });
  });

  test('fails at once with what the engine says of its statement', async () => {
    const tried = new Tried();
    const refused = new StatementError('syntax');
    expect(await tried.run([refused])).toBe(refused);
    expect(tried.times).toBe(1);
  });
});
