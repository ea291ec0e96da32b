import { TransactionOverError } from '@changeover/core';
import { describe, expect, test } from '@jest/globals';
import type { Admission, CallTraits } from './admission.ts';
import { CallContext, Caller, caller, runInTransaction } from './caller.ts';
import { DeadlockError } from './errors.ts';
import { GuaranteeRegistry } from './guarantee-registry.ts';
import { type KeyGate, SerialLeg } from './key-gate.ts';
import { gatedCall, settled, traits } from './test-kit/gated-call.ts';

const registry = new GuaranteeRegistry();
const gateOf = (key: string): KeyGate => registry.gate({ key });

/** A transaction of a caller of its own, unless told otherwise. */
function transaction<T>(
  gate: KeyGate,
  work: (admission: Admission | undefined) => Promise<T>,
  given: Partial<CallTraits> = {},
): Promise<T> {
  return gatedCall(gate, traits({ kind: 'transaction', ...given }), work);
}

const write = (gate: KeyGate, given: Partial<CallTraits> = {}): Promise<void> =>
  gatedCall(gate, traits(given), () => Promise.resolve());

const named = (result: PromiseSettledResult<unknown>): unknown =>
  result.status === 'fulfilled' ? result.value : (result.reason as Error).name;

describe('A call inside a transaction', () => {
  test('on the same key joins it, nested and after an await too, and waits for nothing', async () => {
    const gate = gateOf('a');
    const other = gateOf('b');
    const joined = await transaction(gate, async (outer) => {
      await settled();
      const inner = await Promise.all([
        transaction(gate, async (admission) => admission === outer),
        gatedCall(gate, traits(), async (admission) => admission === outer),
        transaction(other, () => gatedCall(gate, traits(), async (found) => found === outer)),
      ]);
      return inner;
    });
    expect(joined).toEqual([true, true, true]);
    expect([gate.idle, other.idle]).toEqual([true, true]);
  });

  test('of another caller is not in it', async () => {
    const gate = gateOf('a');
    let ended = false;
    const outer = transaction(gate, async () => {
      await settled();
      ended = true;
    });
    await caller(() =>
      gatedCall(gate, traits(), async () => {
        expect(ended).toBe(true);
      }),
    );
    await outer;
  });

  test('that outlives it finds it over: it is a call of its own, and is counted', async () => {
    const gate = gateOf('a');
    const { promise: go, resolve: end } = Promise.withResolvers<undefined>();
    let late: Promise<boolean> | undefined;
    let over: Admission | undefined;
    await transaction(gate, async (admission) => {
      over = admission;
      late = go.then(() => gatedCall(gate, traits(), async (found) => found === over));
    });
    const next = caller(() => transaction(gate, () => settled()));
    end(undefined);
    expect(await late).toBe(false);
    await next;
    expect(over?.state).toBe('over');
    expect(gate.reliance().lateWork.count).toBe(1);
  });

  test('that was cut is refused, so that it is not applied by itself', async () => {
    const gate = gateOf('notes:a');
    const { promise: go, resolve: end } = Promise.withResolvers<undefined>();
    let cut: Admission | undefined;
    const stuck = transaction(gate, async (admission) => {
      cut = admission;
      await go;
      await write(gate);
    });
    expect(cut && gate.cut(cut)).toMatchObject({ key: 'notes:a' });
    end(undefined);
    await expect(stuck).rejects.toThrow(TransactionOverError);
    await expect(stuck).rejects.toMatchObject({ code: 'TRANSACTION_OVER', key: 'notes:a' });
    expect(gate.idle).toBe(true);
  });

  test('still joins it after it was waived, since it goes on', async () => {
    const gate = gateOf('a');
    const joined = await transaction(gate, async (admission) => {
      if (admission !== undefined) gate.waive(admission);
      return await gatedCall(gate, traits(), async (found) => found === admission);
    });
    expect(joined).toBe(true);
    expect(gate.idle).toBe(true);
  });

  test('runs in the same tick where the transaction is synchronous', () => {
    const gate = gateOf('a');
    const outer = gate.announceNow(
      new CallContext(new Caller('test'), undefined),
      traits({ kind: 'transaction' }),
      0,
    );
    const joined = runInTransaction(outer, () => write(gate));
    gate.leave(outer);
    expect(gate.idle).toBe(true);
    return joined;
  });
});

