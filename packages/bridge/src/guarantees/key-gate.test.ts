import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Admission, CallTraits } from './admission.ts';
import { CallContext, Caller } from './caller.ts';
import { GuaranteeRegistry } from './guarantee-registry.ts';
import type { KeyGate } from './key-gate.ts';
import { settled, StillClock, traits } from './test-kit/gated-call.ts';

const clock = new StillClock();
let gate: KeyGate;

beforeEach(() => {
  clock.nowMs = 0;
  gate = new GuaranteeRegistry({ clock }).gate({ key: 'notes:all' });
});

const someone = (): CallContext => new CallContext(new Caller('test'), undefined);
const one = someone();
const two = someone();

function announce(context: CallContext, given: Partial<CallTraits>): Admission {
  return gate.announce(context, traits(given), 0);
}

const inFlight = (admission: Admission): boolean => admission.state === 'in flight';

const read = { kind: 'read' } as const;
const write = { kind: 'write' } as const;
const transaction = { kind: 'transaction' } as const;
const legacyWrite = { kind: 'write', leg: 'legacy' } as const;
const rehearsed = { kind: 'write', alone: true } as const;
const unordered = { order: 'none' } as const;
const byProcess = { order: 'process' } as const;

describe('What a call waits for that is announced while another is in flight', () => {
  const table: [string, Partial<CallTraits>, Partial<CallTraits>, boolean, boolean][] = [
    // first, second, waits if of the same caller, waits if of another
    ['a read after a read', read, read, false, false],
    ['a read after a write', write, read, true, false],
    ['a write after a read', read, write, true, false],
    ['a write after a write', write, write, true, false],
    ['a read after a transaction', transaction, read, true, false],
    ['a transaction after a read', read, transaction, true, false],
    ['a write after a transaction', transaction, write, true, true],
    ['a transaction after a write', write, transaction, true, true],
    ['a transaction after a transaction', transaction, transaction, true, true],
    ['a write after one on the other leg', legacyWrite, write, true, true],
    ['a read after a write on the other leg', legacyWrite, read, true, false],
    ['a write after a rehearsed one', rehearsed, write, true, true],
    ['a rehearsed write after another', write, rehearsed, true, true],
    ['an unordered read after a write', write, { ...read, ...unordered }, false, false],
    ['an unordered write after a write', write, { ...write, ...unordered }, false, false],
    ['an unordered write after a transaction', transaction, { ...write, ...unordered }, true, true],
    [
      'a write after a transaction that excludes nobody',
      { ...transaction, ...unordered, exclusion: 'none' },
      { ...write, ...unordered, exclusion: 'none' },
      false,
      false,
    ],
    [
      'a read after a write, by process',
      { ...write, ...byProcess },
      { ...read, ...byProcess },
      true,
      true,
    ],
    [
      'a read after a read, by process',
      { ...read, ...byProcess },
      { ...read, ...byProcess },
      false,
      false,
    ],
  ];

  test.each(table)('%s', async (_name, first, second, sameWaits, otherWaits) => {
    for (const [context, waits] of [
      [one, sameWaits],
      [two, otherWaits],
    ] as const) {
      const earlier = announce(one, first);
      const later = announce(context, second);
      expect(earlier.ready).toBeUndefined();
      expect(later.ready === undefined).toBe(!waits);
      gate.leave(earlier);
      await later.ready;
      expect(inFlight(later)).toBe(true);
      gate.leave(later);
      expect(gate.idle).toBe(true);
    }
  });
});

describe('Order', () => {
  test('lets reads that wait for a write go together, and the next write after all of them', () => {
    const first = announce(one, write);
    const reads = [announce(one, read), announce(one, read)];
    const last = announce(one, write);
    gate.leave(first);
    expect(reads.map(inFlight)).toEqual([true, true]);
    gate.leave(reads[1] as Admission);
    expect(inFlight(last)).toBe(false);
    gate.leave(reads[0] as Admission);
    expect(inFlight(last)).toBe(true);
  });

  test('does not let a read pass a write of its caller that waits', () => {
    const slow = announce(one, read);
    const waits = announce(one, write);
    const later = announce(one, read);
    expect(inFlight(later)).toBe(false);
    gate.leave(slow);
    expect([inFlight(waits), inFlight(later)]).toEqual([true, false]);
  });

  test('of one caller does not hold up the writes of another', () => {
    announce(one, read);
    const waits = announce(one, write);
    expect(inFlight(waits)).toBe(false);
    expect(announce(two, write).ready).toBeUndefined();
  });

  test('keeps the keys of one caller apart, and forgets those without unfinished calls', () => {
    const registry = new GuaranteeRegistry({ clock });
    const gates = ['a', 'b', 'c'].map((key) => registry.gate({ key }));
    const context = someone();
    const admissions = gates.map((each) => each.announce(context, traits(), 0));
    expect(admissions.map(inFlight)).toEqual([true, true, true]);
    expect(gates.map((each) => each.announce(context, traits(read), 0).state)).toEqual(
      gates.map(() => 'waits for order'),
    );
    expect(context.caller.lanes?.size).toBe(3);
    for (const [index, each] of gates.entries()) {
      each.leave(admissions[index] as Admission);
      for (const admission of [...each.inFlight]) each.leave(admission);
      expect(each.idle).toBe(true);
    }
    expect(context.caller.lanes?.size).toBe(1);
  });
});

