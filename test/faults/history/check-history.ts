import { describe, type HistoryCall, isReadOnly, type ObjectState, type Step } from './history.ts';

/** Whose calls take effect in the order in which they were issued. */
export type Order = 'process' | 'caller';

export interface CheckOptions {
  readonly order: Order;
  /** What each object held before the first call. */
  readonly initial: Readonly<Record<string, ObjectState>>;
  /** States looked at before the search gives up, for each of its attempts. Default: 200,000. */
  readonly maxStates?: number | undefined;
}

/** `undecided` is no pass: the search was given up. */
export type Verdict =
  | { readonly kind: 'explained' }
  | { readonly kind: 'impossible' | 'undecided'; readonly why: string };

const explained: Verdict = { kind: 'explained' };

/**
 * Whether there is an order of all calls on one key in which each was told what it would have been told had they been made one
 * after the other: a search with memory of what was tried (Wing and Gong 1993, Lowe 2017).
 *
 * With order `process` calls are in the order in which they were issued, and reads that overlap in any. With `caller` that holds for each
 * caller's own. Since that has many more orders, those are tried first which a stronger promise would leave: none, where one
 * call had ended before the other began, is turned round. A call of unknown outcome is anywhere after its beginning, or nowhere.
 *
 * @throws {RangeError} for an object of a call that `initial` doesn't name.
 */
export function checkHistory(calls: readonly HistoryCall[], options: CheckOptions): Verdict {
  const { maxStates = 200_000 } = options;
  const kept = settled(calls, options.initial);
  const strict = new Search(kept, options.initial, precedence(kept, options.order, true)).run(
    maxStates,
  );
  if (strict.kind === 'explained' || options.order === 'process') return strict;
  const before = precedence(kept, 'caller', false);
  const counted = countersExplained(kept, options.initial, before);
  if (counted !== undefined) return { kind: 'impossible', why: counted };
  return (
    byObject(kept, options, maxStates) ?? new Search(kept, options.initial, before).run(maxStates)
  );
}

/** A call as the search places it. */
interface PlacedCall extends HistoryCall {
  /** It took effect, whether its caller knows it or not. */
  readonly happened: boolean;
  /** Before which it took effect, as far as others were told of it; Infinity where nobody was. */
  readonly before: number;
}

/**
 * What is known of calls of unknown outcome from what others were told: one whose value somebody was told took effect before that, and
 * a lone write of which nobody ever was is in no order's way where it is left out. What calls add to tells of none of them.
 */
function settled(
  calls: readonly HistoryCall[],
  initial: CheckOptions['initial'],
): readonly PlacedCall[] {
  const added = new Set(
    calls.flatMap(({ steps }) => steps.filter(({ kind }) => kind === 'add')).map(objectOf),
  );
  const tracesIn = (steps: readonly Step[]): string[] =>
    steps.filter((step) => !added.has(objectOf(step))).flatMap((step) => traceOf(step, initial));
  const toldBefore = new Map<string, number>();
  const toldInside = new Set<string>();
  const written = new Map<string, number>();
  for (const { steps, outcome, returned } of calls) {
    for (const told of steps.flatMap(toldIn)) {
      if (outcome === 'unknown') toldInside.add(told);
      else toldBefore.set(told, Math.min(returned, toldBefore.get(told) ?? Infinity));
    }
    for (const trace of tracesIn(steps)) written.set(trace, (written.get(trace) ?? 0) + 1);
  }
  return calls.flatMap((call): PlacedCall[] => {
    if (call.outcome === 'done') return [{ ...call, happened: true, before: call.returned }];
    if (isReadOnly(call)) return [];
    // What others write as well tells of nobody.
    const traces = tracesIn(call.steps).filter((trace) => written.get(trace) === 1);
    const before = Math.min(...traces.map((trace) => toldBefore.get(trace) ?? Infinity));
    if (before < Infinity) return [{ ...call, happened: true, before }];
    const unseen =
      traces.length === call.steps.length && !traces.some((one) => toldInside.has(one));
    return unseen ? [] : [{ ...call, happened: false, before }];
  });
}

/** What a step told its caller of writes. */
function toldIn(step: Step): string[] {
  if (step.kind === 'read') return [`${step.object} ${String(step.told)}`];
  return step.kind === 'members' ? step.told.map((member) => `${step.object} ${member}`) : [];
}