describe('A dead-lock', () => {
  test('of two transactions that want each other is refused at once, naming both keys', async () => {
    const [a, b] = [gateOf('A'), gateOf('B')];
    const results = await Promise.allSettled([
      caller(() =>
        transaction(a, async () => {
          await settled();
          await transaction(b, settled);
          return 'a';
        }),
      ),
      caller(() =>
        transaction(b, async () => {
          await settled();
          await transaction(a, settled);
          return 'b';
        }),
      ),
    ]);
    expect(results.map(named)).toEqual(['a', 'DeadlockError']);
    expect(results[1]).toMatchObject({
      reason: { code: 'DEADLOCK', key: 'A', heldKey: 'B', retryable: true },
    });
    expect(results[1]).toHaveProperty(
      'reason.message',
      expect.stringContaining('"A" inside a transaction on "B"'),
    );
    expect([a.idle, b.idle]).toEqual([true, true]);
  });

  test('in a ring of 50 refuses one, and the others end', async () => {
    const gates = Array.from({ length: 50 }, (_, index) => gateOf(String(index)));
    const results = await Promise.allSettled(
      gates.map((gate, index) =>
        caller(() =>
          transaction(gate, async () => {
            await settled();
            await transaction(gates[(index + 1) % 50] as KeyGate, settled);
            return 'ended';
          }),
        ),
      ),
    );
    const outcomes = results.map(named);
    expect(outcomes.filter((outcome) => outcome === 'DeadlockError')).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === 'ended')).toHaveLength(49);
    expect(gates.every((gate) => gate.idle)).toBe(true);
  });

  test('by order alone, of calls of one caller, is refused', async () => {
    const [a, b] = [gateOf('A'), gateOf('B')];
    const results = await Promise.allSettled([
      transaction(a, async () => {
        await settled();
        await gatedCall(b, traits({ kind: 'read' }), settled);
        return 'a';
      }),
      transaction(b, async () => {
        await settled();
        await gatedCall(a, traits({ kind: 'read' }), settled);
        return 'b';
      }),
    ]);
    expect(results.map(named)).toEqual(['a', 'DeadlockError']);
  });

  test('between keys that are always taken in the same order is never seen', async () => {
    const [a, b] = [gateOf('A'), gateOf('B')];
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, () =>
        caller(() =>
          transaction(a, async () => {
            await settled();
            await Promise.all([transaction(b, settled), write(b)]);
          }),
        ),
      ),
    );
    expect(results.every(({ status }) => status === 'fulfilled')).toBe(true);
  });

  describe('through a singleton that is one queue for all keys', () => {
    const legacy = { leg: 'legacy' } as const;

    function keysOfOneSingleton(): { a: KeyGate; b: KeyGate; c: KeyGate } {
      const serial = { legacy: new SerialLeg() };
      const [a, b, c] = (['A', 'B', 'C'] as const).map((key) => registry.gate({ key, serial }));
      return { a, b, c } as { a: KeyGate; b: KeyGate; c: KeyGate };
    }

    test('is refused for a write to a key that has moved on while its last write waits there', async () => {
      const { a, b } = keysOfOneSingleton();
      let queued: Promise<void> | undefined;
      const result = transaction(
        a,
        async () => {
          await settled();
          // The singleton makes it when the transaction is over.
          queued = caller(() => gatedCall(b, traits(legacy), () => over));
          await write(b);
        },
        legacy,
      );
      const over = result.then(
        () => undefined,
        () => undefined,
      );
      await expect(result).rejects.toThrow(DeadlockError);
      await expect(result).rejects.toMatchObject({ key: 'B', heldKey: 'A' });
      await queued;
      expect([a.idle, b.idle]).toEqual([true, true]);
    });

    test('is avoided by passing those that wait, where the writes in flight allow it', async () => {
      const { a, b } = keysOfOneSingleton();
      const { promise: go, resolve: end } = Promise.withResolvers<undefined>();
      const pooled = caller(() => gatedCall(b, traits(), () => go));
      let queued: Promise<void> | undefined;
      const result = transaction(
        a,
        async () => {
          await settled();
          queued = caller(() => gatedCall(b, traits(legacy), () => over));
          await write(b);
          return 'passed';
        },
        legacy,
      );
      const over = result.then(() => undefined);
      await expect(result).resolves.toBe('passed');
      end(undefined);
      await Promise.all([pooled, queued]);
      expect([a.idle, b.idle]).toEqual([true, true]);
    });

    test('is refused for a call that is let onto the singleton behind a transaction that waits for its own', async () => {
      const { a, b, c } = keysOfOneSingleton();
      const results = await Promise.allSettled([
        caller(() =>
          transaction(a, async () => {
            await settled();
            await settled();
            await write(b, legacy);
            return 'a';
          }),
        ),
        caller(() =>
          transaction(
            c,
            async () => {
              await settled();
              await write(a);
              return 'c';
            },
            legacy,
          ),
        ),
      ]);
      expect(results.map(named)).toEqual(['DeadlockError', 'c']);
    });

    /**
     * A transaction on A runs on the singleton, and one on C, pooled, waits for a read that the singleton makes after it.
     *
     * @param before what the caller of the first does before it, and `inside` it.
     */
    async function circle(
      inside: (c: KeyGate) => Promise<unknown>,
      before: (c: KeyGate) => Promise<unknown> = () => Promise.resolve(),
    ): Promise<unknown> {
      const { a, c } = keysOfOneSingleton();
      const other = caller(() =>
        transaction(c, async () => {
          await settled();
          await gatedCall(a, traits({ kind: 'read', ...legacy }), () => over);
        }),
      );
      let outside: Promise<unknown> | undefined;
      const first = caller(() => {
        outside = before(c);
        return transaction(a, () => inside(c), legacy);
      });
      const over = first.then(
        () => undefined,
        () => undefined,
      );
      const [result] = await Promise.allSettled([first, other, outside]);
      expect([a.idle, c.idle]).toEqual([true, true]);
      return result.status === 'fulfilled' ? result.value : result.reason;
    }

    const slowRead = async (gate: KeyGate): Promise<void> =>
      await gatedCall(gate, traits({ kind: 'read' }), async () => {
        for (let turn = 0; turn < 5; turn += 1) await settled();
      });

    const refused = { code: 'DEADLOCK', key: 'C', heldKey: 'A' };

    test('is refused when it closes only as an earlier call of the same caller ends', async () => {
      let read: Promise<void> | undefined;
      const result = await circle(async (c) => {
        read = slowRead(c);
        await transaction(c, settled);
      });
      await read;
      expect(result).toMatchObject(refused);
    });

    test('is refused when it closes only as an earlier call gets in line that is in no transaction', async () => {
      const result = await circle(
        (c) => write(c),
        (c) => Promise.all([slowRead(c), write(c)]),
      );
      expect(result).toMatchObject(refused);
    });

    test('is not seen in a read that nobody has to wait for', async () => {
      const { a, c } = keysOfOneSingleton();
      const other = caller(() => transaction(c, slowRead.bind(undefined, a)));
      const reads: Promise<void>[] = [];
      const first = caller(() =>
        transaction(
          a,
          async () => {
            await settled();
            reads.push(caller(() => gatedCall(c, traits({ kind: 'read', ...legacy }), () => over)));
            await write(c);
            return 'written';
          },
          legacy,
        ),
      );
      const over = first.then(() => undefined);
      await expect(first).resolves.toBe('written');
      await Promise.all([other, ...reads]);
    });
  });
});

