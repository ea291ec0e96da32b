import { afterEach, describe, expect, test } from '@jest/globals';
import { ManualClock, settle } from '../../../../test/kit/manual-clock.ts';
import { Budget } from '../budget.ts';
import type { Lease } from './lease.ts';
import type { LeakReport, PoolObserver } from './pool-observer.ts';
import { silentPoolObserver } from './pool-observer.ts';
import type { PoolOptions } from './pool-options.ts';
import { parsePoolOptions } from './pool-options.ts';
import { Pool } from './pool.ts';
import type { ResourceSource } from './resource-source.ts';

interface Connection {
  readonly id: number;
  usable: boolean;
  valid: boolean;
  closed: boolean;
}

/** A source whose connections open and close when the test says so, or at once. */
class ScriptedSource implements ResourceSource<Connection> {
  readonly opened: Connection[] = [];
  /** Connections that exist in the engine's eyes: opening has begun and closing has not ended. */
  existing = 0;
  mostExisting = 0;
  openings: { resolve: () => void; reject: (error: Error) => void }[] = [];
  closings: (() => void)[] = [];
  holdOpenings = false;
  holdClosings = false;
  hearsAbort = true;
  hangValidation = false;
  validations = 0;
  failOpeningsWith: Error | undefined;
  rank: ((connection: Connection) => number) | undefined;
  cuts = 0;

  async open(signal: AbortSignal): Promise<Connection> {
    this.#count(1);
    try {
      if (this.failOpeningsWith !== undefined) throw this.failOpeningsWith;
      if (this.holdOpenings) {
        await new Promise<void>((resolve, reject) => {
          this.openings.push({ resolve, reject });
          if (this.hearsAbort)
            signal.addEventListener('abort', () => {
              reject(signal.reason as Error);
            });
        });
      }
    } catch (error) {
      this.#count(-1);
      throw error;
    }
    const connection = { id: this.opened.length, usable: true, valid: true, closed: false };
    this.opened.push(connection);
    return connection;
  }

  async close(connection: Connection): Promise<void> {
    if (this.holdClosings)
      await new Promise<void>((resolve) => {
        this.closings.push(resolve);
      });
    this.#end(connection);
  }

  cut(connection: Connection): void {
    this.cuts += 1;
    this.#end(connection);
  }

  usable(connection: Connection): boolean {
    return connection.usable;
  }

  async validate(connection: Connection): Promise<boolean> {
    this.validations += 1;
    if (this.hangValidation) await new Promise<never>(() => undefined);
    return connection.valid;
  }

  mayPass(error: unknown): boolean {
    return (error as Error).message !== 'no such dataset';
  }

  #end(connection: Connection): void {
    if (connection.closed) return;
    connection.closed = true;
    this.#count(-1);
  }

  #count(change: number): void {
    this.existing += change;
    this.mostExisting = Math.max(this.mostExisting, this.existing);
  }
}

class RecordingObserver implements PoolObserver {
  readonly events: string[] = [];
  readonly leaks: LeakReport[] = [];
  opened(): void {
    this.events.push('opened');
  }
  openFailed(): void {
    this.events.push('open failed');
  }
  waited(): void {}
  used(): void {
    this.events.push('used');
  }
  evicted(reason: string): void {
    this.events.push(`evicted: ${reason}`);
  }
  timedOut(): void {
    this.events.push('timed out');
  }
  rejected(): void {
    this.events.push('rejected');
  }
  leaked(report: LeakReport): void {
    this.leaks.push(report);
  }
  reclaimed(): void {
    this.events.push('reclaimed');
  }
}

const unhandled: unknown[] = [];
process.on('unhandledRejection', (error) => {
  unhandled.push(error);
});
afterEach(() => {
  expect(unhandled).toEqual([]);
});

interface PoolSetting {
  rank?: (connection: Connection) => number;
  total?: number;
  budget?: Budget;
  clock?: ManualClock;
  turns?: number;
}

function setUp(options: PoolOptions = {}, parts: PoolSetting = {}) {
  const clock = parts.clock ?? new ManualClock();
  const source = new ScriptedSource();
  source.rank = parts.rank;
  const observer = new RecordingObserver();
  let emptied = 0;
  const pool = new Pool<Connection>({
    name: 'titanic',
    options: parsePoolOptions(options, {}, 'pool'),
    source,
    budget: parts.budget ?? new Budget(parts.total ?? 1_000, clock),
    clock,
    random: () => 0.5,
    observer,
    fields: { engine: 'sqlite', dataset: 'titanic' },
    turns: parts.turns,
    onEmpty: () => {
      emptied += 1;
    },
  });
  return { clock, source, observer, pool, emptied: () => emptied };
}

