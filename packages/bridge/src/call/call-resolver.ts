import type { ComparisonRule } from '@changeover/compare';
import {
  type Clock,
  type Leg,
  type OperationDefinition,
  systemClock,
  type Timer,
} from '@changeover/core';
import type { Recorder } from '../recorder/recorder.ts';
import { calledText } from '../recorder/reliance-book.ts';
import { maxShapeLength } from '../recorder/shape-book.ts';
import { ShapeCounts } from '../recorder/cell.ts';
import { GuaranteeRegistry, type SerialLeg } from '../guarantees/index.ts';
import { RuleBooks } from '../shadow/rule-books.ts';
import type { Logger } from '../log.ts';
import type { StageSource } from '../stages/flags/stage-source.ts';
import { CallCosts } from './call-costs.ts';
import { type KeyState, KeyStates } from './key-state.ts';
import { callWith } from './leg-calls.ts';
import type { Method } from './members.ts';
import { notComparableAt } from './not-comparable.ts';
import type { Call, ResolvedCall } from './resolved-call.ts';
import { inSlices, type Steps } from '../steps.ts';
import { routes } from './route.ts';
import { traitsOf } from './route-traits.ts';

/** What the router's options say of it. */
export interface CallResolverOptions {
  readonly backend: string;
  /** What the pooled leg says of the order of writes. */
  readonly pooled: Pick<Leg<object>, 'keepsOrder'>;
  readonly stages: StageSource;
  readonly recorder: Recorder;
  readonly logger: Logger;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
  readonly parseKey?: ((name: unknown) => string) | undefined;
  readonly rules?: readonly ComparisonRule[] | undefined;
  readonly guarantees?: GuaranteeRegistry | undefined;
  readonly serial?: { readonly legacy?: SerialLeg } | undefined;
  /** Told of a key with calls in flight whose stage may have changed. */
  readonly onChange: (state: KeyState) => void;
}

/** How long a memoised route is used without asking again, at most: a source may not tell of a change, and counters are stored and
 * let go when idle. Kept by a timer, for reading a clock takes longer than all that is looked up. */
const routeLifetimeMs = 30_000;
const maxMemoisedNames = 20_000;
/** Keys without calls that are looked at in the time of one part of a step. */
const keysAPart = 5;
/** Changes that are told at once: the recorder's events have a bound. The others are told by their next call. */
const mostNoticed = 1_000;

/** The shape of a call that can't tell its own: longer than any may be, so that it is counted with others of its kind. */
const noShape = ' '.repeat(maxShapeLength + 1);

/** Stands for the key of a call that is about none. */
const noKeyName = '';

/** What is remembered of an operation on one key. */
interface Memoised {
  readonly one: ResolvedCall;
  /** Undefined where the operation has no shapes. At most as many as the recorder keeps apart. */
  readonly byShape: Map<string, ResolvedCall> | undefined;
  /** The period that it was decided in. */
  readonly period: number;
}

const unused = new ShapeCounts({
  backend: '',
  dataset: '',
  operation: '',
  shape: '',
  stage: 'legacy',
});

/** Decides about a call before it is made: its key, stage, route, rules and counters. Remembers what it decided. */
export class CallResolver {
  readonly #options: CallResolverOptions;
  readonly #memo = new Map<unknown, (Memoised | undefined)[]>();
  readonly #states: KeyStates;
  readonly #rules: RuleBooks;
  readonly #costs = new CallCosts();
  readonly #unsubscribe: () => void;
  /** What was memoised in an earlier one is asked for again. */
  #period = 0;
  #periodEnd: Timer | undefined;
  #endNoticing: () => void = () => undefined;
  /** Made here, because no other bridge shares it. */
  readonly #ownGuarantees: GuaranteeRegistry | undefined = undefined;

