import { expect, test } from '@jest/globals';
import { digestResult } from '@changeover/compare';
import type { ShadowCall, ShadowLeg } from '@changeover/core';
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