describe('Turns', () => {
  test('hold later writes behind one for the other leg, so that a change of stage is not starved', () => {
    const legacy = [announce(someone(), legacyWrite), announce(someone(), legacyWrite)];
    const moved = announce(someone(), write);
    const late = announce(someone(), legacyWrite);
    gate.leave(legacy[0] as Admission);
    expect([inFlight(moved), inFlight(late)]).toEqual([false, false]);
    gate.leave(legacy[1] as Admission);
    expect([inFlight(moved), inFlight(late)]).toEqual([true, false]);
    gate.leave(moved);
    expect(inFlight(late)).toBe(true);
  });

  test('are given up by an aborted signal, which lets those behind go on', async () => {
    const first = announce(someone(), write);
    const controller = new AbortController();
    const aborted = gate.announce(someone(), traits(transaction), 0, controller.signal);
    const behind = announce(someone(), write);
    expect(inFlight(behind)).toBe(false);
    controller.abort(new Error('enough'));
    await expect(aborted.ready).rejects.toThrow('enough');
    expect(inFlight(behind)).toBe(true);
    gate.leave(aborted);
    gate.leave(behind);
    gate.leave(first);
    expect(gate.idle).toBe(true);
  });

  test('are not waited for with a signal that is aborted already', async () => {
    announce(one, write);
    const later = gate.announce(one, traits(), 0, AbortSignal.abort(new Error('before')));
    await expect(later.ready).rejects.toThrow('before');
    expect(inFlight(later)).toBe(false);
  });

  test('once had are not lost to an abort', async () => {
    const controller = new AbortController();
    const first = announce(one, write);
    const second = gate.announce(one, traits(), 0, controller.signal);
    gate.leave(first);
    controller.abort();
    await second.ready;
    expect(inFlight(second)).toBe(true);
  });

  test('are not waited for by a call that can not wait; others wait for it as for any', () => {
    const first = announce(one, transaction);
    expect(gate.legInFlight).toBe('pooled');
    const now = gate.announceNow(two, traits(), 0);
    expect([inFlight(now), now.ready]).toEqual([true, undefined]);
    const behind = announce(two, write);
    gate.leave(first);
    expect(inFlight(behind)).toBe(false);
    gate.leave(now);
    expect(inFlight(behind)).toBe(true);
    gate.leave(behind);
    expect([gate.idle, gate.legInFlight]).toEqual([true, undefined]);
  });

  test('stay exclusive while one that could not wait runs beside a transaction', () => {
    const first = announce(one, transaction);
    const now = gate.announceNow(two, traits(), 0);
    const other = announce(someone(), write);
    gate.leave(now);
    expect(inFlight(other)).toBe(false);
    gate.leave(first);
    expect(inFlight(other)).toBe(true);
  });
});

describe('A leg that keeps order itself', () => {
  const kept = { leg: 'legacy', legKeepsOrder: true } as const;

  test('is handed one call after another, whatever they are', () => {
    for (const given of [read, read, write, read, write]) {
      const admission = announce(one, { ...given, ...kept });
      expect(inFlight(admission)).toBe(true);
      gate.handOver(admission);
    }
    const counted = gate.reliance().order.count;
    expect(counted).toBe(3);
    for (const admission of [...gate.inFlight]) gate.leave(admission);
    expect(gate.idle).toBe(true);
  });

  test('gets nothing past a call that was not handed over yet', () => {
    const rehearsed = announce(one, { ...write, leg: 'legacy', alone: true });
    const later = announce(one, { ...read, ...kept });
    const last = announce(one, { ...read, ...kept });
    expect([later, last].map(inFlight)).toEqual([false, false]);
    gate.handOver(rehearsed);
    expect([later, last].map(inFlight)).toEqual([true, true]);
  });

  test('gets nothing past a call of the caller that waits', () => {
    const pooled = announce(two, write);
    const waits = announce(one, { ...write, ...kept });
    const later = announce(one, { ...read, ...kept });
    expect([waits, later].map(inFlight)).toEqual([false, false]);
    gate.leave(pooled);
    expect([waits, later].map(inFlight)).toEqual([true, false]);
    gate.handOver(waits);
    expect(inFlight(later)).toBe(true);
  });

  test('does not keep the order towards the other leg', () => {
    const pooled = announce(one, write);
    const legacy = announce(one, { ...read, ...kept });
    expect(inFlight(legacy)).toBe(false);
    gate.leave(pooled);
    gate.handOver(legacy);
    const back = announce(one, write);
    expect(inFlight(back)).toBe(false);
    gate.leave(legacy);
    expect(inFlight(back)).toBe(true);
  });

  test('gives what was handed over nothing to wait for twice', () => {
    const first = announce(one, { ...write, ...kept });
    gate.handOver(first);
    gate.handOver(first);
    const unsent = announce(one, { ...write, ...kept });
    expect(inFlight(announce(one, { ...write, ...kept }))).toBe(false);
    gate.handOver(unsent);
    for (const admission of [...gate.inFlight]) gate.leave(admission);
    expect(gate.idle).toBe(true);
  });
});

