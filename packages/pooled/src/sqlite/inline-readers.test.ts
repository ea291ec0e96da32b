import { expect, test } from '@jest/globals';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import { InlineReader } from './inline-reader.ts';
import { InlineReaders } from './inline-readers.ts';

test('long reads have a share of each turn of the event loop, and wait for the next when it is spent', async () => {
  const readers = new InlineReaders(2, 30_000, new ManualClock());
  readers.spend(3);
  expect(readers.turnSpent).toBe(false);
  readers.spend(3);
  expect(readers.turnSpent).toBe(true);
  await readers.nextTurn();
  expect(readers.turnSpent).toBe(false);
});

test('a reader that is in use makes no room for another, one that is not does', async () => {
  const clock = new ManualClock();
  const readers = new InlineReaders(2, 30_000, clock);
  const [first, second] = ['a', 'b'].map(
    (name) =>
      new InlineReader({
        dataset: name,
        file: `${name}.db`,
        cacheSizeKib: 100,
        clock,
        onClosed: () => undefined,
        onChanged: () => undefined,
      }),
  );
  if (first === undefined || second === undefined) throw new Error('two readers were made');
  for (const reader of [first, second]) {
    expect(readers.hasRoom).toBe(true);
    reader.usedAtMs = clock.monotonicMs();
    readers.used(reader);
  }
  expect(readers.hasRoom).toBe(false);
  await clock.advance(1_000);
  expect(readers.hasRoom).toBe(true);
});
