import { describe, expect, test } from '@jest/globals';
import { stages, type Stage } from '@changeover/core';
import { defaultShadowSettings, type StageDecision } from './flags/stage-source.ts';
import {
  holdLimit,
  ledgerLimit,
  limitDecision,
  resolveStage,
  type StageLimit,
} from './resolve-stage.ts';

const wish = (stage: Stage): StageLimit => ({ by: 'flag', stage, reason: 'the flag says so' });
const hold = (stage: Stage): StageLimit => holdLimit(stage, { who: 'ada', reason: 'a drill' });

const pairs = stages.flatMap((asked) => stages.map((limit) => [asked, limit] as const));

describe('the earlier stage wins, and says why', () => {
  test.each(pairs)('asked for %s and held at %s', (asked, limit) => {
    const isHeldBack = stages.indexOf(limit) < stages.indexOf(asked);
    expect(resolveStage(wish(asked), [hold(limit)])).toEqual(
      isHeldBack
        ? {
            by: 'hold',
            stage: limit,
            reason: `it is held at ${limit} by ada: a drill; the flag asks for ${asked}: the flag says so`,
          }
        : wish(asked),
    );
  });

  test('of several limits the earliest decides, and of two equal ones the first', () => {
    const limits = [ledgerLimit('shadow', ''), hold('legacy'), ledgerLimit('legacy', '')];
    expect(resolveStage(wish('pooled'), limits)).toMatchObject({ by: 'hold', stage: 'legacy' });
    expect(resolveStage(wish('pooled'), limits.toReversed())).toMatchObject({ by: 'ledger' });
  });

  test('a hold of a whole backend names it', () => {
    expect(holdLimit('legacy', { who: 'ada', reason: 'a drill' }, 'sqlite').reason).toBe(
      'all of sqlite is held at legacy by ada: a drill',
    );
  });
});

test('a decision that nothing holds back is the same object, and one that is held back keeps its settings', () => {
  const decision: StageDecision = {
    stage: 'reverse',
    settings: defaultShadowSettings,
    source: 'file',
    reason: 'the flag says so',
    revision: 'r1',
  };
  expect(limitDecision(decision, [hold('pooled'), hold('reverse')])).toBe(decision);
  const held = limitDecision(decision, [hold('legacy')]);
  expect(held).toMatchObject({ stage: 'legacy', source: 'file', revision: 'r1' });
  expect([Object.isFrozen(held), held.settings]).toEqual([true, defaultShadowSettings]);
});