  constructor(options: CallResolverOptions) {
    const { backend, serial } = options;
    this.#options = options;
    const guarantees = options.guarantees ?? new GuaranteeRegistry();
    if (options.guarantees === undefined) this.#ownGuarantees = guarantees;
    this.#states = new KeyStates({
      gateFor: (key) =>
        guarantees.gate({
          key: key === noKeyName ? backend : `${backend}:${key}`,
          serial,
          onReliance: (guarantee, site, subject) => {
            const { operation, shape } = subject as ResolvedCall;
            const what = calledText(operation, shape.key.shape);
            options.recorder.relied({ backend, dataset: key, guarantee, site, what });
          },
        }),
      onForget: () => {
        this.#memo.clear();
      },
    });
    this.#rules = new RuleBooks(backend, options.rules);
    const endRules = options.recorder.watchRules(() => this.#rules.uses());
    const endStages = options.stages.subscribe(() => {
      this.#memo.clear();
      for (const state of this.#states.busy()) options.onChange(state);
      this.#noticeIdle();
    });
    this.#unsubscribe = () => {
      endStages();
      endRules();
    };
  }

  /** The state that calls about no key see. */
  get everywhere(): KeyState {
    return this.#states.get(noKeyName);
  }

  /** Forgets nothing and goes on to answer, but by what was decided last. Idempotent. */
  close(): void {
    this.#unsubscribe();
    this.#endNoticing();
    this.#periodEnd?.cancel();
    this.#ownGuarantees?.close();
  }

  /**
   * What holds for a call with these arguments.
   *
   * @throws what `parseKey`, or the operation's own way to its key, throws.
   */
  resolve(call: Call, args: readonly unknown[]): ResolvedCall {
    const { definition } = call;
    const keyOf = 'key' in definition ? (definition.key as Method | undefined) : undefined;
    const name = keyOf === undefined ? args[0] : callWith(keyOf, args);
    let memoised = this.#memo.get(name)?.[call.index];
    if (memoised?.period !== this.#period) memoised = this.#decide(call, name, keyOf !== undefined);
    const { one, byShape } = memoised;
    return byShape === undefined ? one : this.#ofShape(one, byShape, args);
  }

  /** Calls of one operation are decided about alike; only what is counted of them is apart. */
  #ofShape(
    one: ResolvedCall,
    byShape: Map<string, ResolvedCall>,
    args: readonly unknown[],
  ): ResolvedCall {
    const shape = this.#shapeOf(one.definition, args);
    const known = byShape.get(shape);
    if (known !== undefined) return known;
    const counts = this.#countsOf(one, shape);
    // What has no place of its own is found by the name that it is counted under.
    const name = counts.key.shape;
    const resolved = byShape.get(name) ?? {
      ...one,
      shape: counts,
      cost: this.#costs.of(one.key, one.operation, name),
    };
    byShape.set(name, resolved);
    return resolved;
  }

  /** Never throws: a shape is no reason to refuse a call. */
  #shapeOf(definition: OperationDefinition, args: readonly unknown[]): string {
    const { shape } = definition as { readonly shape?: Method };
    try {
      const found = shape === undefined ? undefined : callWith(shape, args);
      return typeof found === 'string' ? found : noShape;
    } catch {
      return noShape;
    }
  }

  #countsOf(one: Omit<ResolvedCall, 'shape'>, shape: string): ShapeCounts {
    const { backend, key, operation, definition, decision } = one;
    const { stage } = decision;
    const counts = this.#options.recorder.shape({ backend, dataset: key, operation, shape, stage });
    counts.notComparable ??= notComparableAt(stage, definition);
    return counts;
  }

  #decide(call: Call, name: unknown, mayBeNone: boolean): Memoised {
    const { parseKey } = this.#options;
    const key =
      name === undefined && mayBeNone
        ? noKeyName
        : parseKey === undefined
          ? String(name)
          : parseKey(name);
    const decided = this.#decided(call, key);
    const hasShapes = (call.definition as { readonly shape?: Method }).shape !== undefined;
    const memoised: Memoised = {
      // Where there are shapes nothing is counted here: it stands for what they share.
      one: { ...decided, shape: hasShapes ? unused : this.#countsOf(decided, '') },
      byShape: hasShapes ? new Map() : undefined,
      period: this.#period,
    };
    this.#watchPeriod();
    this.#noticeChange(memoised.one);
    if (this.#memo.size >= maxMemoisedNames) this.#memo.clear();
    const paths = this.#memo.get(name) ?? [];
    paths[call.index] = memoised;
    this.#memo.set(name, paths);
    return memoised;
  }

  /** Only while something is memoised that its end is waited for with. */
  #watchPeriod(): void {
    const { clock = systemClock } = this.#options;
    this.#periodEnd ??= clock.after(routeLifetimeMs, () => {
      this.#periodEnd = undefined;
      this.#period += 1;
    });
  }

  /** What holds now for a call of the same shape. */
  again({ operation, definition, key, shape, cost }: ResolvedCall): ResolvedCall {
    const decided = this.#decided({ operation, definition }, key);
    return { ...decided, shape: this.#countsOf(decided, shape.key.shape), cost };
  }

  /** What holds for a call that is known by its key and shape. */
  on({ operation, definition }: Call, key: string, shape: string): ResolvedCall {
    const decided = this.#decided({ operation, definition }, key);
    const counts = this.#countsOf(decided, shape);
    return { ...decided, shape: counts, cost: this.#costs.of(key, operation, counts.key.shape) };
  }

  #decided(
    { operation, definition }: Pick<Call, 'operation' | 'definition'>,
    key: string,
  ): Omit<ResolvedCall, 'shape'> {
    const { backend, pooled, recorder, stages } = this.#options;
    const decision = stages.decide({ backend, dataset: key, operation });
    return {
      backend,
      key,
      operation,
      definition,
      decision,
      state: this.#states.get(key),
      route: routes[decision.stage],
      traits: traitsOf(
        definition,
        decision.settings.guarantees,
        pooled.keepsOrder?.(operation) === true,
      ),
      rules: this.#rules.for(operation, key, decision.settings.rules),
      cost: this.#costs.of(key, operation, ''),
      cell: recorder.cell(backend, key, operation, decision.stage),
    };
  }

  /** Where no call runs there may be none for long: whoever waits for this program to follow is told now. */
  #noticeIdle(): void {
    const { clock = systemClock, recorder } = this.#options;
    this.#endNoticing();
    this.#endNoticing = inSlices(clock, this.#idleChanges(), (end) => {
      // Not in this turn: a caller's own call may have brought the change about, and storing is I/O.
      if (end.kind === 'done' && end.result > 0)
        clock.after(0, () => {
          recorder.flush();
        });
    });
  }

  /** How many keys without calls have another stage. What can't be decided about now is noticed by the next call. */
  *#idleChanges(): Steps<number> {
    const { backend, stages } = this.#options;
    let noticed = 0;
    for (const [key, state] of this.#states.idle()) {
      yield 1 / keysAPart;
      if (noticed >= mostNoticed) return noticed;
      const before = state.lastChange;
      for (const operation of [...state.stages.keys()]) {
        const decision = stages.decide({ backend, dataset: key, operation });
        this.#noticeChange({ backend, key, operation, decision, state });
      }
      if (state.lastChange !== before) noticed += 1;
    }
    return noticed;
  }

  #noticeChange({
    backend,
    key,
    operation,
    decision,
    state,
  }: Pick<ResolvedCall, 'backend' | 'key' | 'operation' | 'decision' | 'state'>): void {
    const from = state.stages.get(operation);
    const { stage: to, reason, revision } = decision;
    state.stages.set(operation, to);
    const change = `${String(from)} ${to} ${revision} ${reason}`;
    if (from === undefined || from === to) return;
    // Where the source hasn't said so.
    if (!state.gate.idle) this.#options.onChange(state);
    if (state.lastChange === change) return;
    state.lastChange = change;
    this.#options.recorder.event('stage', { backend, dataset: key, from, to, reason, revision });
    this.#options.logger.info(
      { backend, dataset: key, from, to, reason, revision },
      'stage changed',
    );
  }
}
