import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Admission, CallTraits } from './admission.ts';
import { CallContext, Caller, caller, currentContext } from './caller.ts';
import { DeadlockError } from './errors.ts';
import { GuaranteeRegistry } from './guarantee-registry.ts';
import { type KeyGate, SerialLeg } from './key-gate.ts';
import { gatedCall, settled, StillClock, traits } from './test-kit/gated-call.ts';

type Event =
  | {
      readonly do: 'announce';
      readonly by: number;
      readonly traits: CallTraits;
      readonly canAbort: boolean;
    }
  | { readonly do: 'leave' | 'abort' | 'waive' | 'cut'; readonly which: number };

const order = (level: CallTraits['order']): fc.Arbitrary<Event> => {
  const announced: fc.Arbitrary<CallTraits> = fc.record({
    kind: fc.constantFrom('read', 'write', 'transaction'),
    leg: fc.constantFrom('legacy', 'pooled'),
    order: fc.constant(level),
    exclusion: fc.constant('process'),
    alone: fc.boolean(),
    legKeepsOrder: fc.constant(false),
  });
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('announce' as const),
        by: fc.nat(2),
        traits: announced,
        canAbort: fc.boolean(),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constantFrom('leave' as const, 'leave' as const, 'leave' as const, 'abort' as const),
        which: fc.nat(50),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constantFrom('waive' as const, 'cut' as const),
        which: fc.nat(50),
      }),
    },
  );
};

const isRead = ({ traits: { kind } }: Admission): boolean => kind === 'read';
const excludes = ({ traits: { kind, alone } }: Admission): boolean =>
  kind === 'transaction' || (kind === 'write' && alone);

/** A gate, what was announced at it, and what must hold of that at any time. */
class History {
  readonly gate: KeyGate = new GuaranteeRegistry({ clock: new StillClock() }).gate({ key: 'k' });
  readonly callers = [0, 1, 2].map(() => new CallContext(new Caller('test'), undefined));
  readonly aborts = new Map<Admission, AbortController>();
  /** Announced, not ended and not released, in that order. */
  unfinished: Admission[] = [];
  waived: Admission[] = [];
  /** Those that waited for their turn when last looked at. */
  #turns: Admission[] = [];

  play(event: Event): void {
    const { gate } = this;
    if (event.do === 'announce') {
      const context = this.callers[event.by] as CallContext;
      const controller = new AbortController();
      const signal = event.canAbort ? controller.signal : undefined;
      const admission = gate.announce(context, event.traits, 0, signal);
      if (event.canAbort) this.aborts.set(admission, controller);
      admission.ready?.catch(() => undefined);
      this.unfinished.push(admission);
    } else if (event.do === 'abort') {
      const waiting = this.unfinished.filter(({ state }) => state.startsWith('waits'));
      const admission = waiting[event.which % waiting.length];
      if (admission !== undefined) this.aborts.get(admission)?.abort();
    } else {
      const inFlight = this.unfinished.filter(({ state }) => state === 'in flight');
      const admission = inFlight[event.which % inFlight.length];
      if (admission === undefined) return;
      if (event.do === 'leave') gate.leave(admission);
      else if (event.do === 'cut') gate.cut(admission);
      else {
        gate.waive(admission);
        this.waived.push(admission);
      }
    }
    this.unfinished = this.unfinished.filter(
      ({ state }) => state === 'in flight' || state.startsWith('waits'),
    );
    this.check();
  }

  check(): void {
    for (const [index, admission] of this.unfinished.entries()) {
      const earlier = this.unfinished
        .slice(0, index)
        .filter(
          (other) =>
            (admission.traits.order === 'process' || other.caller === admission.caller) &&
            !(isRead(other) && isRead(admission)),
        );
      // All before it have ended.
      if (admission.state === 'in flight') expect(earlier).toEqual([]);
      // Nobody waits without a reason.
      else if (admission.state === 'waits for order') expect(earlier).not.toEqual([]);
      else expect(this.gate.writesInFlight()).not.toEqual([]);
    }
    this.#checkWrites();
    this.#checkTurns();
  }

  #checkWrites(): void {
    const writes = this.gate.writesInFlight();
    expect(new Set(writes.map(({ traits: { leg } }) => leg)).size).toBeLessThanOrEqual(1);
    if (writes.some(excludes)) expect(writes).toHaveLength(1);
    const stillWaived = this.waived.some((each) => each.state === 'waived' && !isRead(each));
    expect(this.gate.quiet).toBe(writes.length === 0 && !stillWaived);
  }

  /** None that waits for its turn was passed. */
  #checkTurns(): void {
    const waiting = this.unfinished.filter(({ state }) => state === 'waits for turn');
    const still = this.#turns.filter(({ state }) => state === 'waits for turn');
    const gone = this.#turns.filter(({ state }) => state === 'in flight');
    const firstStill = this.#turns.indexOf(still[0] as Admission);
    for (const each of gone)
      if (still.length > 0) expect(this.#turns.indexOf(each)).toBeLessThan(firstStill);
    this.#turns = [...still, ...waiting.filter((each) => !still.includes(each))];
  }

  /** Ends all that is in flight until nothing is left. */
  finish(): void {
    while (this.unfinished.length > 0) {
      const before = this.unfinished.length;
      this.play({ do: 'leave', which: 0 });
      expect(this.unfinished.length).toBeLessThan(before);
    }
    for (const each of this.waived) this.gate.leave(each);
    expect(this.gate.idle).toBe(true);
    for (const context of this.callers) expect(context.caller.lanes?.size ?? 1).toBe(1);
  }
}