/** A promise's outcome as far as it is known, without waiting for it. */
function watch<Value>(promise: Promise<Value>): {
  outcome: 'pending' | 'resolved' | 'rejected';
  value?: Value;
  error?: unknown;
} {
  const watched: ReturnType<typeof watch<Value>> = { outcome: 'pending' };
  promise.then(
    (value) => {
      Object.assign(watched, { outcome: 'resolved', value });
    },
    (error: unknown) => {
      Object.assign(watched, { outcome: 'rejected', error });
    },
  );
  return watched;
}

describe('lending', () => {
  test('opens as many as are needed at once, up to max, and lends the one used last', async () => {
    const { pool, source } = setUp({ max: 2 });
    const [first, second] = await Promise.all([pool.acquire(), pool.acquire()]);
    const third = watch(pool.acquire());
    await settle();
    expect(third.outcome).toBe('pending');
    expect(source.opened).toHaveLength(2);
    const used = second.resource;
    second.release();
    await settle();
    expect(third.value?.resource).toBe(used);
    first.release();
    third.value?.release();
    expect((await pool.acquire()).resource).toBe(used);
    expect(source.opened).toHaveLength(2);
  });

  test('one that is opened while a release has served its caller is lent to the next', async () => {
    const { pool, source } = setUp({ max: 2 });
    const first = await pool.acquire();
    source.holdOpenings = true;
    const second = watch(pool.acquire());
    await settle();
    first.release();
    await settle();
    expect(second.outcome).toBe('resolved');
    const third = watch(pool.acquire());
    source.openings[0]?.resolve();
    await settle();
    expect(third.outcome).toBe('resolved');
    expect(source.mostExisting).toBe(2);
    expect(pool.stats()).toMatchObject({ inUse: 2, opening: 0, pending: 0 });
  });

  test('serves callers in FIFO order', async () => {
    const { pool } = setUp({ max: 1 });
    const lease = await pool.acquire();
    const order: number[] = [];
    const calls = [1, 2, 3].map(async (caller) => {
      const own = await pool.acquire();
      order.push(caller);
      own.release();
    });
    lease.release();
    await Promise.all(calls);
    expect(order).toEqual([1, 2, 3]);
  });

  test('a second release changes nothing, and a released lease gives no connection', async () => {
    const { pool, observer } = setUp({ max: 1 });
    const lease = await pool.acquire();
    lease.release();
    const other = await pool.acquire();
    lease.release();
    lease.discard();
    expect(observer.events.filter((event) => event === 'used')).toHaveLength(1);
    expect(pool.stats()).toMatchObject({ inUse: 1, idle: 0 });
    expect(() => lease.resource).toThrow(/given back/);
    expect(other.resource.id).toBe(0);
  });
});

describe('turns', () => {
  test('who needs one waits for it while others are lent what is free, and goes first then', async () => {
    const { pool } = setUp({ max: 3 }, { turns: 1 });
    const writer = await pool.acquire({ inTurn: true });
    const second = watch(pool.acquire({ inTurn: true, takenFor: 'second' }));
    const third = watch(pool.acquire({ inTurn: true, takenFor: 'third' }));
    const readers = await Promise.all([pool.acquire(), pool.acquire()]);
    const late = watch(pool.acquire());
    await settle();
    expect([second.outcome, third.outcome, late.outcome]).toEqual([
      'pending',
      'pending',
      'pending',
    ]);
    expect(pool.stats()).toMatchObject({ inUse: 3, pending: 3 });
    writer.release();
    await settle();
    expect([second.outcome, third.outcome, late.outcome]).toEqual([
      'resolved',
      'pending',
      'pending',
    ]);
    readers[0].release();
    await settle();
    expect([third.outcome, late.outcome]).toEqual(['pending', 'resolved']);
    second.value?.release();
    await settle();
    expect(third.outcome).toBe('resolved');
  });

  test.each(['aborts', 'runs out of time', 'finds that nothing can be opened'])(
    'one who %s while it has one hands it on',
    async (how) => {
      const { pool, source, clock } = setUp({ max: 1, acquireTimeoutMs: 5_000 }, { turns: 1 });
      source.holdOpenings = true;
      const controller = new AbortController();
      const first = watch(
        pool.acquire({
          inTurn: true,
          signal: controller.signal,
          deadlineAtMs: clock.monotonicMs() + 100,
        }),
      );
      const second = watch(pool.acquire({ inTurn: true }));
      await settle();
      if (how === 'aborts') controller.abort();
      else if (how === 'runs out of time') await clock.advance(150);
      else source.openings.shift()?.reject(new Error('no such dataset'));
      await settle();
      expect([first.outcome, second.outcome]).toEqual(['rejected', 'pending']);
      source.openings[0]?.resolve();
      await settle();
      expect(second.outcome).toBe('resolved');
      expect(pool.stats()).toMatchObject({ inUse: 1, pending: 0 });
      second.value?.release();
      expect(watch(pool.acquire({ inTurn: true }))).toBeDefined();
      await settle();
      expect(pool.stats()).toMatchObject({ inUse: 1, pending: 0 });
    },
  );

  test('waiting for one ends in time too', async () => {
    const { pool, clock } = setUp({ max: 2, acquireTimeoutMs: 1_000 }, { turns: 1 });
    await pool.acquire({ inTurn: true });
    const second = watch(pool.acquire({ inTurn: true }));
    await clock.advance(1_001);
    expect(second.error).toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
  });

  test('a connection that is cut keeps its turn until it is closed', async () => {
    const { pool, source } = setUp({ max: 2 }, { turns: 1 });
    const writer = await pool.acquire({ inTurn: true });
    source.holdClosings = true;
    const next = watch(pool.acquire({ inTurn: true }));
    writer.discard();
    await settle();
    expect(next.outcome).toBe('pending');
    source.closings[0]?.();
    await settle();
    expect(next.outcome).toBe('resolved');
  });
});