describe('Epoch and quiet', () => {
  test('tell of writes, not of reads', () => {
    const reading = announce(one, read);
    expect([gate.epoch, gate.quiet, gate.idle]).toEqual([0, true, false]);
    const writing = announce(two, write);
    expect([gate.epoch, gate.quiet]).toEqual([1, false]);
    gate.leave(writing);
    gate.leave(reading);
    expect([gate.epoch, gate.quiet, gate.idle]).toEqual([2, true, true]);
  });

  test('tell of writes that are ordered elsewhere', () => {
    gate.pass();
    expect([gate.epoch, gate.quiet, gate.idle]).toEqual([1, false, false]);
    gate.passed();
    expect([gate.epoch, gate.quiet, gate.idle]).toEqual([2, true, true]);
  });
});

describe('A write that does not end', () => {
  test('is shown with who made it and since when it has been in flight', () => {
    const first = announce(one, legacyWrite);
    const second = gate.announce(two, traits(), 10);
    clock.nowMs = 250;
    gate.leave(first);
    expect(gate.writesInFlight()).toEqual([second]);
    expect(second).toMatchObject({ caller: two.caller, sinceMs: 250, traits: { leg: 'pooled' } });
  });

  test('is waived: others pass it, and the key is not quiet until it ends', () => {
    const stuck = announce(one, legacyWrite);
    const moved = announce(two, write);
    const ordered = announce(one, read);
    clock.nowMs = 1_000;
    expect(gate.waive(stuck)).toEqual({
      key: 'notes:all',
      kind: 'write',
      leg: 'legacy',
      origin: 'test',
      sinceMs: 0,
      releasedMs: 1_000,
      admitted: 2,
    });
    expect([inFlight(moved), inFlight(ordered)]).toEqual([true, true]);
    gate.leave(moved);
    gate.leave(ordered);
    expect([gate.quiet, gate.idle]).toEqual([false, false]);
    const { epoch } = gate;
    gate.leave(stuck);
    gate.leave(stuck);
    expect([gate.quiet, gate.idle, gate.epoch]).toEqual([true, true, epoch + 1]);
    expect(gate.waive(stuck)).toBeUndefined();
  });

  test('is cut: others pass it, and its late end changes nothing', () => {
    const stuck = announce(one, { ...transaction, leg: 'legacy' });
    const moved = announce(two, write);
    expect(gate.cut(stuck)).toMatchObject({ kind: 'transaction', admitted: 1 });
    expect(inFlight(moved)).toBe(true);
    const { epoch } = gate;
    gate.leave(stuck);
    expect([gate.epoch, gate.quiet]).toEqual([epoch, false]);
    expect(gate.cut(moved)).toMatchObject({ admitted: 0 });
  });
});

describe('Reliance', () => {
  test('counts what order and exclusion were needed for, at any level', () => {
    const free = { order: 'none', exclusion: 'none' } as const;
    const first = announce(one, { ...transaction, ...free });
    announce(one, { ...read, ...free });
    announce(two, { ...read, ...free });
    announce(two, { ...write, ...free });
    expect(gate.reliance()).toMatchObject({ order: { count: 2 }, exclusion: { count: 1 } });
    gate.leave(first);
    announce(someone(), { ...write, ...free });
    expect(gate.reliance()).toMatchObject({ order: { count: 2 }, exclusion: { count: 1 } });
    announce(someone(), { ...transaction, ...free });
    expect(gate.reliance()).toMatchObject({ order: { count: 2 }, exclusion: { count: 2 } });
  });

  test('counts a call that could not wait', () => {
    announce(one, write);
    gate.announceNow(one, traits(read), 0);
    expect(gate.reliance().order.count).toBe(1);
  });

  test('keeps at most 20 call sites, and survives a hook that throws', () => {
    let asked = 0;
    const captureSite = (): string | undefined => {
      asked += 1;
      if (asked === 1) throw new Error('hook');
      return asked === 2 ? undefined : `site ${String(Math.min(asked, 60) % 40)}`;
    };
    const watched = new GuaranteeRegistry({ clock, captureSite }).gate({ key: 'k' });
    watched.announce(one, traits(), 0);
    for (let call = 0; call < 80; call += 1) watched.announceNow(one, traits(read), 0);
    const { count, sites } = watched.reliance().order;
    expect(count).toBe(80);
    expect(sites).toHaveLength(20);
    expect(sites[0]).toEqual({ site: 'site 3', count: 2 });
  });
});

test('Calls admitted together go on in the order in which they were announced', async () => {
  const log: string[] = [];
  const first = announce(one, write);
  for (const name of ['a', 'b', 'c'])
    void announce(one, read).ready?.then(() => {
      log.push(name);
    });
  gate.leave(first);
  await settled();
  expect(log).toEqual(['a', 'b', 'c']);
});