/** By what others see that a step was applied: nothing, where it was there from the beginning. */
function traceOf(step: Step, initial: CheckOptions['initial']): string[] {
  const { object } = step;
  const start = initial[object];
  if (step.kind === 'write') return start === step.value ? [] : [`${object} ${String(step.value)}`];
  if (step.kind !== 'insert') return [];
  return Array.isArray(start) && start.includes(step.member) ? [] : [`${object} ${step.member}`];
}

function objectOf({ object }: Step): string {
  return object;
}

/** What no order explains for one object alone, none explains for all, and that is soon searched. The reverse isn't so. */
function byObject(
  calls: readonly PlacedCall[],
  { initial }: CheckOptions,
  maxStates: number,
): Verdict | undefined {
  for (const object of Object.keys(initial)) {
    const parts = calls.flatMap((call) => {
      const steps = call.steps.filter((step) => step.object === object);
      return steps.length === 0 ? [] : [{ ...call, steps }];
    });
    const verdict = new Search(parts, initial, precedence(parts, 'caller', false)).run(maxStates);
    if (verdict.kind === 'impossible') return verdict;
  }
  return undefined;
}

/** For each call those that must come before it. */
function precedence(
  calls: readonly HistoryCall[],
  order: Order,
  isRealTime: boolean,
): readonly number[][] {
  const mustPrecede = (first: HistoryCall, then: HistoryCall): boolean => {
    if (first.outcome === 'unknown' || first === then) return false;
    if (then.last === true && first.last !== true) return true;
    const ended = first.returned < then.invoked;
    if (isRealTime && ended) return true;
    if (order === 'caller' && first.caller !== then.caller) return false;
    return first.invoked < then.invoked && (ended || !isReadOnly(first) || !isReadOnly(then));
  };
  return calls.map((then) => calls.flatMap((first, at) => (mustPrecede(first, then) ? [at] : [])));
}

/** What a counter must and may have been at each read of it, where calls do nothing but add to it. Undefined: nothing is wrong. */
function countersExplained(
  calls: readonly HistoryCall[],
  initial: CheckOptions['initial'],
  before: readonly (readonly number[])[],
): string | undefined {
  const after: Set<number>[] = calls.map(() => new Set());
  for (const [then, firsts] of before.entries())
    for (const first of firsts) after[first]?.add(then);
  for (const object of Object.keys(initial)) {
    const start = initial[object];
    const amounts = calls.map((call) => addedTo(object, call.steps));
    if (typeof start !== 'number' || amounts.some((amount) => amount === undefined || amount < 0))
      continue;
    for (const [at, call] of calls.entries()) {
      const read = call.steps.find((step) => step.object === object);
      if (read?.kind !== 'read') continue;
      let least = start;
      let most = start;
      for (const [other, amount = 0] of amounts.entries()) {
        if (other === at) continue;
        if (before[at]?.includes(other) === true) least += amount;
        if (after[at]?.has(other) !== true) most += amount;
      }
      if (read.told < least || read.told > most)
        return `${describe(call)}: it must have been from ${String(least)} to ${String(most)}`;
    }
  }
  return undefined;
}

/** How much the steps add to a counter; undefined where they do something else to it. */
function addedTo(object: string, steps: readonly Step[]): number | undefined {
  let known: number | undefined;
  let added = 0;
  for (const step of steps) {
    if (step.object !== object) continue;
    if (step.kind === 'read') known = step.told;
    else if (step.kind === 'add') added += step.amount;
    else if (step.kind === 'write' && known !== undefined) added += step.value - known;
    else return undefined;
  }
  return added;
}

type Values = readonly (number | bigint)[];

/** One search. Objects and members of sets are known by their numbers; a set is the bits of its members. */
class Search {
  readonly #calls: readonly PlacedCall[];
  readonly #objects: readonly string[];
  readonly #members = new Map<string, bigint>();
  readonly #start: Values;
  /** How many calls that must come before each are not placed yet. */
  readonly #missing: number[];
  readonly #after: readonly number[][];
  readonly #bits: readonly bigint[];
  /** Calls by their end, which is nearly always the order in which they took effect. */
  readonly #byEnd: readonly number[];
  readonly #tried = new Set<string>();
  readonly #placed: number[] = [];
  #placedBits = 0n;
  #open: number;
  #left = 0;
  #longest: readonly number[] = [];