describe('Programs that rely on the order of calls that they do not await', () => {
  /** A store whose calls take different times, so that what is not ordered comes out wrong. */
  function store(): { write: (value: number) => Promise<void>; read: () => Promise<number> } {
    const gate = gateOf('store');
    let value = 0;
    let calls = 0;
    const takesTurns = async (): Promise<void> => {
      calls += 1;
      for (let turns = (calls * 7) % 5; turns > 0; turns -= 1) await settled();
    };
    return {
      write: (next) =>
        gatedCall(gate, traits(), async () => {
          await takesTurns();
          value = next;
        }),
      read: () =>
        gatedCall(gate, traits({ kind: 'read' }), async () => {
          const seen = value;
          await takesTurns();
          return seen;
        }),
    };
  }

  type Store = ReturnType<typeof store>;
  const programs: [string, (made: Store, value: number) => Promise<number>][] = [
    [
      'void write; void write; await read',
      async ({ write: set, read }, value) => {
        void set(-1);
        void set(value);
        return await read();
      },
    ],
    [
      'Promise.all([write, read])',
      async ({ write: set, read }, value) => (await Promise.all([set(value), read()]))[1],
    ],
    [
      'void write; await something else; await read',
      async ({ write: set, read }, value) => {
        void set(value);
        await settled();
        return await read();
      },
    ],
    [
      'a helper that reads, then writes without await',
      async ({ write: set, read }, value) => {
        const helper = async (): Promise<void> => {
          await read();
          void set(value);
        };
        await helper();
        return await read();
      },
    ],
    [
      'a helper that awaits something else, then writes without await',
      async ({ write: set, read }, value) => {
        const helper = async (): Promise<void> => {
          await Promise.resolve();
          void set(value);
        };
        await helper();
        return await read();
      },
    ],
  ];

  test.each(programs)('%s', async (_name, program) => {
    const made = store();
    for (let round = 1; round <= 20; round += 1) {
      await expect(program(made, round)).resolves.toBe(round);
      await expect(caller(() => program(made, -round))).resolves.toBe(-round);
    }
  });
});
