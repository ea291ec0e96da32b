import { expect, test } from '@jest/globals';
import type { Stage } from '@changeover/core';
import { ManualClock } from '../../../../../test/kit/manual-clock.ts';
import type { AskedKey } from '../../recorder/asked-key.ts';
import { silentLogger } from '../../log.ts';
import { openRecorder } from '../../recorder/open-recorder.ts';
import { partsAtOnce } from '../../steps.ts';
import type { WaitingStep } from '../ledger/ledger-options.ts';
import { PromotionGate } from './promotion-gate.ts';

const waiting = (name: string, from: Stage): WaitingStep => ({
  backend: 'notes',
  target: { kind: 'key', name },
  from,
});

test('keys that were fetched are judged by once, when all of it is read; latencies are fetched of those whose callers the pooled leg answers', async () => {
  const clock = new ManualClock();
  const stored = openRecorder({ path: ':memory:', run: 'test', logger: silentLogger, clock });
  const asked: (readonly AskedKey[])[] = [];
  const gate = new PromotionGate({
    clock,
    recorder: () => ({
      // As many as may be read.
      refreshKeys: (keys) => {
        asked.push(keys.map(({ backend, dataset, timed }) => ({ backend, dataset, timed })));
        return Promise.resolve(keys.slice(-1));
      },
      *summaryInSteps() {
        for (let part = 0; part < 3; part += 1) yield partsAtOnce;
        return stored.summary();
      },
    }),
  });
  const steps = [waiting('inbox', 'shadow'), waiting('outbox', 'reverse')];
  const keys = [
    { backend: 'notes', dataset: 'inbox', timed: false },
    { backend: 'notes', dataset: 'outbox', timed: true },
  ];

  expect(await gate.fresh(steps)).toEqual([]);
  expect(await gate.fresh(steps)).toEqual([]);
  expect(asked).toEqual([keys]);
  await clock.advance(1_000);
  expect(await gate.fresh(steps)).toEqual(steps.slice(1));
  expect(asked).toHaveLength(1);
  expect(await gate.fresh(steps)).toEqual([]);
  expect(asked).toEqual([keys, keys]);
  stored.close();
});
