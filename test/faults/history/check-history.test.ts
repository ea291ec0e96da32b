import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { checkHistory, type Order } from './check-history.ts';
import { type HistoryCall, HistoryRecorder, isReadOnly, type Step } from './history.ts';

const initial = { n: 0, r: 0, s: [] };
const orders: readonly Order[] = ['process', 'caller'];

/** What a call does, before it is known what it is told. */
type Intent = 'read n' | 'add' | 'increment' | 'read r' | 'write' | 'insert' | 'members';
const intents: readonly Intent[] = [
  'read n',
  'add',
  'increment',
  'read r',
  'write',
  'insert',
  'members',
];

interface Planned {
  readonly caller: number;
  readonly intent: Intent;
  /** How far the call's beginning is before its effect, and its end after it. */
  readonly begins: number;
  readonly ends: number;
  readonly unknown: boolean;
  readonly applied: boolean;
}

const planned = fc.record<Planned>({
  caller: fc.integer({ min: 0, max: 3 }),
  intent: fc.constantFrom(...intents),
  begins: fc.integer({ min: 0, max: 60 }),
  ends: fc.integer({ min: 0, max: 60 }),
  unknown: fc.integer({ min: 0, max: 9 }).map((one) => one === 0),
  applied: fc.boolean(),
});
const plans = fc.array(planned, { minLength: 1, maxLength: 40 });

/** A history whose calls took effect in the order of the list, each in its own time. */
function happened(
  plan: readonly Planned[],
  one: (call: number) => number | undefined = () => undefined,
): HistoryCall[] {
  let n = 0;
  let r = 0;
  const members: string[] = [];
  const endOf = new Map<number, number>();
  return plan.map((each, at): HistoryCall => {
    const isRead =
      each.intent === 'read n' || each.intent === 'read r' || each.intent === 'members';
    const unknown = each.unknown && !isRead;
    const effect = (at + 1) * 10;
    const applies = !unknown || each.applied;
    const told = one(at);
    const steps = ((): Step[] => {
      switch (each.intent) {
        case 'read n':
          return [{ kind: 'read', object: 'n', told: told ?? n }];
        case 'add':
          if (applies) n += 1;
          return [{ kind: 'add', object: 'n', amount: 1 }];
        case 'increment': {
          const was = told ?? n;
          if (applies) n = was + 1;
          return [
            { kind: 'read', object: 'n', told: was },
            { kind: 'write', object: 'n', value: was + 1 },
          ];
        }
        case 'read r':
          return [{ kind: 'read', object: 'r', told: told ?? r }];
        case 'write':
          if (applies) r = at + 1;
          return [{ kind: 'write', object: 'r', value: at + 1 }];
        case 'insert':
          if (applies) members.push(`m${String(at)}`);
          return [{ kind: 'insert', object: 's', member: `m${String(at)}` }];
        case 'members':
          return [{ kind: 'members', object: 's', told: [...members] }];
      }
    })();
    // A caller's calls are made one after the other.
    const invoked = Math.max(effect - each.begins, (endOf.get(each.caller) ?? -1) + 0.5);
    const returned = effect + 0.25 + Math.min(each.ends, 9);
    endOf.set(each.caller, returned);
    return {
      caller: `c${String(each.caller)}`,
      operation: each.intent,
      steps,
      invoked,
      returned,
      outcome: unknown ? 'unknown' : 'done',
    };
  });
}

const call = (
  caller: string,
  steps: readonly Step[],
  [invoked, returned]: readonly [number, number],
  more: Partial<HistoryCall> = {},
): HistoryCall => ({
  caller,
  operation: 'call',
  steps,
  invoked,
  returned,
  outcome: 'done',
  ...more,
});
const write = (value: number): Step => ({ kind: 'write', object: 'r', value });
const read = (told: number): Step => ({ kind: 'read', object: 'r', told });
const wrote = (was: number): readonly Step[] => [
  { kind: 'read', object: 'n', told: was },
  { kind: 'write', object: 'n', value: was + 1 },
];
const kindOf = (calls: readonly HistoryCall[], order: Order): string =>
  checkHistory(calls, { order, initial }).kind;

describe('a history that happened is explained', () => {
  test('where callers overlap, and what is unknown took effect or not', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        expect(checkHistory(happened(plan), { order: 'caller', initial })).toEqual({
          kind: 'explained',
        });
      }),
    );
  });

  test('also by the order of the process where calls took effect as they were issued', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const inOrder = happened(plan.map((each) => ({ ...each, begins: 0, ends: each.ends })));
        expect(checkHistory(inOrder, { order: 'process', initial })).toEqual({ kind: 'explained' });
      }),
    );
  });
});