test.each(['caller', 'process'] as const)(
  'Whatever happens, order by %s, exclusion and legs are kept, nobody is passed, and all end once those before them do',
  (level) => {
    fc.assert(
      fc.property(fc.array(order(level), { maxLength: 60 }), (events) => {
        const history = new History();
        for (const event of events) history.play(event);
        history.finish();
      }),
      { numRuns: 500 },
    );
  },
);

/** What a program does: a call on a key and leg, and inside it, where it is a transaction, more of them. */
interface Step {
  readonly kind: CallTraits['kind'];
  readonly key: number;
  readonly leg: CallTraits['leg'];
  readonly awaited: boolean;
  readonly inside: readonly Step[];
}

const keys = 3;

const steps = fc.letrec<{ step: Step; steps: readonly Step[] }>((tie) => ({
  step: fc.record({
    kind: fc.constantFrom('read', 'write', 'transaction', 'transaction'),
    key: fc.nat(keys - 1),
    leg: fc.constantFrom('pooled', 'pooled', 'legacy'),
    awaited: fc.boolean(),
    inside: fc.oneof({ maxDepth: 3 }, fc.constant([]), tie('steps')),
  }),
  steps: fc.array(tie('step'), { minLength: 1, maxLength: 3 }),
}));

/** Runs programs whose calls end in the order that `picks` says. */
class Run {
  readonly serial = new SerialLeg();
  readonly gates: readonly KeyGate[];
  readonly #open: (() => void)[] = [];
  readonly #started: Promise<unknown>[] = [];
  refused = 0;
  settledCalls = 0;
  calls = 0;
  /** The singleton's queue: a call begins when the one before has ended. */
  #singleton: Promise<unknown> = Promise.resolve();

  constructor() {
    const registry = new GuaranteeRegistry({ clock: new StillClock() });
    this.gates = Array.from({ length: keys }, (_, key) =>
      registry.gate({ key: `k${String(key)}`, serial: { legacy: this.serial } }),
    );
  }

  async program(programs: readonly Step[], inLegacy: boolean): Promise<void> {
    const unawaited: Promise<void>[] = [];
    for (const step of programs) {
      const call = this.#call(step, inLegacy);
      if (step.awaited) await call;
      else unawaited.push(call);
    }
    await Promise.all(unawaited);
  }

  #call(step: Step, inLegacy: boolean): Promise<void> {
    const { kind, key, leg, inside } = step;
    // The singleton makes what is called inside its transaction at once, or refuses it.
    if (inLegacy && leg === 'legacy') return this.#pause();
    const gate = this.gates[key] as KeyGate;
    // A call that joins goes down its transaction's connection.
    const joins = gate.transactionOf(currentContext()) !== undefined;
    this.calls += 1;
    const call = gatedCall(gate, traits({ kind, leg }), (admission) => {
      const isLegacy = admission?.traits.leg === 'legacy';
      const work = async (): Promise<void> => {
        await this.#pause();
        if (kind === 'transaction') await this.program(inside, inLegacy || isLegacy);
      };
      return isLegacy && !joins ? this.#inTurn(work) : work();
    }).then(
      () => {
        this.settledCalls += 1;
      },
      (error: unknown) => {
        this.settledCalls += 1;
        if (!(error instanceof DeadlockError)) throw error;
        this.refused += 1;
      },
    );
    this.#started.push(call);
    return call;
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#singleton.then(work);
    this.#singleton = result.catch(() => undefined);
    return result;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#open.push(resolve);
    });
  }

  /** Lets one paused call after another go on until none is paused. */
  async drive(picks: readonly number[]): Promise<void> {
    for (let turn = 0; ; turn += 1) {
      await settled();
      if (this.#open.length === 0) return;
      const pick = (picks[turn % picks.length] ?? 0) % this.#open.length;
      this.#open.splice(pick, 1)[0]?.();
    }
  }
}

const picked = fc.array(fc.nat(20), { minLength: 1, maxLength: 20 });

test('Transactions inside each other, on any keys and legs, end or are refused: none waits for ever', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({ by: fc.boolean(), does: fc.array(steps.step, { minLength: 1, maxLength: 3 }) }),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
      picked,
      async (programs, picks) => {
        const run = new Run();
        const done = programs.map(({ by, does }) =>
          by ? caller(() => run.program(does, false)) : run.program(does, false),
        );
        await run.drive(picks);
        expect(run.settledCalls).toBe(run.calls);
        await Promise.all(done);
        expect(run.gates.map((gate) => gate.idle)).toEqual([true, true, true]);
        expect(run.serial.transactions.size).toBe(0);
      },
    ),
    { numRuns: 150 },
  );
});

/** The same, but each key is only used inside smaller ones, and by one leg: nothing can go round. */
const ascending = (step: Step, above: number): Step => ({
  ...step,
  leg: 'pooled',
  awaited: true,
  key: Math.min(keys - 1, Math.max(above, step.key)),
  inside: step.inside.map((inner) => ascending(inner, Math.max(above, step.key))),
});

test('Transactions that take keys in one order are never refused', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(steps.step, { minLength: 1, maxLength: 6 }),
      picked,
      async (found, picks) => {
        const run = new Run();
        const done = found.map((step) => caller(() => run.program([ascending(step, 0)], false)));
        await run.drive(picks);
        expect([run.settledCalls, run.refused]).toEqual([run.calls, 0]);
        await Promise.all(done);
      },
    ),
    { numRuns: 100 },
  );
});
