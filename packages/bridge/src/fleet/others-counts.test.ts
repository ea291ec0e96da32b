import { expect, test } from '@jest/globals';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import type { AskedKey } from '../recorder/asked-key.ts';
import type { FleetDatabase, KeysAsked } from './fleet-database.ts';
import { FleetOutbox } from './fleet-outbox.ts';
import type { KeysReading } from './fleet-rows.ts';
import { OthersCounts } from './others-counts.ts';

/** What a key's rows of ten programs take, as measured. */
const [keyBytes, keyRows] = [3_300, 94];

/** A store of so many keys, in which each key is as large as the other. */
function storeOf(keys: number): { readonly database: FleetDatabase; readonly read: AskedKey[] } {
  const read: AskedKey[] = [];
  const name = (at: number): string => `customer-${String(at).padStart(4, '0')}`;
  const readKeys = ({ keys: asked = [], more = 0, behind }: KeysAsked): Promise<KeysReading> => {
    read.push(...asked);
    const from = behind === undefined ? 0 : Number(behind.dataset.slice(-4)) + 1;
    const next = Array.from({ length: Math.max(0, Math.min(more, keys - from)) }, (_, at) => ({
      backend: 'notes',
      dataset: name(from + at),
    }));
    const found = [...asked, ...next];
    const shapes = found.map((key) => ({ ...key, writer: '(summed)' }));
    return Promise.resolve({
      keys: found,
      last: next.at(-1),
      tables: { cells: [], shapes, reliance: [] } as unknown as KeysReading['tables'],
      length: found.length * keyBytes,
      added: { timed: 0, plain: found.length * keyRows },
    });
  };
  const tables = { writers: [], groups: [], samples: [], events: [], rules: [] };
  const readOthers = (): Promise<unknown> => Promise.resolve({ tables, length: 100 });
  return { database: { readKeys, readOthers } as unknown as FleetDatabase, read };
}

/** Of a process that says as much as it may. */
const noSpare = { spareBytes: 0, spend: (_bytes: number): void => undefined };

function countsOf(database: FleetDatabase, clock: ManualClock, spare = noSpare): OthersCounts {
  const own = (): { writer: string; firstHour: number } => ({ writer: 'own', firstHour: 0 });
  return new OthersCounts({ database, clock, own, spare, random: () => 0.5 });
}

test('of a thousand keys whose steps wait a program reads a few each minute, within its bytes, and never fewer than it judges by', async () => {
  const clock = new ManualClock();
  const { database, read } = storeOf(1_000);
  const counts = countsOf(database, clock);
  const waiting = Array.from({ length: 1_000 }, (_, at) => ({
    ...{ backend: 'notes', dataset: `customer-${String(at)}`, timed: false },
  }));
  const minutes = 60;
  for (let second = 0; second < minutes * 60; second += 1) {
    const found = await counts.readWaiting(waiting);
    expect(found.length === 0 || found.length >= 10).toBe(true);
    await clock.advance(1_000);
  }
  const bytes = read.length * (keyBytes + keyRows * 16);
  expect(bytes).toBeLessThanOrEqual(196_608 + 60 * minutes * 768 + 40 * keyBytes * 2);
  expect(read.length).toBeGreaterThan(8 * minutes);
});

test('a program that has little to say reads keys whose steps wait with what it needn’t say: forty a minute and more, within all of its bytes', async () => {
  const clock = new ManualClock();
  const { database, read } = storeOf(1_000);
  const outbox = new FleetOutbox(clock, () => undefined);
  const spent: number[] = [];
  const spare = {
    get spareBytes() {
      return outbox.spareBytes;
    },
    spend(bytes: number) {
      spent.push(bytes);
      outbox.spend(bytes);
    },
  };
  const counts = countsOf(database, clock, spare);
  const waiting = Array.from({ length: 1_000 }, (_, at) => ({
    ...{ backend: 'notes', dataset: `customer-${String(at)}`, timed: false },
  }));
  const minutes = 10;
  for (let second = 0; second < minutes * 60; second += 1) {
    await counts.readWaiting(waiting);
    await clock.advance(1_000);
  }
  expect(read.length).toBeGreaterThan(40 * minutes);
  // It keeps a quarter of a burst for what it may have to say.
  expect(spent.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(49_152 + minutes * 60 * 2_560);
  expect(outbox.spareBytes).toBeGreaterThanOrEqual(0);
});

test('all keys have their turn, and one that is not in the store any more is forgotten', async () => {
  const clock = new ManualClock();
  const { database } = storeOf(45);
  const counts = countsOf(database, clock);
  await counts.readWaiting([{ backend: 'notes', dataset: 'gone', timed: false }]);
  const seen = (): number =>
    new Set([...(counts.tables?.shapes ?? [])].map((row) => row.dataset)).size;
  const turns: number[] = [];
  for (let turn = 0; turn < 8; turn += 1) {
    await counts.readInTurn();
    turns.push(seen());
    await clock.advance(600_000);
  }
  expect(turns.slice(0, 3)).toEqual([21, 41, 46]);
  expect(turns.at(-1)).toBe(45);
});