describe('admission', () => {
  test('one more than maxPending is refused at once, with the figures', async () => {
    const { pool } = setUp({ max: 1, maxPending: 1 });
    const lease = await pool.acquire();
    const waiting = pool.acquire();
    await expect(pool.acquire()).rejects.toMatchObject({
      name: 'PoolExhaustedError',
      code: 'POOL_EXHAUSTED',
      retryable: true,
      dataset: 'titanic',
      engine: 'sqlite',
      pool: { inUse: 1, pending: 1, max: 1 },
    });
    lease.release();
    (await waiting).release();
  });

  test('with maxPending 0 a caller still gets a connection that must be opened first', async () => {
    const { pool } = setUp({ max: 2, maxPending: 0 });
    const leases = await Promise.all([pool.acquire(), pool.acquire()]);
    await expect(pool.acquire()).rejects.toMatchObject({ code: 'POOL_EXHAUSTED' });
    for (const lease of leases) lease.release();
  });

  test('the wait ends at acquireTimeoutMs, saying why the last opening failed', async () => {
    const { pool, source, clock } = setUp({
      max: 1,
      acquireTimeoutMs: 300,
      connectTimeoutMs: 300,
      validationTimeoutMs: 300,
    });
    source.failOpeningsWith = new Error('connection refused');
    const call = watch(pool.acquire());
    await clock.advance(299);
    expect(call.outcome).toBe('pending');
    await clock.advance(1);
    expect(call.error).toMatchObject({
      name: 'AcquireTimeoutError',
      retryable: true,
      cause: source.failOpeningsWith,
    });
    expect((call.error as Error).message).toContain('connection refused');
  });

  test('it ends at the deadline of the call where that is earlier, in any order of deadlines', async () => {
    const { pool, clock } = setUp({ max: 1 });
    const lease = await pool.acquire();
    const patient = watch(pool.acquire({ deadlineAtMs: clock.monotonicMs() + 400 }));
    const hasty = watch(pool.acquire({ deadlineAtMs: clock.monotonicMs() + 200 }));
    await clock.advance(200);
    expect([patient.outcome, hasty.outcome]).toEqual(['pending', 'rejected']);
    await clock.advance(200);
    expect(patient.error).toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
    lease.release();
  });

  test('a caller that gives up leaves the line at once and never gets a connection', async () => {
    const { pool } = setUp({ max: 1 });
    const lease = await pool.acquire();
    const controller = new AbortController();
    const call = watch(pool.acquire({ signal: controller.signal }));
    controller.abort(new Error('no longer needed'));
    await settle();
    expect(call.error).toMatchObject({ code: 'ABORTED', cause: { message: 'no longer needed' } });
    lease.release();
    expect(pool.stats()).toMatchObject({ pending: 0, idle: 1, inUse: 0 });
    await expect(pool.acquire({ signal: controller.signal })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });

  test('a failure to open that can not pass goes to the caller at once', async () => {
    const { pool, source } = setUp();
    source.failOpeningsWith = new Error('no such dataset');
    await expect(pool.acquire()).rejects.toBe(source.failOpeningsWith);
    await settle();
    expect(pool.stats()).toMatchObject({ open: 0, opening: 0, pending: 0 });
  });
});

describe('opening and closing', () => {
  test('max bounds what exists, opening and closing ones included', async () => {
    const { pool, source, clock } = setUp({ max: 2 });
    source.holdClosings = true;
    const leases = await Promise.all([pool.acquire(), pool.acquire()]);
    for (const lease of leases) lease.discard();
    const call = watch(pool.acquire());
    await clock.advance(100);
    expect(call.outcome).toBe('pending');
    expect(source.existing).toBe(2);
    expect(pool.stats()).toMatchObject({ open: 0, closing: 2 });
    source.closings[0]?.();
    await clock.advance(0);
    expect(call.outcome).toBe('resolved');
    expect(source.mostExisting).toBe(2);
    source.closings[1]?.();
  });

  test('one that does not close is cut after closeTimeoutMs, and its place is free then', async () => {
    const { pool, source, clock } = setUp({ max: 1, closeTimeoutMs: 500 });
    source.holdClosings = true;
    (await pool.acquire()).discard();
    const call = watch(pool.acquire());
    await clock.advance(499);
    expect(call.outcome).toBe('pending');
    await clock.advance(1);
    expect(call.outcome).toBe('resolved');
    expect(source.cuts).toBe(1);
  });

  test('a connect that hangs and does not hear that it was given up keeps its place until it ends, and is closed', async () => {
    const { pool, source, clock } = setUp({ max: 1, connectTimeoutMs: 200 });
    source.holdOpenings = true;
    source.hearsAbort = false;
    // However long it takes, it is no reason to give a caller up before his time.
    source.mayPass = () => false;
    const call = watch(pool.acquire());
    await clock.advance(1_000);
    expect(source.existing).toBe(1);
    expect(pool.stats()).toMatchObject({ opening: 0, closing: 1, pending: 1 });
    source.holdOpenings = false;
    source.openings[0]?.resolve();
    await clock.advance(1_000);
    expect(source.opened[0]?.closed).toBe(true);
    expect(call.value?.resource.id).toBe(1);
    expect(source.mostExisting).toBe(1);
  });

  test('a connect that fails after it was given up ends nothing but itself', async () => {
    const { pool, source, clock } = setUp({
      max: 1,
      connectTimeoutMs: 200,
      acquireTimeoutMs: 400,
      validationTimeoutMs: 400,
    });
    source.holdOpenings = true;
    source.hearsAbort = false;
    const call = watch(pool.acquire());
    await clock.advance(400);
    expect(call.error).toMatchObject({ code: 'ACQUIRE_TIMEOUT' });
    source.openings[0]?.reject(new Error('too late'));
    await clock.advance(100);
    expect(pool.isEmpty()).toBe(true);
  });

  test('after failures it opens again after a doubling wait with jitter, and at once after a success', async () => {
    const { pool, source, clock, observer } = setUp({
      max: 1,
      backoffInitialMs: 100,
      backoffMaxMs: 400,
    });
    source.failOpeningsWith = new Error('connection refused');
    const call = watch(pool.acquire());
    const attempts: number[] = [];
    for (let elapsedMs = 0; elapsedMs <= 700; elapsedMs += 10) {
      await clock.advance(elapsedMs === 0 ? 0 : 10);
      const failures = observer.events.filter((event) => event === 'open failed').length;
      if (failures > attempts.length) attempts.push(elapsedMs);
    }
    // Half of 100, 200, 400, 400: the random source of this test always says one half.
    expect(attempts.slice(1).map((atMs, index) => atMs - (attempts[index] ?? 0))).toEqual([
      50, 100, 200, 200,
    ]);
    source.failOpeningsWith = undefined;
    await clock.advance(400);
    call.value?.discard();
    await expect(pool.acquire()).resolves.toBeDefined();
  });

  test('a source that throws instead of rejecting is a failure like any other', async () => {
    const { pool, source } = setUp();
    source.open = () => {
      throw new Error('no such dataset');
    };
    await expect(pool.acquire()).rejects.toThrow('no such dataset');
    await settle();
    expect(pool.stats()).toMatchObject({ opening: 0, pending: 0 });
  });
});

describe('fitness', () => {
  test('one that is broken or not idle when it comes back is closed', async () => {
    const { pool, observer } = setUp({ max: 1 });
    const lease = await pool.acquire();
    lease.resource.usable = false;
    lease.release();
    expect((await pool.acquire()).resource.id).toBe(1);
    expect(observer.events).toContain('evicted: broken');
  });

  test('of several idle ones those that broke are closed, and the caller gets the one that did not', async () => {
    const { pool, source } = setUp({ max: 3 });
    const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
    const [fit, ...broken] = leases.map(({ resource }) => resource);
    for (const lease of leases) lease.release();
    for (const connection of broken) connection.usable = false;
    expect((await pool.acquire()).resource).toBe(fit);
    await settle();
    expect(source.existing).toBe(1);
    expect(pool.stats()).toMatchObject({ inUse: 1, idle: 0, opening: 0 });
  });

  test('the one with the lowest rank is lent, else the one used last', async () => {
    const { pool } = setUp({ max: 3 }, { rank: ({ id }) => (id === 1 ? 0 : 1) });
    const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
    const ids = leases.map(({ resource }) => resource.id);
    for (const lease of leases) lease.release();
    expect((await pool.acquire()).resource.id).toBe(1);
    expect((await pool.acquire()).resource.id).toBe(ids.findLast((id) => id !== 1));
  });

  test('one that broke while idle is not lent', async () => {
    const { pool, source } = setUp({ max: 1 });
    (await pool.acquire()).release();
    for (const connection of source.opened) connection.usable = false;
    expect((await pool.acquire()).resource.id).toBe(1);
  });

  test('it is validated before it is lent only after it was idle for long', async () => {
    const { pool, source, clock } = setUp({ max: 1, validateAfterIdleMs: 500 });
    (await pool.acquire()).release();
    await clock.advance(499);
    (await pool.acquire()).release();
    expect(source.validations).toBe(0);
    await clock.advance(500);
    (await pool.acquire()).release();
    expect(source.validations).toBe(1);
    expect(source.opened).toHaveLength(1);
  });

  test.each([
    [
      'fails',
      (source: ScriptedSource) => {
        for (const connection of source.opened) connection.valid = false;
      },
    ],
    [
      'hangs',
      (source: ScriptedSource) => {
        source.hangValidation = true;
      },
    ],
  ])('where validation %s the caller gets another connection in time', async (_how, spoil) => {
    const { pool, source, clock, observer } = setUp({
      max: 1,
      validateAfterIdleMs: 100,
      validationTimeoutMs: 300,
    });
    (await pool.acquire()).release();
    await clock.advance(200);
    spoil(source);
    const call = watch(pool.acquire());
    await clock.advance(300);
    expect(call.value?.resource.id).toBe(1);
    expect(observer.events).toContain('evicted: invalid');
  });

  test('after maxLifetimeMs, less the jitter, it is closed once it is free', async () => {
    const { pool, observer, clock } = setUp({
      max: 1,
      maxLifetimeMs: 10_000,
      idleTimeoutMs: 60_000,
    });
    const lease = await pool.acquire();
    await clock.advance(9_500);
    expect(observer.events).not.toContain('evicted: lifetime');
    lease.release();
    await settle();
    expect(observer.events).toContain('evicted: lifetime');
  });

  test('a new generation retires the free at once and the lent when they come back', async () => {
    const { pool, source, clock } = setUp({ max: 3 });
    const [free, lent] = await Promise.all([pool.acquire(), pool.acquire()]);
    source.holdOpenings = true;
    const opening = watch(pool.acquire());
    await settle();
    free.release();
    await settle();
    opening.value?.release();
    pool.retireAll();
    // The one whose opening had begun before belongs to the old generation too.
    source.holdOpenings = false;
    source.openings[0]?.resolve();
    lent.release();
    await clock.advance(10);
    const next = await pool.acquire();
    expect(next.resource.id).toBe(3);
    expect(source.opened.slice(0, 3).every((connection) => connection.closed)).toBe(true);
  });

  test('idle ones are closed after idleTimeoutMs down to min, and an empty pool says so and has no timer', async () => {
    const { pool, clock, emptied } = setUp({ max: 3, idleTimeoutMs: 5_000 });
    const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
    for (const lease of leases) lease.release();
    await clock.advance(4_000);
    expect(pool.stats().idle).toBe(3);
    await clock.advance(2_000);
    expect(pool.stats().open).toBe(0);
    expect(emptied()).toBeGreaterThan(0);
    expect(clock.pending).toBe(0);
    const kept = setUp({ max: 3, min: 1, idleTimeoutMs: 5_000 });
    for (const lease of await Promise.all([kept.pool.acquire(), kept.pool.acquire()]))
      lease.release();
    await kept.clock.advance(10_000);
    expect(kept.pool.stats().open).toBe(1);
  });

  test('a wall clock that is set back or forward changes nothing', async () => {
    const { pool, clock, source } = setUp({ max: 1, idleTimeoutMs: 5_000 });
    (await pool.acquire()).release();
    clock.setWall(0);
    await clock.advance(1_500);
    clock.setWall(4_000_000_000_000);
    await clock.advance(1_500);
    expect(source.existing).toBe(1);
    await clock.advance(3_000);
    expect(source.existing).toBe(0);
  });
});

describe('leaks', () => {
  test('a lease on which nothing runs is reported once, then reclaimed and fenced off', async () => {
    const { pool, clock, observer, source } = setUp({
      max: 1,
      leakDetectionThresholdMs: 2_000,
      leakReclaimMs: 6_000,
      leakStacks: true,
    });
    const lease = await pool.acquire({ takenFor: 'transaction' });
    const next = watch(pool.acquire({ deadlineAtMs: clock.monotonicMs() + 600_000 }));
    await clock.advance(4_000);
    expect(observer.leaks).toHaveLength(1);
    expect(observer.leaks[0]).toMatchObject({
      takenFor: 'transaction',
      takenAt: expect.stringContaining('pool.test.ts'),
    });
    expect(lease.held).toBe(true);
    await clock.advance(800);
    next.value?.release();
    const patient = watch(pool.acquire({ deadlineAtMs: clock.monotonicMs() + 600_000 }));
    await clock.advance(2_000);
    expect(lease.held).toBe(false);
    expect(() => lease.resource).toThrow(/given back/);
    expect(source.opened[0]?.closed).toBe(true);
    expect(patient.value?.resource.id).toBe(1);
    lease.release();
    expect(pool.stats()).toMatchObject({ inUse: 1, open: 1 });
    expect(observer.events).toContain('reclaimed');
  });

  test('long work is no leak', async () => {
    const { pool, clock, observer } = setUp({ leakDetectionThresholdMs: 2_000 });
    const lease = await pool.acquire();
    const ended = lease.running();
    await clock.advance(30_000);
    expect(observer.leaks).toEqual([]);
    ended();
    await clock.advance(3_000);
    expect(observer.leaks).toHaveLength(1);
    lease.release();
  });
});

describe('a lease held over many calls', () => {
  test('is in use and pinned in the figures, and no leak however long nothing runs on it', async () => {
    const { pool, clock, observer } = setUp({
      max: 2,
      leakDetectionThresholdMs: 2_000,
      leakReclaimMs: 6_000,
      maxLifetimeMs: 10_000,
    });
    const lease = await pool.acquire();
    lease.pin();
    const other = await pool.acquire();
    other.running();
    expect(pool.stats()).toMatchObject({ inUse: 2, pinned: 1 });
    await clock.advance(60_000);
    expect(observer.leaks).toEqual([]);
    expect(lease.held).toBe(true);
    lease.release();
    expect(pool.stats()).toMatchObject({ inUse: 1, pinned: 0, idle: 0 });
    expect(observer.events).toContain('evicted: lifetime');
  });

  test('is taken back when the pool closes, and its holder is told', async () => {
    const { pool, clock, source } = setUp();
    const lease = await pool.acquire();
    lease.pin();
    let told = 0;
    lease.onTakenBack = () => {
      told += 1;
    };
    const closed = watch(pool.close(1_000));
    await clock.advance(1_000);
    expect(closed.outcome).toBe('resolved');
    expect(told).toBe(1);
    expect(lease.pinned).toBe(false);
    expect(source.existing).toBe(0);
  });

  test('can be retired: its connection is usable until the release, and closed then for the first reason', async () => {
    const { pool, source, observer } = setUp({ max: 1 });
    const lease = await pool.acquire();
    lease.retire();
    lease.retire('broken');
    const next = watch(pool.acquire());
    await settle();
    expect(lease.resource.closed).toBe(false);
    lease.release();
    await settle();
    expect(source.opened[0]?.closed).toBe(true);
    expect(next.value?.resource.id).toBe(1);
    expect(observer.events).toContain('evicted: retired');
    expect(observer.events).not.toContain('evicted: broken');
  });
});

describe('closing', () => {
  test('refuses who waits and who comes, lets work end, and resolves when nothing is left', async () => {
    const { pool, source } = setUp({ max: 1 });
    const lease = await pool.acquire();
    const waiting = watch(pool.acquire());
    const closed = watch(pool.close(5_000));
    await settle();
    expect(waiting.error).toMatchObject({ name: 'ClosedError' });
    await expect(pool.acquire()).rejects.toMatchObject({ name: 'ClosedError' });
    expect(closed.outcome).toBe('pending');
    lease.release();
    await settle();
    expect(closed.outcome).toBe('resolved');
    expect(source.existing).toBe(0);
  });

  test('resolves in time although a lease is out, a connect hangs and a close hangs; what is left is cut', async () => {
    const { pool, source, clock } = setUp({ max: 3, closeTimeoutMs: 60_000 });
    source.holdClosings = true;
    const [lease, discarded] = await Promise.all([pool.acquire(), pool.acquire()]);
    const { resource } = lease;
    discarded.discard();
    source.holdOpenings = true;
    source.hearsAbort = false;
    const opening = watch(pool.acquire());
    await settle();
    const closed = watch(pool.close(1_000));
    await clock.advance(999);
    expect(closed.outcome).toBe('pending');
    expect(() => lease.resource).toThrow();
    expect(resource.closed).toBe(true);
    await clock.advance(1);
    expect(closed.outcome).toBe('resolved');
    expect(opening.outcome).toBe('rejected');
    for (const { resolve } of source.openings) resolve();
    for (const end of source.closings) end();
  });

  test('twice at once is one closing', async () => {
    const { pool } = setUp();
    const lease = await pool.acquire();
    const both = Promise.all([pool.close(1_000), pool.close(1_000)]);
    lease.release();
    await both;
    await pool.close(0);
    expect(pool.isEmpty()).toBe(true);
  });
});

describe('a budget shared by pools', () => {
  test('bounds all pools together and closes what has been idle longest for who needs it', async () => {
    const clock = new ManualClock();
    const budget = new Budget(2, clock);
    const pools = ['a', 'b', 'c'].map(() => setUp({ max: 2 }, { budget, clock }));
    const [a, b, c] = pools.map(({ pool }) => pool);
    (await a?.acquire())?.release();
    await clock.advance(10);
    (await b?.acquire())?.release();
    const lease = await c?.acquire();
    await settle();
    expect(a?.isEmpty()).toBe(true);
    expect(b?.stats().open).toBe(1);
    expect(budget.used).toBe(2);
    lease?.release();
  });

  test('a pool that is busy with many callers gives way to another dataset', async () => {
    const clock = new ManualClock();
    const budget = new Budget(2, clock);
    const busy = setUp({ max: 2 }, { budget, clock });
    const quiet = setUp({ max: 2 }, { budget, clock });
    const served: string[] = [];
    const held: Lease<Connection>[] = [];
    for (let caller = 0; caller < 5; caller += 1) {
      void busy.pool.acquire().then((lease) => {
        served.push('busy');
        held.push(lease);
      });
    }
    await settle();
    void quiet.pool.acquire().then((lease) => {
      served.push('quiet');
      held.push(lease);
    });
    while (held.length > 0) {
      held.shift()?.release();
      await settle();
      expect(budget.used).toBeLessThanOrEqual(2);
    }
    expect(served).toHaveLength(6);
    expect(served.indexOf('quiet')).toBeLessThanOrEqual(2);
  });

  test('more busy datasets than permits take turns: none starves', async () => {
    const clock = new ManualClock();
    const budget = new Budget(2, clock);
    const pools = Array.from(
      { length: 5 },
      () => setUp({ max: 2, acquireTimeoutMs: 60_000 }, { budget, clock }).pool,
    );
    const served = pools.map(() => 0);
    let stop = false;
    const callers = pools.map(async (pool, index) => {
      while (!stop) {
        const lease = await pool.acquire();
        served[index] = (served[index] ?? 0) + 1;
        await new Promise<void>((resolve) => {
          clock.after(10, resolve);
        });
        lease.release();
      }
    });
    await clock.advance(3_000);
    stop = true;
    await clock.advance(3_000);
    await Promise.all(callers);
    expect(Math.min(...served)).toBeGreaterThan(0.5 * Math.max(...served));
    expect(budget.waiting).toBe(0);
  });

  test('a connection that was opened serves a caller first, however long others have waited meanwhile', async () => {
    const clock = new ManualClock();
    const budget = new Budget(1, clock);
    const first = setUp({ acquireTimeoutMs: 60_000 }, { budget, clock });
    const second = setUp({ acquireTimeoutMs: 60_000 }, { budget, clock });
    first.source.holdOpenings = true;
    const firstLease = first.pool.acquire();
    const secondLease = second.pool.acquire();
    await clock.advance(1_000);
    first.source.openings.shift()?.resolve();
    (await firstLease).release();
    (await secondLease).release();
    expect(first.source.opened).toHaveLength(1);
    expect(second.source.opened).toHaveLength(1);
  });

  test('who waits in vain for a connection that others have is told that it is the budget', async () => {
    const clock = new ManualClock();
    const budget = new Budget(2, clock);
    const [first, second] = [1, 2].map(
      () => setUp({ max: 2, acquireTimeoutMs: 1_000 }, { budget, clock }).pool,
    ) as [Pool<Connection>, Pool<Connection>];
    const leases = [await first.acquire(), await first.acquire()];
    const others = watch(second.acquire());
    const own = watch(first.acquire());
    await clock.advance(1_000);
    expect((others.error as Error).message).toMatch(/of at most 2; .* all 2 of the budget/);
    expect((own.error as Error).message).not.toContain('budget');
    for (const lease of leases) lease.release();
  });

  test('who calls again at once keeps its connection for a slice of time, then others have it', async () => {
    const clock = new ManualClock();
    const budget = new Budget(1, clock);
    const first = setUp({ acquireTimeoutMs: 60_000 }, { budget, clock });
    const second = setUp({ acquireTimeoutMs: 60_000 }, { budget, clock });
    const lease = await first.pool.acquire();
    let served = false;
    void second.pool.acquire().then((other) => {
      served = true;
      other.release();
    });
    lease.release();
    for (let call = 0; call < 5; call += 1) {
      const again = await first.pool.acquire();
      await clock.advance(10);
      again.release();
    }
    expect(first.source.opened).toHaveLength(1);
    expect(served).toBe(false);
    const last = await first.pool.acquire();
    await clock.advance(100);
    last.release();
    await settle();
    expect(served).toBe(true);
  });

  test('1,000 datasets in turn leave no more open than the budget', async () => {
    const clock = new ManualClock();
    const budget = new Budget(20, clock);
    const sources: ScriptedSource[] = [];
    for (let dataset = 0; dataset < 1_000; dataset += 1) {
      const { pool, source } = setUp({ max: 5 }, { budget, clock });
      sources.push(source);
      (await pool.acquire()).release();
    }
    await settle();
    expect(sources.reduce((sum, source) => sum + source.existing, 0)).toBe(20);
    expect(budget.used).toBe(20);
    await clock.advance(60_000);
    expect(budget.used).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test('a caller that gives up frees the pool of its place in the line for a permit', async () => {
    const clock = new ManualClock();
    const budget = new Budget(1, clock);
    const holder = setUp({}, { budget, clock });
    const other = setUp({}, { budget, clock });
    const lease = await holder.pool.acquire();
    const controller = new AbortController();
    const call = watch(other.pool.acquire({ signal: controller.signal }));
    expect(budget.waiting).toBe(1);
    controller.abort();
    await settle();
    expect(call.outcome).toBe('rejected');
    expect(budget.waiting).toBe(0);
    lease.release();
    expect(holder.pool.stats().idle).toBe(1);
  });
});

describe('at random', () => {
  test.each(Array.from({ length: 30 }, (_unused, seed) => seed + 1))(
    'seed %i: the books always balance',
    async (seed) => {
      let state = seed;
      const random = (): number => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        return state / 2 ** 32;
      };
      const clock = new ManualClock();
      const budget = new Budget(4, clock);
      const pools = Array.from({ length: 3 }, () =>
        setUp(
          {
            max: 3,
            maxPending: 5,
            acquireTimeoutMs: 500,
            connectTimeoutMs: 100,
            closeTimeoutMs: 100,
            validationTimeoutMs: 50,
            validateAfterIdleMs: 40,
            idleTimeoutMs: 200,
            maxLifetimeMs: 1_000,
            leakDetectionThresholdMs: 600,
          },
          { budget, clock },
        ),
      );
      const held: Lease<Connection>[] = [];
      let asked = 0;
      let answered = 0;
      for (let step = 0; step < 150; step += 1) {
        const chosen = pools[Math.floor(random() * pools.length)];
        if (chosen === undefined) continue;
        const { pool, source } = chosen;
        source.failOpeningsWith = random() < 0.2 ? new Error('refused') : undefined;
        source.holdOpenings = random() < 0.2;
        source.hearsAbort = random() < 0.5;
        source.holdClosings = random() < 0.2;
        source.hangValidation = random() < 0.1;
        const controller = new AbortController();
        asked += 1;
        pool.acquire({ signal: controller.signal }).then(
          (lease) => {
            answered += 1;
            held.push(lease);
          },
          () => {
            answered += 1;
          },
        );
        if (random() < 0.2)
          clock.after(random() * 100, () => {
            controller.abort();
          });
        if (random() < 0.1) source.openings.shift()?.resolve();
        if (random() < 0.1) pool.retireAll();
        if (random() < 0.7) {
          const [lease] = held.splice(Math.floor(random() * held.length), 1);
          if (random() < 0.2) lease?.discard();
          else lease?.release();
        }
        if (random() < 0.5) await clock.advance(random() * 60);
        expect(
          pool.stats().inUse + pool.stats().idle + pool.stats().opening + pool.stats().closing,
        ).toBeLessThanOrEqual(3);
        expect(source.existing).toBeLessThanOrEqual(3);
        expect(pools.reduce((sum, each) => sum + each.source.existing, 0)).toBeLessThanOrEqual(4);
        expect(budget.used).toBeLessThanOrEqual(4);
      }
      for (const { source } of pools) {
        source.holdOpenings = false;
        source.holdClosings = false;
        source.failOpeningsWith = undefined;
        source.hangValidation = false;
        for (const opening of source.openings) opening.resolve();
        for (const end of source.closings) end();
      }
      for (let round = 0; round < 20; round += 1) {
        for (const lease of held.splice(0)) lease.release();
        await clock.advance(100);
      }
      expect(answered).toBe(asked);
      await clock.advance(5_000);
      expect(pools.map(({ pool }) => pool.isEmpty())).toEqual([true, true, true]);
      expect(pools.map(({ source }) => source.existing)).toEqual([0, 0, 0]);
      expect(budget.used).toBe(0);
      expect(budget.waiting).toBe(0);
      expect(clock.pending).toBe(0);
    },
  );
});

test('the silent observer takes every event', () => {
  for (const listener of Object.values(silentPoolObserver) as (() => unknown)[])
    expect(listener()).toBeUndefined();
});
