import { describe, expect, test } from '@jest/globals';
import { digestRows } from '@changeover/compare';
import {
  type Leg,
  type OperationTable,
  type ShadowCall,
  type ShadowLeg,
  systemClock,
  type WriteEffect,
} from '@changeover/core';
import { BackendRouter } from '../call/backend-router.ts';
import { defaultShadowSettings, type ShadowSettings } from '../stages/flags/stage-source.ts';
import { createStaticStageSource } from '../stages/flags/static-stage-source.ts';
import type { Cell } from '../recorder/cell.ts';
import { SeenLogger, SeenRecorder } from '../test-kit/two-legs.ts';

interface NumberRow extends Record<string, number> {
  n: number;
}

/** Tables of numbers: enough of a storage to write to, with the three ways of comparing a write. */
interface Numbers {
  rows(key: string, table: string): Promise<NumberRow[]>;
  write(key: string, table: string, rows: NumberRow[], append: boolean): Promise<void>;
  addToAll(key: string, table: string, by: number): Promise<number>;
  work(key: string, run: () => Promise<void>): Promise<void>;
}

const operations: OperationTable<Numbers> = {
  rows: { kind: 'read', result: 'rows' },
  write: {
    kind: 'write',
    comparison: 'scratch',
    touches: (_key, table, rows, append) => ({ table, additive: append, rows: rows.length }),
  },
  addToAll: { kind: 'write', comparison: 'rehearsed' },
  work: {
    kind: 'write',
    comparison: 'afterwards',
    observe: (...args) => ({ args, touched: () => ['t'] }),
  },
};

/** One store that both legs work on, as in a migration. */
class Store {
  readonly tables = new Map<string, NumberRow[]>();
  /** How often each real write was made. */
  readonly applied: string[] = [];
  onApply: () => void = () => undefined;

  get(table: string): NumberRow[] {
    return this.tables.get(table) ?? [];
  }

  api(): Numbers {
    return {
      rows: (_key, table) => Promise.resolve(this.get(table).map((row) => ({ ...row }))),
      write: (_key, table, rows, append) => {
        this.applied.push('write');
        this.tables.set(table, [
          ...(append ? this.get(table) : []),
          ...rows.map((row) => ({ ...row })),
        ]);
        return Promise.resolve();
      },
      addToAll: (_key, table, by) => {
        this.applied.push('addToAll');
        this.onApply();
        this.tables.set(
          table,
          this.get(table).map(({ n }) => ({ n: n + by })),
        );
        return Promise.resolve(this.get(table).length);
      },
      work: (_key, run) => run(),
    };
  }
}

function bench(settings: Partial<ShadowSettings> = {}) {
  const store = new Store();
  const api = store.api();
  /** What the pooled leg gets wrong. */
  const wrong = { apart: (rows: NumberRow[]): NumberRow[] => rows, rehearsed: 0 };
  const shadow: ShadowLeg = {
    admits: () => true,
    digest: async ({ args }) => digestRows(await api.rows(args[0] as string, args[1] as string)),
    read: ({ args }) => api.rows(args[0] as string, args[1] as string),
    scratchWrite: ({ args }: ShadowCall): Promise<WriteEffect> => {
      const rows = wrong.apart(args[2] as NumberRow[]);
      return Promise.resolve({
        tables: { [args[1] as string]: digestRows(rows, ['n']) },
        unseen: [],
      });
    },
    rehearse: ({ args }: ShadowCall): Promise<WriteEffect> => {
      const rows = store
        .get(args[1] as string)
        .map(({ n }) => ({ n: n + (args[2] as number) + wrong.rehearsed }));
      return Promise.resolve({
        rowsAffected: rows.length,
        tables: { [args[1] as string]: digestRows(rows, ['n']) },
        unseen: [],
      });
    },
  };
  const recorder = new SeenRecorder();
  const pooled: Leg<Numbers> = { name: 'pooled', api, shadow };
  const router = new BackendRouter<Numbers>({
    backend: 'numbers',
    legacy: { name: 'legacy', api },
    pooled,
    operations,
    recorder,
    logger: new SeenLogger(),
    clock: systemClock,
    stages: createStaticStageSource(() => 'shadow', { ...defaultShadowSettings, ...settings }),
    tableRead: (key, table) => ({ operation: 'rows', args: [key, table] }),
  });
  const cell = (operation: string): Cell => recorder.cell('numbers', 'd', operation, 'shadow');
  return { store, wrong, shadow, recorder, router, storage: router.api, cell };
}

const numbers = (...all: number[]): NumberRow[] => all.map((n) => ({ n }));

function verdicts({ match, mismatch, inconclusive, shed }: Cell): object {
  return { match, mismatch, inconclusive, shed };
}

