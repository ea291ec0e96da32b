import { expect, test } from '@jest/globals';
import type { Stage } from '@changeover/core';
import { ManualClock } from '../../../../../test/kit/manual-clock.ts';
import { silentLogger } from '../../log.ts';
import type { MinutesOf } from '../../recorder/minute-rows.ts';
import { openRecorder } from '../../recorder/open-recorder.ts';
import { partsAtOnce } from '../../steps.ts';
import type { WaitingStep } from '../ledger/ledger-options.ts';
import { PromotionGate } from './promotion-gate.ts';

const waiting = (name: string, from: Stage): WaitingStep => ({
  backend: 'notes',
  target: { kind: 'key', name },
  from,
});

test('what was fetched is judged by once, when all of it is read; minutes are fetched of keys whose callers the pooled leg answers', async () => {
  const clock = new ManualClock();
  const stored = openRecorder({ path: ':memory:', run: 'test', logger: silentLogger, clock });
  const asked: (readonly MinutesOf[] | undefined)[] = [];
  const gate = new PromotionGate({
    clock,
    recorder: () => ({
      refresh: (minutesOf) => {
        asked.push(minutesOf);
        return Promise.resolve('fetched');
      },
      *summaryInSteps() {
        for (let part = 0; part < 3; part += 1) yield partsAtOnce;
        return stored.summary();
      },
    }),
  });
  const steps = [waiting('inbox', 'shadow'), waiting('outbox', 'reverse')];
  const minutesOf = [{ backend: 'notes', dataset: 'outbox' }];

  expect(await gate.fresh(steps)).toBe(false);
  expect(await gate.fresh(steps)).toBe(false);
  expect(asked).toEqual([minutesOf]);
  await clock.advance(1_000);
  expect(await gate.fresh(steps)).toBe(true);
  expect(asked).toHaveLength(1);
  expect(await gate.fresh(steps)).toBe(false);
  expect(asked).toEqual([minutesOf, minutesOf]);
  stored.close();
});