describe('what no order explains is found', () => {
  test('a lost update: a read, at the end, of one less than was acknowledged', () => {
    fc.assert(
      fc.property(plans, fc.constantFrom(...orders), (plan, order) => {
        const calls = happened(plan.map((each) => ({ ...each, unknown: false, begins: 0 })));
        const n = plan.filter(({ intent }) => intent === 'add' || intent === 'increment').length;
        const last = (told: number): HistoryCall[] => [
          ...calls,
          call('last', [{ kind: 'read', object: 'n', told }], [1_000, 1_001], { last: true }),
        ];
        expect(kindOf(last(n), order)).toBe('explained');
        expect(kindOf(last(n - 1), order)).toBe('impossible');
        expect(kindOf(last(n + 1), order)).toBe('impossible');
      }),
    );
  });

  test('two transactions that read the same and both wrote', () => {
    const lost = [call('a', wrote(0), [1, 4]), call('b', wrote(0), [2, 3])];
    for (const order of orders) expect(kindOf(lost, order)).toBe('impossible');
  });

  test('a stale read: what its own caller has seen overwritten', () => {
    fc.assert(
      fc.property(plans, fc.constantFrom(...orders), (plan, order) => {
        const calls = happened(plan.map((each) => ({ ...each, begins: 0 })));
        const value = 900;
        const stale = [
          ...calls,
          call('c9', [write(value)], [1_000, 1_001]),
          call('c9', [write(value + 1)], [1_002, 1_003]),
        ];
        expect(kindOf([...stale, call('c9', [read(value + 1)], [1_004, 1_005])], order)).toBe(
          'explained',
        );
        expect(kindOf([...stale, call('c9', [read(value)], [1_004, 1_005])], order)).toBe(
          'impossible',
        );
      }),
    );
  });

  test('a swapped write: the first of two is there after both, awaited or not', () => {
    for (const order of orders) {
      for (const second of [2, 11] as const) {
        const swapped = [
          call('a', [write(1)], [1, 10]),
          call('a', [write(2)], [second, 20]),
          call('b', [read(1)], [30, 31], { last: true }),
        ];
        expect(kindOf(swapped, order)).toBe('impossible');
      }
    }
  });

  test('a member of a set that is there and then is not', () => {
    const members = (...told: string[]): readonly Step[] => [
      { kind: 'members', object: 's', told },
    ];
    const calls = [
      call('a', [{ kind: 'insert', object: 's', member: 'x' }], [1, 2]),
      call('b', members('x'), [3, 4]),
      call('b', members(), [5, 6]),
    ];
    for (const order of orders) expect(kindOf(calls, order)).toBe('impossible');
  });
});

describe('the order in force decides', () => {
  test('a read that is behind another caller is explained by callers, and not by the process', () => {
    const calls = [call('a', [write(1)], [1, 2]), call('b', [read(0)], [3, 4])];
    expect(kindOf(calls, 'caller')).toBe('explained');
    expect(kindOf(calls, 'process')).toBe('impossible');
  });

  test('calls that nobody awaited are in the order of their issue; reads run beside reads', () => {
    const unawaited = [call('a', [write(1)], [1, 4]), call('a', [read(0)], [2, 3])];
    for (const order of orders) expect(kindOf(unawaited, order)).toBe('impossible');
    const reads = [
      call('b', [write(1)], [1, 9]),
      call('a', [read(1)], [2, 6]),
      call('a', [read(0)], [3, 5]),
    ];
    expect(kindOf(reads, 'caller')).toBe('explained');
  });

  test('an unknown call may take effect long after its caller was told, or never, but not twice and not before', () => {
    const unknown = call('a', [write(1)], [3, 4], { outcome: 'unknown' });
    const reads = (...told: number[]): HistoryCall[] =>
      told.map((one, at) => call('b', [read(one)], [10 + 2 * at, 11 + 2 * at]));
    for (const order of orders) {
      expect(kindOf([unknown, ...reads(0, 0, 1, 1)], order)).toBe('explained');
      expect(kindOf([unknown, ...reads(0, 0)], order)).toBe('explained');
      expect(kindOf([unknown, ...reads(1, 0)], order)).toBe('impossible');
    }
    expect(kindOf([call('b', [read(1)], [1, 2]), unknown], 'process')).toBe('impossible');
  });
});

test('what others were told settles of unknown calls whether they took effect, so that many of them are decided at once', () => {
  const unknown = Array.from({ length: 24 }, (_unused, at) =>
    call(`u${String(at)}`, [write(at + 1)], [at, 100 + at], { outcome: 'unknown' }),
  );
  const told = [7, 3, 20, 11].map((value, at) =>
    call('b', [read(value)], [200 + 2 * at, 201 + 2 * at]),
  );
  const kind = (calls: readonly HistoryCall[]): string =>
    checkHistory(calls, { order: 'caller', initial, maxStates: 100 }).kind;
  expect(kind([...unknown, ...told])).toBe('explained');
  expect(kind([...unknown, ...told, call('b', [read(7)], [300, 301])])).toBe('impossible');
  // What is added to has the value with or without the one that wrote it.
  const added = call('a', [{ kind: 'add', object: 'n', amount: 1 }], [1, 2]);
  const wroteIt = call('c', wrote(5), [3, 4], { outcome: 'unknown' });
  const one = call('b', [{ kind: 'read', object: 'n', told: 1 }], [5, 6], { last: true });
  expect(kind([added, wroteIt, one])).toBe('explained');
});

test('a search that was given up says so, and is no pass', () => {
  const calls = Array.from({ length: 8 }, (_unused, at) =>
    call(`c${String(at)}`, [write(at + 1)], [at, 100 + at]),
  ).concat(call('z', [read(99)], [200, 201], { last: true }));
  expect(checkHistory(calls, { order: 'caller', initial, maxStates: 50 }).kind).toBe('undecided');
  expect(checkHistory(calls, { order: 'caller', initial }).kind).toBe('impossible');
});

describe('the recorder', () => {
  test('keeps what a refused call was told before it wrote, and takes back the rest', async () => {
    const recorder = new HistoryRecorder();
    const work = (steps: Step[]): Promise<void> => {
      steps.push(read(7), write(8));
      return Promise.reject(new Error('no'));
    };
    await recorder.call('a', 'transaction', work, () => 'refused');
    await recorder.call('a', 'transaction', work, () => 'unknown');
    expect(recorder.calls).toMatchObject([
      { steps: [read(7)], outcome: 'done', invoked: 1, returned: 2 },
      { steps: [read(7), write(8)], outcome: 'unknown', invoked: 3, returned: 4 },
    ]);
    expect(recorder.calls.map(isReadOnly)).toEqual([true, false]);
  });
});
