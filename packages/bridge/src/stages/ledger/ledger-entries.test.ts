import { describe, expect, test } from '@jest/globals';
import { allKeys, type Stage } from '@changeover/core';
import { callTarget } from '../flags/stage-source.ts';
import { type Entry, LedgerEntries } from './ledger-entries.ts';

const backend = 'notes';

function placed(entries: LedgerEntries, key: string, stage: Stage, held = false): Entry {
  const entry = entries.at(backend, callTarget(key));
  entries.place(entry, stage, held);
  return entry;
}

describe('whether most keys of a backend are answered by the pooled leg', () => {
  test('follows each key as it is moved, held and resumed; keys at legacy and whole backends are none', () => {
    const entries = new LedgerEntries();
    const most = (): boolean => entries.mostAreAnsweredByPooled(backend);
    entries.place(entries.at(backend, allKeys), 'pooled', false);
    placed(entries, 'at-legacy', 'legacy');
    expect(most()).toBe(false);
    placed(entries, 'one', 'reverse');
    expect(most()).toBe(true);
    placed(entries, 'two', 'shadow');
    expect(most()).toBe(false);
    placed(entries, 'two', 'reverse');
    expect(most()).toBe(true);
    placed(entries, 'one', 'reverse', true);
    placed(entries, 'two', 'shadow');
    expect(most()).toBe(false);
    placed(entries, 'one', 'pooled');
    placed(entries, 'two', 'legacy');
    expect(most()).toBe(true);
    expect(entries.mostAreAnsweredByPooled('another')).toBe(false);
  });

  test('is known without a look at each, since each of thousands of new keys asks', () => {
    const entries = new LedgerEntries();
    const entry = placed(entries, 'one', 'reverse');
    let looks = 0;
    Object.defineProperty(entry, 'stage', {
      get: () => {
        looks += 1;
        return 'reverse';
      },
    });
    expect(entries.mostAreAnsweredByPooled(backend)).toBe(true);
    expect(looks).toBe(0);
  });
});
