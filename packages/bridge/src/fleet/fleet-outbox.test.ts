import { LatencyHistogram, PairedDifference } from '@changeover/compare';
import { expect, test } from '@jest/globals';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import { noShapeTotals } from '../recorder/cell.ts';
import { noCounts } from '../recorder/counts.ts';
import type { Batch } from '../recorder/store-rows.ts';
import { FleetOutbox } from './fleet-outbox.ts';

const keys = 300;
const nothing = { groups: [], samples: [], events: [], rules: [], reliance: [] };

/** What a process has to say in a second in which all keys were called. @param failing keys of which a call has failed. */
function batchOf(second: number, failing: readonly number[]): Batch {
  const lastAt = 1_700_000_000_000 + second * 1_000;
  const [latency, calls] = [new LatencyHistogram(), 100 + second];
  latency.record(5);
  const rows = Array.from({ length: keys }, (_, at) => ({
    ...{ part: at + 1, backend: 'notes', dataset: `key-${String(at)}` },
    ...{ operation: 'list', stage: 'pooled' as const },
    failed: failing.includes(at) ? 1 : 0,
  }));
  return {
    ...nothing,
    writer: {
      ...{ writer: 'one', run: 'run', host: 'host', pid: 1, node: 'v24', startedAt: lastAt },
      ...{ lastAt, samplesOverLimit: 0 },
    },
    cells: rows.map(({ failed, ...row }) => ({
      ...row,
      hour: 1,
      counts: { ...noCounts(), calls, failed },
      ...{ legacy: new LatencyHistogram(), pooled: latency, paired: new PairedDifference() },
    })),
    shapes: rows.map(({ failed, ...row }) => ({
      ...row,
      shape: 'select 1',
      totals: { ...noShapeTotals(), calls, failed },
      ...{ notComparable: undefined, firstAt: lastAt, lastAt },
    })),
  };
}

/** An outbox of a process that calls all keys each second, and so has always more to say than it may. */
class BusyOutbox {
  readonly #clock = new ManualClock();
  readonly #outbox = new FleetOutbox(this.#clock, () => undefined);
  #second = 0;

  /** What is said in a second. @param more what there is to say beside. */
  async second(
    failing: readonly number[],
    more: Partial<Batch> = {},
  ): Promise<Readonly<Record<string, readonly unknown[]>>> {
    this.#second += 1;
    this.#outbox.write({ ...batchOf(this.#second, failing), ...more });
    const part = this.#outbox.take();
    part.stored();
    await this.#clock.advance(1_000);
    return part.fields;
  }
}

/** The parts of the first three rows. */
const firstOf = (rows: readonly unknown[] = []): number[] =>
  (rows as [number][])
    .slice(0, 3)
    .map(([part]) => part)
    .sort((a, b) => a - b);

test('where there is always more than fits, new failures are said at once and each kind of row has its turn', async () => {
  const outbox = new BusyOutbox();
  for (let second = 0; second < 60; second += 1) await outbox.second([]);
  const failing = [3, 150, 299];
  const first = await outbox.second(failing);
  expect(firstOf(first['c'])).toEqual([4, 151, 300]);
  expect(firstOf(first['s'])).toEqual([4, 151, 300]);
  // They are no news any more.
  expect(firstOf((await outbox.second(failing))['c'])).not.toEqual([4, 151, 300]);

  const met: Partial<Batch> = {
    groups: [
      {
        ...{ fingerprint: 'f', backend: 'notes', operation: 'list', verdict: 'mismatch' as const },
        ...{ class: 'value', count: 1, firstAt: 1, lastAt: 1, key: 'key-5', shape: undefined },
      },
    ],
    events: [{ sequence: 1, at: 1, kind: 'wanted', fields: '{}' }],
  };
  const said: Record<string, number> = {};
  for (let second = 0; second < 8; second += 1)
    for (const [field, rows] of Object.entries(
      await outbox.second(failing, second === 0 ? met : {}),
    ))
      said[field] = (said[field] ?? 0) + rows.length;
  expect(said).toMatchObject({ g: 1, e: 1 });
  for (const field of ['c', 's', 'h']) expect(said[field]).toBeGreaterThan(5);
});

test('rows are said in few bytes: without zeros at the end, and with how long ago in place of when', async () => {
  const outbox = new BusyOutbox();
  await outbox.second([]);
  const { c: cells = [], s: shapes = [] } = await outbox.second([]);
  expect(cells.map((row) => JSON.stringify(row).length).every((length) => length < 30)).toBe(true);
  expect(shapes.map((row) => JSON.stringify(row).length).every((length) => length < 30)).toBe(true);
});