  constructor(
    calls: readonly PlacedCall[],
    initial: CheckOptions['initial'],
    before: readonly number[][],
  ) {
    this.#calls = calls;
    this.#objects = Object.keys(initial);
    this.#start = Object.values(initial).map((state) =>
      typeof state === 'number' ? state : this.#setOf(state),
    );
    this.#missing = before.map(({ length }) => length);
    this.#after = calls.map((_call, first) =>
      before.flatMap((firsts, then) => (firsts.includes(first) ? [then] : [])),
    );
    this.#bits = calls.map((_call, at) => 1n << BigInt(at));
    this.#byEnd = calls.map((_call, at) => at).sort((a, b) => endOf(calls[a]) - endOf(calls[b]));
    this.#open = calls.filter(({ happened }) => happened).length;
  }

  run(maxStates: number): Verdict {
    this.#left = maxStates;
    if (this.#explore(this.#start)) return explained;
    const candidates = this.#calls.filter(
      (call, at) => call.happened && !this.#longest.includes(at),
    );
    const stuck = candidates.slice(0, 3).map(describe).join('; ');
    const after = this.#longest
      .slice(-2)
      .flatMap((at) => this.#calls[at] ?? [])
      .map(describe)
      .join('; ');
    const where = `${String(this.#longest.length)} of ${String(this.#calls.length)} calls`;
    return this.#left <= 0
      ? {
          kind: 'undecided',
          why: `no order was found in ${String(maxStates)} states; the longest explains ${where}`,
        }
      : {
          kind: 'impossible',
          why: `no order explains more than ${where}: after ${after || 'nothing'} none of: ${stuck}`,
        };
  }

  /** Whether what is left can be placed from here. */
  #explore(values: Values): boolean {
    if (this.#open === 0) return true;
    const key = `${this.#placedBits.toString(36)} ${values.join(' ')}`;
    if (this.#tried.has(key)) return false;
    this.#tried.add(key);
    if (this.#placed.length > this.#longest.length) this.#longest = [...this.#placed];
    if ((this.#left -= 1) <= 0) return false;
    const next: [number, Values][] = [];
    for (const at of this.#byEnd) {
      const call = this.#calls[at];
      const bit = this.#bits[at] ?? 0n;
      if (call === undefined || this.#missing[at] !== 0 || (this.#placedBits & bit) !== 0n)
        continue;
      const then = this.#applied(call, values);
      if (then === undefined) continue;
      // A read that is explained here needs no other place: it is in nobody's way.
      if (isReadOnly(call)) return this.#place(at, then);
      next.push([at, then]);
    }
    return next.some(([at, then]) => this.#left > 0 && this.#place(at, then));
  }

  #place(at: number, values: Values): boolean {
    const bit = this.#bits[at] ?? 0n;
    const done = this.#calls[at]?.happened === true ? 1 : 0;
    this.#placedBits |= bit;
    this.#placed.push(at);
    this.#open -= done;
    for (const then of this.#after[at] ?? []) this.#missing[then] = (this.#missing[then] ?? 0) - 1;
    if (this.#explore(values)) return true;
    for (const then of this.#after[at] ?? []) this.#missing[then] = (this.#missing[then] ?? 0) + 1;
    this.#open += done;
    this.#placed.pop();
    this.#placedBits &= ~bit;
    return false;
  }

  /** What is there after the call; undefined where it would have been told something else. */
  #applied({ steps }: HistoryCall, before: Values): Values | undefined {
    const values = [...before];
    for (const step of steps) {
      const at = this.#objects.indexOf(step.object);
      const value = values[at];
      if (value === undefined) throw new RangeError(`The history begins without ${step.object}.`);
      switch (step.kind) {
        case 'read':
          if (value !== step.told) return undefined;
          break;
        case 'members':
          if (value !== this.#setOf(step.told)) return undefined;
          break;
        case 'write':
          values[at] = step.value;
          break;
        case 'add':
          values[at] = Number(value) + step.amount;
          break;
        case 'insert':
          values[at] = BigInt(value) | this.#setOf([step.member]);
          break;
      }
    }
    return values;
  }

  #setOf(members: readonly string[]): bigint {
    let bits = 0n;
    for (const member of members) {
      const known = this.#members.get(member) ?? 1n << BigInt(this.#members.size);
      this.#members.set(member, known);
      bits |= known;
    }
    return bits;
  }
}

function endOf(call: PlacedCall | undefined): number {
  return Math.min(call?.before ?? Infinity, Number.MAX_SAFE_INTEGER);
}