describe('a write that does not depend on rows already there', () => {
  test('is compared by what the table then holds, replaced or appended to', async () => {
    const { storage, router, cell, store } = bench();
    await storage.write('d', 't', numbers(1, 2), false);
    await storage.write('d', 't', numbers(3), true);
    await router.idle();
    await storage.write('d', 't', numbers(4, 4), true);
    await router.idle();
    expect(verdicts(cell('write'))).toEqual({ match: 3, mismatch: 0, inconclusive: 0, shed: {} });
    expect(store.applied).toEqual(['write', 'write', 'write']);
    expect(store.get('t')).toEqual(numbers(1, 2, 3, 4, 4));
  });

  test('cannot be judged where it is not known what was there before, and can from then on', async () => {
    const { storage, router, cell, store } = bench();
    store.tables.set('t', numbers(7));
    await storage.write('d', 't', numbers(1), true);
    await router.idle();
    expect(verdicts(cell('write'))).toEqual({
      match: 0,
      mismatch: 0,
      inconclusive: 0,
      shed: { 'no-baseline': 1 },
    });
    await storage.write('d', 't', numbers(2), true);
    await router.idle();
    expect(cell('write').match).toBe(1);
  });

  test('that writes too few rows is a mismatch at once', async () => {
    const { storage, router, cell, wrong, recorder } = bench();
    wrong.apart = (rows) => rows.slice(1);
    await storage.write('d', 't', numbers(1, 2, 3), false);
    await router.idle();
    expect(cell('write').mismatch).toBe(1);
    expect(recorder.samples[0]?.class).toBe('missing-row');
  });

  test('that writes another value is inconclusive until it has come back, since it cannot be run again', async () => {
    const { storage, router, cell, wrong } = bench();
    wrong.apart = (rows) => rows.map(({ n }) => ({ n: n + 1 }));
    for (let time = 0; time < 4; time += 1) {
      await storage.write('d', 't', numbers(1, 2, 3), false);
      await router.idle();
    }
    expect(verdicts(cell('write'))).toEqual({ match: 0, mismatch: 2, inconclusive: 2, shed: {} });
  });

  test('is not judged where another process adds rows each time, however often that comes back', async () => {
    const { storage, router, cell, store } = bench();
    await storage.write('d', 't', numbers(1), false);
    await router.idle();
    for (let time = 0; time < 4; time += 1) {
      store.tables.set('t', [...store.get('t'), ...numbers(50 + time)]);
      await storage.write('d', 't', numbers(time), true);
      await router.idle();
    }
    expect(verdicts(cell('write'))).toEqual({ match: 1, mismatch: 0, inconclusive: 4, shed: {} });
  });

  test('copies its rows before the caller may change them', async () => {
    const { storage, router, cell } = bench();
    const rows = numbers(1, 2);
    await storage.write('d', 't', rows, false);
    for (const row of rows) row.n = 99;
    await router.idle();
    expect(cell('write').match).toBe(1);
  });
});

