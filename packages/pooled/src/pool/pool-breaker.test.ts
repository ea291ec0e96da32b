import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import { PoolBreaker } from './pool-breaker.ts';

function fail(breaker: PoolBreaker, times: number): void {
  for (let call = 0; call < times; call += 1) breaker.failed(breaker.admit());
}

describe('a breaker', () => {
  test('opens when more than the threshold of the last calls failed, never on fewer than the minimum', () => {
    const breaker = new PoolBreaker(new ManualClock(), { minimumCalls: 5 });
    fail(breaker, 4);
    expect(breaker.state).toBe('closed');
    fail(breaker, 1);
    expect(breaker.state).toBe('open');
    expect(breaker.admit()).toEqual({ admitted: false });
  });

  test('stays closed while half of the calls get through', () => {
    const breaker = new PoolBreaker(new ManualClock());
    for (let call = 0; call < 50; call += 1) {
      breaker.succeeded(breaker.admit());
      fail(breaker, 1);
    }
    expect(breaker.state).toBe('closed');
  });

  test('lets one call through after a while and refuses the others at once; closes when that one gets through', async () => {
    const clock = new ManualClock();
    const changes: string[] = [];
    const breaker = new PoolBreaker(clock, { openMs: 100 }, (state) => {
      changes.push(state);
    });
    fail(breaker, 5);
    await clock.advance(99);
    expect(breaker.admit().admitted).toBe(false);
    await clock.advance(1);
    const probe = breaker.admit();
    expect(probe).toMatchObject({ admitted: true, probe: true });
    expect(breaker.admit().admitted).toBe(false);
    breaker.succeeded(probe);
    expect(breaker.admit()).toMatchObject({ admitted: true, probe: false });
    expect(changes).toEqual(['open', 'half-open', 'closed']);
  });

  test('stays open twice as long with each probe that fails, up to the longest time', async () => {
    const clock = new ManualClock();
    const breaker = new PoolBreaker(clock, { openMs: 100, maxOpenMs: 300 });
    fail(breaker, 5);
    for (const openMs of [100, 200, 300, 300]) {
      await clock.advance(openMs - 1);
      expect(breaker.admit().admitted).toBe(false);
      await clock.advance(1);
      const probe = breaker.admit();
      expect(probe.admitted).toBe(true);
      breaker.failed(probe);
    }
  });

  test('a probe whose caller gave up makes room for another', async () => {
    const clock = new ManualClock();
    const breaker = new PoolBreaker(clock, { openMs: 100 });
    fail(breaker, 5);
    await clock.advance(100);
    breaker.ended(breaker.admit());
    expect(breaker.admit()).toMatchObject({ admitted: true, probe: true });
  });

  test('an old call that fails while it is open, or succeeds, changes nothing', () => {
    const breaker = new PoolBreaker(new ManualClock());
    const old = breaker.admit();
    fail(breaker, 5);
    breaker.succeeded(old);
    expect(breaker.state).toBe('open');
    breaker.failed(old);
    expect(breaker.state).toBe('open');
  });

  test('calls from before it opened that fail after it has closed do not open it again', async () => {
    const clock = new ManualClock();
    const breaker = new PoolBreaker(clock, { openMs: 100 });
    const old = Array.from({ length: 20 }, () => breaker.admit());
    fail(breaker, 5);
    await clock.advance(100);
    breaker.succeeded(breaker.admit());
    for (const admission of old) breaker.failed(admission);
    expect(breaker.state).toBe('closed');
    fail(breaker, 20);
    expect(breaker.state).toBe('open');
  });

  test('a wall clock that is set back does not hold it open', async () => {
    const clock = new ManualClock();
    const breaker = new PoolBreaker(clock, { openMs: 100 });
    fail(breaker, 5);
    clock.setWall(0);
    await clock.advance(100);
    expect(breaker.admit().admitted).toBe(true);
  });
});
