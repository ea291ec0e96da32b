import { expect, test } from '@jest/globals';
import { Slices } from './slices.ts';

/** A task that takes longer than a slice. */
function long(): void {
  const startedMs = performance.now();
  while (performance.now() - startedMs < 5);
}

test('tasks are done in their order, and other work comes in between where they take long', async () => {
  const slices = new Slices();
  const done: string[] = [];
  const ended = new Promise<void>((resolve) => {
    slices.add(() => {
      long();
      done.push('first');
      setImmediate(() => done.push('other work'));
    });
    slices.add(() => {
      done.push('second');
    });
    slices.add(resolve);
  });
  await ended;
  expect(done).toEqual(['first', 'other work', 'second']);
});

test('what is added after all was done is done as well', async () => {
  const slices = new Slices();
  for (let round = 0; round < 2; round += 1) {
    await new Promise<void>((resolve) => {
      slices.add(resolve);
    });
  }
});