describe('a write that depends on what is there', () => {
  test('is rehearsed, made once, and compared by its effect', async () => {
    const { storage, router, cell, store } = bench();
    store.tables.set('t', numbers(1, 2));
    await expect(storage.addToAll('d', 't', 5)).resolves.toBe(2);
    await router.idle();
    expect(verdicts(cell('addToAll'))).toEqual({
      match: 1,
      mismatch: 0,
      inconclusive: 0,
      shed: {},
    });
    expect([store.applied, store.get('t')]).toEqual([['addToAll'], numbers(6, 7)]);
  });

  test('to a table that somebody else writes all the time is no mismatch, however often it differs', async () => {
    const { storage, router, cell, store, wrong } = bench();
    store.tables.set('t', numbers(1));
    const get = store.get.bind(store);
    let reads = 0;
    // The rehearsal's rows, and those that are read after the write, are each another's.
    store.get = (table) => get(table).map(({ n }) => ({ n: n + (reads += 1) }));
    wrong.rehearsed = 0;
    for (let time = 0; time < 4; time += 1) {
      await storage.addToAll('d', 't', 5);
      await router.idle();
    }
    expect(cell('addToAll')).toMatchObject({ mismatch: 0, inconclusive: 4 });
  });

  test('with another effect is inconclusive until it has come back three times', async () => {
    const { storage, router, cell, store, wrong } = bench();
    store.tables.set('t', numbers(1));
    wrong.rehearsed = 1;
    for (let time = 0; time < 3; time += 1) {
      await storage.addToAll('d', 't', 5);
      await router.idle();
    }
    expect(verdicts(cell('addToAll'))).toEqual({
      match: 0,
      mismatch: 1,
      inconclusive: 2,
      shed: {},
    });
  });

  test('says of a match what of its effect was not looked at', async () => {
    const { storage, router, shadow, store, recorder } = bench();
    store.tables.set('t', numbers(1));
    const rehearse =
      shadow.rehearse?.bind(shadow) ?? (() => Promise.reject(new Error('no rehearsals')));
    await storage.addToAll('d', 't', 1);
    await router.idle();
    expect(recorder.samples).toEqual([]);
    shadow.rehearse = async (call, limits) => ({
      ...(await rehearse(call, limits)),
      tables: {},
      unseen: ['a table of more than 3 rows'],
    });
    await storage.addToAll('d', 't', 1);
    await router.idle();
    expect(recorder.samples).toMatchObject([
      {
        verdict: 'match',
        class: 'a table of more than 3 rows',
        summary: 'not compared: a table of more than 3 rows',
      },
    ]);
    shadow.rehearse = rehearse;
    await Promise.all([storage.addToAll('d', 't', 1), storage.addToAll('d', 't', 1)]);
    await router.idle();
    expect(
      recorder.samples.slice(1).map(({ verdict, class: what }) => [verdict, what]),
    ).toContainEqual(['match', 'the table, which was written again']);
  });

  test('is made all the same when the rehearsal hangs, fails or is over its budget', async () => {
    const { storage, router, cell, store, shadow } = bench({ rehearsalBudgetMs: 5 });
    store.tables.set('t', numbers(1));
    shadow.rehearse = () => Promise.reject(new Error('no'));
    await expect(storage.addToAll('d', 't', 1)).resolves.toBe(1);
    shadow.rehearse = () => new Promise(() => undefined);
    await expect(storage.addToAll('d', 't', 1)).resolves.toBe(1);
    await router.idle();
    expect(store.get('t')).toEqual(numbers(3));
    expect(verdicts(cell('addToAll'))).toEqual({
      match: 0,
      mismatch: 0,
      inconclusive: 1,
      shed: { budget: 1 },
    });
  });

  test('waits for the rollback of a rehearsal over its budget, then leaves some out', async () => {
    const { storage, router, cell, store, shadow } = bench({ rehearsalBudgetMs: 5 });
    store.tables.set('t', numbers(1));
    let open = false;
    const seen: boolean[] = [];
    store.onApply = () => {
      seen.push(open);
    };
    shadow.rehearse = ({ signal }) =>
      new Promise((_resolve, reject) => {
        open = true;
        signal.addEventListener('abort', () => {
          systemClock.after(30, () => {
            open = false;
            reject(new Error('rolled back'));
          });
        });
      });
    for (let time = 0; time < 9; time += 1) await storage.addToAll('d', 't', 1);
    await router.idle();
    expect(seen).toEqual(Array.from({ length: 9 }, () => false));
    expect(cell('addToAll').shed).toEqual({ budget: 9 });
  });

  test('that can not be broken off is rehearsed only where it is known to fit, and the first call tells', async () => {
    const { storage, router, cell, store, shadow } = bench({ rehearsalBudgetMs: 1_000 });
    store.tables.set('t', numbers(1));
    let estimatedMs: number | undefined;
    shadow.estimatedRehearsalMs = () => estimatedMs;
    await storage.addToAll('d', 't', 1);
    await router.idle();
    // Nothing was known; then the legacy leg's own time was.
    expect(verdicts(cell('addToAll'))).toMatchObject({ match: 0, shed: { budget: 1 } });
    for (const told of [undefined, Infinity, 5]) {
      estimatedMs = told;
      await storage.addToAll('d', 't', 1);
    }
    await router.idle();
    expect(verdicts(cell('addToAll'))).toMatchObject({ match: 3, shed: { budget: 1 } });
  });

  test('that takes the legacy leg longer than the budget is never rehearsed, and its shape says so', async () => {
    const { storage, router, cell, store, shadow, recorder } = bench({
      rehearsalBudgetMs: 0.000_001,
    });
    store.tables.set('t', numbers(1));
    shadow.estimatedRehearsalMs = () => {
      throw new Error('not to be told');
    };
    shadow.rehearse = () => {
      throw new Error('not to be called');
    };
    for (let time = 0; time < 5; time += 1) await storage.addToAll('d', 't', 1);
    await router.idle();
    expect(verdicts(cell('addToAll'))).toMatchObject({ inconclusive: 0, shed: { budget: 5 } });
    expect([...recorder.shapes.values()]).toMatchObject([
      { calls: 5, compared: 0, notComparable: "its rehearsal doesn't fit the caller's budget" },
    ]);
  });

  test('is not rehearsed where the budget is 0', async () => {
    const { storage, router, cell, store, shadow } = bench({ rehearsalBudgetMs: 0 });
    store.tables.set('t', numbers(1));
    shadow.rehearse = () => {
      throw new Error('not to be called');
    };
    await storage.addToAll('d', 't', 1);
    await router.idle();
    expect([cell('addToAll').eligible, cell('addToAll').sampled]).toEqual([1, 0]);
  });
});

describe("a write that runs the caller's function", () => {
  test('runs it once and compares the tables it touched through both legs', async () => {
    const { storage, router, cell, store } = bench();
    let runs = 0;
    await storage.work('d', () => {
      runs += 1;
      store.tables.set('t', numbers(1));
      return Promise.resolve();
    });
    await router.idle();
    expect(runs).toBe(1);
    expect(verdicts(cell('work'))).toEqual({ match: 1, mismatch: 0, inconclusive: 0, shed: {} });
  });
});

test('what waits for a table that is never read again is shed when the router closes', async () => {
  const { storage, router, cell, shadow } = bench();
  shadow.scratchWrite = () => new Promise(() => undefined);
  await storage.write('d', 't', numbers(1), false);
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  router.close();
  expect(cell('write').shed).toEqual({ closing: 1 });
});
