import { describe, expect, test } from '@jest/globals';
import { ConnectionError, StatementError } from '@changeover/engines/api';
import fc from 'fast-check';
import { ManualClock, settle } from '../../../../test/kit/manual-clock.ts';
import { isInLine, type Job } from '../job.ts';
import { FencedError, type PooledSession } from '../pooled-session.ts';
import { datasetOver, ScriptedPool, ScriptedSession } from './test-kit/scripted-dataset.ts';
import { type PlaceInLine, WriteLine } from './write-line.ts';

const sharing = { atOnce: 32, inAll: 32, freelyMs: Infinity, mostMs: Infinity, stallMs: Infinity };

type Fate = 'applied' | 'refused' | 'busy' | 'lost';

interface Sent {
  readonly n: number;
  readonly fences: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

const refused = (code: string): StatementError =>
  new StatementError(code, { cause: Object.assign(new Error(code), { code }) });

/** A connection that runs what it was sent one after another, and answers later. */
class FarSession extends ScriptedSession {
  readonly #applied: number[];
  readonly #sent: Sent[] = [];
  readonly #answers: (() => void)[] = [];
  /** As it is there, and as it is known here. */
  #fencesThere = 0;
  fences = 0;

  constructor(applied: number[]) {
    super();
    this.#applied = applied;
    this.answer = (job: Job) =>
      new Promise((resolve, reject) => {
        if (!isInLine(job)) throw new Error('not in a line');
        const n = Number((job as { readonly args: readonly unknown[] }).args[1]);
        this.#sent.push({ n, fences: this.fences, resolve, reject });
      });
  }

  get unanswered(): number {
    return this.#sent.length + this.#answers.length;
  }

  /** Runs what was sent first. */
  runFirst(fate: Fate): void {
    if (fate === 'lost') {
      this.#lose();
      return;
    }
    const sent = this.#sent.shift();
    if (sent === undefined) return;
    const { n, fences, resolve, reject } = sent;
    if (fences !== this.#fencesThere) {
      this.#answers.push(() => {
        reject(new FencedError());
      });
    } else if (fate === 'applied') {
      this.#applied.push(n);
      this.#answers.push(() => {
        resolve(1);
      });
    } else {
      if (fate === 'busy') this.#fencesThere += 1;
      this.#answers.push(() => {
        if (fate === 'busy') this.fences += 1;
        reject(refused(fate === 'busy' ? '55P03' : '23505'));
      });
    }
  }

  /** What was answered is told first. */
  #lose(): void {
    this.connected = false;
    while (this.#answers.length > 0) this.tell();
    for (const { reject } of this.#sent.splice(0))
      reject(new ConnectionError('lost; nothing was applied', { retryable: true }));
  }

  /** Tells the first answer that has not been told. */
  tell(): void {
    this.#answers.shift()?.();
  }
}

/** A dataset whose writes of several callers are sent over such a connection. */
function farDataset() {
  const clock = new ManualClock();
  const applied: number[] = [];
  const sessions: FarSession[] = [];
  // One at a time: what was given up may go on, and what comes after it has to come after it.
  const scripted = new ScriptedPool(clock, sharing, undefined, {
    max: 1,
    session: () => {
      const session = new FarSession(applied);
      sessions.push(session);
      return session;
    },
  });
  const dataset = datasetOver(scripted, { sharesWrites: true });
  const lines = [0, 1, 2].map(() => new WriteLine('orders'));
  const aborts: AbortController[] = [];
  const outcomes: Promise<string>[] = [];
  const enter = (line: number): void => {
    const n = outcomes.length;
    const place = (lines[line] as WriteLine).enter();
    const controller = new AbortController();
    aborts.push(controller);
    const args = ['UPDATE t SET n = $1', n];
    const job: Job = { kind: 'operation', operation: 'execute', args, inLine: true };
    const limit = { signal: controller.signal, atMs: Infinity };
    outcomes.push(
      dataset
        .run(job, limit, place)
        .finally(() => {
          place.leave();
        })
        .then(
          () => 'applied',
          (error: unknown) => (error as { code: string }).code,
        ),
    );
  };
  return { clock, applied, lines, enter, aborts, outcomes, sessions };
}

