import { expect, test } from '@jest/globals';
import { digestResult } from '@changeover/compare';
import { type Clock, type ShadowCall, type ShadowLeg, systemClock } from '@changeover/core';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import { type TwoLegs, twoLegs } from '../test-kit/two-legs.ts';

/** A pooled leg whose digests tell the state, as far as `tells` says. */
function tellingLegs(tells: (call: ShadowCall) => boolean): TwoLegs {
  const legs = twoLegs('shadow');
  const { log, pooled } = legs;
  const answer = (): unknown => {
    if (pooled.answer instanceof Error) throw pooled.answer;
    return pooled.answer;
  };
  const shadow: ShadowLeg = {
    admits: () => true,
    digestTellsState: true,
    digest: async (call) => {
      log.push('digest');
      if (tells(call)) call.onState?.('3:3:');
      return digestResult(answer(), 'value');
    },
    read: async () => answer(),
    state: async () => {
      log.push('state');
      return '3:3:';
    },
  };
  pooled.shadow = shadow;
  return legs;
}

test('a state that a digest tells is not asked for by itself', async () => {
  const { api, router, log, cell } = tellingLegs(() => true);
  await api.read('d');
  await router.idle();
  expect(log).toEqual(['legacy read', 'digest']);
  expect(cell('read')).toMatchObject({ compared: 1, match: 1 });
});

test('one that it did not tell is asked for, and the read is made after that', async () => {
  const { api, router, log, cell } = tellingLegs(() => false);
  await api.read('d');
  await router.idle();
  expect(log).toEqual(['legacy read', 'digest', 'state', 'digest']);
  expect(cell('read')).toMatchObject({ compared: 1, match: 1 });
});

test('a difference is confirmed in the state that was told: nobody wrote since', async () => {
  const { api, router, pooled, cell } = tellingLegs(() => true);
  pooled.answer = 'another answer';
  await api.read('d');
  await router.idle();
  expect(cell('read')).toMatchObject({ compared: 1, mismatch: 1 });
});

/** A pooled leg that tells versions and marks, and counts how often it is asked. */
function countingLegs(
  clock: Clock,
): TwoLegs & { readonly asked: Record<'version' | 'mark', number>; version: string } {
  const asked = { version: 0, mark: 0 };
  const legs = { ...twoLegs('shadow', { clock }), asked, version: '1' };
  legs.pooled.shadow = {
    admits: () => true,
    tellsVersions: true,
    digest: async () => digestResult(legs.pooled.answer, 'value'),
    read: async () => legs.pooled.answer,
    version: () => {
      asked.version += 1;
      return legs.version;
    },
    mark: async () => {
      asked.mark += 1;
      return legs.version;
    },
  };
  return legs;
}

test('a mark is asked for anew where somebody has committed, and only there', async () => {
  const legs = countingLegs(systemClock);
  for (const version of ['1', '1', '2', '2']) {
    legs.version = version;
    await legs.api.read('d');
    await legs.router.idle();
  }
  expect(legs.asked.mark).toBe(2);
  expect(legs.cell('read')).toMatchObject({ compared: 4, match: 4 });
});

test('calls of one moment share the version before them, but for a write of this process', async () => {
  const clock = new ManualClock();
  const legs = countingLegs(clock);
  const askedFor = async (): Promise<number> => {
    const before = legs.asked.version;
    await legs.api.read('d');
    await legs.router.idle();
    // One is asked for when it is compared.
    return legs.asked.version - before - 1;
  };
  expect([await askedFor(), await askedFor()]).toEqual([1, 0]);
  await legs.api.add('d', 'a note');
  expect([await askedFor(), await askedFor()]).toEqual([1, 0]);
  await clock.advance(2);
  expect(await askedFor()).toBe(1);
});