type Event =
  | { readonly do: 'enter'; readonly line: number }
  | { readonly do: 'run'; readonly fate: Fate }
  | { readonly do: 'tell' | 'pass' }
  | { readonly do: 'abort'; readonly which: number };

const events: fc.Arbitrary<Event[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ do: fc.constant('enter' as const), line: fc.nat(2) }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('run' as const),
        fate: fc.constantFrom<Fate>('applied', 'applied', 'busy', 'refused', 'lost'),
      }),
    },
    { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('tell' as const, 'pass' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), which: fc.nat(40) }) },
  ),
  { maxLength: 60, size: 'max' },
);

test('however writes fail and are given up, those of one line take effect once and in their order', async () => {
  await fc.assert(
    fc.asyncProperty(events, async (given) => {
      const { clock, applied, lines, enter, aborts, outcomes, sessions } = farDataset();
      const lineOf: number[] = [];
      for (const event of given) {
        if (event.do === 'enter') {
          lineOf.push(event.line);
          enter(event.line);
        } else if (event.do === 'run') for (const session of sessions) session.runFirst(event.fate);
        else if (event.do === 'tell') for (const session of sessions) session.tell();
        else if (event.do === 'abort') aborts[event.which % Math.max(1, aborts.length)]?.abort();
        else await clock.advance(30);
        await settle();
      }
      for (let turn = 0; turn < 500 && lines.some(({ idle }) => !idle); turn += 1) {
        for (const session of sessions) {
          while (session.unanswered > 0) {
            session.runFirst('applied');
            session.tell();
          }
        }
        await clock.advance(30);
      }
      const told = await Promise.all(outcomes);
      expect(new Set(applied).size).toBe(applied.length);
      for (const line of [0, 1, 2]) {
        const ofLine = applied.filter((n) => lineOf[n] === line);
        expect(ofLine).toEqual([...ofLine].sort((a, b) => a - b));
      }
      for (const [n, outcome] of told.entries()) {
        if (outcome === 'applied') expect(applied).toContain(n);
        if (outcome === 'STATEMENT_FAILED') expect(applied).not.toContain(n);
      }
    }),
    { numRuns: 150 },
  );
});

describe('a place in a line', () => {
  const session = (): PooledSession => new ScriptedSession();
  const sentOn = (on: PooledSession, place: PlaceInLine): void => {
    expect(place.turn()).toBeUndefined();
    expect(place.maySend(on)).toBe(true);
    place.sent(on);
  };

  test('may be sent behind those that were sent on the same connection, and on no other', () => {
    const line = new WriteLine('d');
    const [one, two] = [session(), session()];
    const [first, second] = [line.enter(), line.enter()];
    expect(second.maySend(one)).toBe(false);
    sentOn(one, first);
    expect(second.maySend(two)).toBe(false);
    first.leave();
    expect(second.maySend(two)).toBe(true);
  });

  test('may not be sent behind one that will come back, though that was not told yet', () => {
    const line = new WriteLine('d');
    const on = new FarSession([]);
    const [first, second, third] = [line.enter(), line.enter(), line.enter()];
    sentOn(on, first);
    sentOn(on, second);
    // Of this line or of another: it is the connection that raises it.
    on.fences += 1;
    expect(third.maySend(on)).toBe(false);
    first.failed();
    sentOn(on, first);
    expect(third.maySend(on)).toBe(false);
    second.failed();
    sentOn(on, second);
    expect(third.maySend(on)).toBe(true);
  });

  test('is told when the one before it was sent or has left', async () => {
    const line = new WriteLine('d');
    const on = session();
    const [first, second, third] = [line.enter(), line.enter(), line.enter()];
    const told: string[] = [];
    void second.turn()?.then(() => told.push('second'));
    void third.turn()?.then(() => told.push('third'));
    sentOn(on, first);
    await settle();
    expect(told).toEqual(['second']);
    second.leave();
    await settle();
    expect(told).toEqual(['second', 'third']);
    expect(line.idle).toBe(false);
    for (const place of [first, second, third]) place.leave();
    expect(line.idle).toBe(true);
  });
});
