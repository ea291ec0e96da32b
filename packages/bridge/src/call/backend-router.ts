import { AsyncLocalStorage } from 'node:async_hooks';
import type { ComparisonRule } from '@changeover/compare';
import type {
  Clock,
  Leg,
  LegName,
  OperationDefinition,
  OperationTable,
  WriteDefinition,
} from '@changeover/core';
import { systemClock } from '@changeover/core';
import type { Call, ResolvedCall } from './resolved-call.ts';
import { CallsInFlight } from './calls-in-flight.ts';
import { Comparer, type ComparerOptions } from '../shadow/comparer.ts';
import { DatasetStates } from './key-state.ts';
import type { StageSource } from '../stages/flags/stage-source.ts';
import type { Guardrail } from '../stages/guardrail.ts';
import type { Logger } from '../log.ts';
import type { Recorder } from '../recorder/recorder.ts';
import { isPromise } from './answers.ts';
import { type Route, routes } from './route.ts';
import { RuleBooks } from '../shadow/rule-books.ts';

/** What a router is made of. It owns none of it: who made a leg, a source or a recorder closes it. */
export interface BackendRouterOptions<Api extends object> {
  /** The name that flags, logs and reports use: the flag is `changeover.{backend}`. */
  readonly backend: string;
  readonly legacy: Leg<Api>;
  readonly pooled: Leg<Api>;
  readonly operations: OperationTable<Api>;
  readonly stages: StageSource;
  readonly recorder: Recorder;
  readonly logger: Logger;
  /** Told of each confirmed mismatch. Usually also the `stages`. */
  readonly guardrail?: Guardrail | undefined;
  readonly clock?: Clock | undefined;
  /** Random numbers in [0, 1) for sampling. Default: `Math.random`. */
  readonly random?: (() => number) | undefined;
  /** Turns a dataset's name as callers give it into the one that both legs use. What it throws is the call's error.
   * Default: the name as it is. */
  readonly parseDataset?: ((name: unknown) => string) | undefined;
  /** True for an error that means the leg had no connection, so that nothing was run. Default: never. */
  readonly isUnavailable?: ((error: unknown) => boolean) | undefined;
  /** The read that shows all rows of a table, for comparing writes. Default: writes are compared by what they return. */
  readonly tableRead?: ComparerOptions['tableRead'];
  readonly queue?: ComparerOptions['queue'];
  /** How the legs answer an operation, as far as their functions show it: `legacy-alone` where only the pooled leg's can't but answer
   * a promise. Default: every operation answers promises on both legs. */
  readonly mayAnswerAtOnce?:
    ((operation: string) => 'legacy-alone' | 'both' | 'neither') | undefined;
  /** Where the results of reads may rightly differ. Default: nowhere, but for what a flag's payload says. */
  readonly rules?: readonly ComparisonRule[] | undefined;
}

/** A transaction that is running: calls from inside it belong to its leg. */
interface Scope {
  readonly dataset: string;
  readonly leg: Leg<object>;
  active: boolean;
  /** What the caller's own function threw: a transaction that it gave up is no failure of the storage. */
  thrown?: unknown;
}

type Method = (...args: readonly unknown[]) => unknown;

/** A write with all that was decided about it. */
interface Write {
  readonly call: Call;
  readonly definition: WriteDefinition;
  readonly resolved: ResolvedCall;
  readonly answers: LegName;
  readonly shadow: LegName | undefined;
  readonly args: readonly unknown[];
  readonly startedMs: number;
}

/** How long a memoised route is used without asking again, so that its counters are stored and let go when idle. */
const routeLifetimeMs = 30_000;
const maxMemoisedNames = 20_000;

/** Stands for the dataset of a call that is about none. */
const noDataset = '';

/**
 * Sends each call of an API to the legacy leg, to the pooled leg, or to both, by the stage of its dataset.
 *
 * `api` has the same methods as the legs. A call keeps the stage that it began with. What the caller pays beyond the
 * answering leg's own time is one look-up, and a copy of the answer where the call is sampled for comparison.
 */
export class BackendRouter<Api extends object> {
  readonly api: Api;
  readonly backend: string;
  readonly #options: BackendRouterOptions<Api>;
  readonly #legs: Readonly<Record<LegName, Leg<Api>>>;
  readonly #clock: Clock;
  readonly #memo = new Map<unknown, (ResolvedCall | undefined)[]>();
  readonly #states = new DatasetStates(() => {
    this.#memo.clear();
  });
  readonly #scope = new AsyncLocalStorage<Scope>();
  readonly #rules: RuleBooks;
  readonly #calls = new CallsInFlight();
  readonly #comparer: Comparer;
  /** Operations of which it was told that they can go no further than `shadow`. */
  readonly #capped = new Set<string>();
  readonly #unsubscribe: () => void;

  constructor(options: BackendRouterOptions<Api>) {
    this.#options = options;
    this.backend = options.backend;
    this.#legs = { legacy: options.legacy, pooled: options.pooled };
    this.#clock = options.clock ?? systemClock;
    this.#rules = new RuleBooks(options.backend, options.rules);
    options.recorder.watchRules(() => this.#rules.uses());
    this.#comparer = new Comparer({
      ...options,
      clock: this.#clock,
      random: options.random ?? Math.random,
      calls: this.#calls,
    });
    this.#unsubscribe = options.stages.subscribe(() => {
      this.#memo.clear();
    });
    this.api = this.#makeApi();
  }

  /** Resolves when no comparison runs or waits. */
  idle(): Promise<void> {
    return this.#comparer.idle();
  }

  /** Sheds the comparisons that wait and gives up those that run. Calls go on to be routed. Idempotent. */
  close(): void {
    this.#unsubscribe();
    this.#comparer.close();
  }

  #makeApi(): Api {
    const api: Record<string, Method> = {};
    for (const [at, [operation, entry]] of Object.entries(this.#options.operations).entries()) {
      const definition = entry as OperationDefinition;
      // Two places each, for a statement is a read or a write.
      api[operation] = this.#method({ index: 2 * at, operation, definition, style: undefined });
    }
    return Object.freeze(api) as Api;
  }

  #method(call: Call): Method {
    const { definition, operation } = call;
    switch (definition.kind) {
      case 'read':
        return (...args) => this.#read(call, args);
      case 'write':
        return (...args) => this.#write(call, args);
      case 'statement': {
        const key = definition.dataset === undefined ? {} : { dataset: definition.dataset };
        const reads = definition.reads as (...args: readonly unknown[]) => boolean;
        const asRead: Call = { ...call, definition: { ...definition.read, ...key } };
        const asWrite: Call = {
          ...call,
          index: call.index + 1,
          definition: { ...definition.write, ...key },
        };
        return (...args) =>
          reads(...args) ? this.#read(asRead, args) : this.#write(asWrite, args);
      }
      case 'control':
        return (...args) => this.#control(operation, args);
      case 'legacyOnly':
        return (...args) => this.#legacyOnly(call, args);
    }
  }

  #read(call: Call, args: readonly unknown[]): unknown {
    const startedMs = this.#clock.monotonicMs();
    let resolved: ResolvedCall;
    try {
      resolved = this.#resolvedCall(call, args, startedMs);
    } catch (error) {
      return this.#refuse(call, error);
    }
    const scope = this.#scope.getStore();
    if (scope?.active === true && scope.dataset === resolved.dataset)
      return invoke(scope.leg, call.operation, args);
    const { answers, shadow, fallback } = this.#routeOf(call, resolved).read;
    const { cell } = resolved;
    cell.calls += 1;
    const comparison =
      shadow === undefined ? undefined : this.#comparer.beginRead(resolved, shadow, args);
    let result: unknown;
    try {
      result = invoke(this.#legs[answers], call.operation, args);
    } catch (error) {
      if (fallback !== undefined && this.#options.isUnavailable?.(error) === true) {
        comparison?.unavailable();
        this.#tellFallback(resolved, fallback, error);
        return invoke(this.#legs[fallback], call.operation, args);
      }
      cell.failed += 1;
      comparison?.failed(error);
      throw error;
    }
    if (!isPromise(result)) {
      const tookMs = this.#clock.monotonicMs() - startedMs;
      if (answers === 'legacy') call.style = 'at-once';
      cell[latencyOf[answers]].record(tookMs);
      comparison?.answered(result, tookMs);
      return result;
    }
    if (answers === 'legacy') call.style ??= 'later';
    if (comparison === undefined && fallback === undefined)
      return this.#observe(resolved, answers, result, startedMs);
    this.#calls.begin();
    return result.then(
      (value) => {
        this.#calls.end();
        const tookMs = this.#clock.monotonicMs() - startedMs;
        cell[latencyOf[answers]].record(tookMs);
        comparison?.answered(value, tookMs);
        return value;
      },
      (error: unknown) => {
        this.#calls.end();
        if (fallback !== undefined && this.#options.isUnavailable?.(error) === true) {
          comparison?.unavailable();
          return this.#fallBack(resolved, fallback, args, error);
        }
        cell.failed += 1;
        comparison?.failed(error);
        throw error;
      },
    );
  }

  /**
   * The route of a call's stage, held at what the legs can do: a pooled leg that answers with a promise can't stand in for a
   * legacy leg that answers at once, so such an operation goes no further than `shadow`. Until it was seen how the legacy leg
   * answers, it answers.
   */
  #routeOf(call: Call, resolved: ResolvedCall): Route {
    const { stage } = resolved.decision;
    if (this.#options.mayAnswerAtOnce === undefined || stage === 'legacy' || stage === 'shadow')
      return resolved.route;
    const promises =
      this.#comparer.styleOf('pooled', call.operation) === 'later' ||
      this.#options.mayAnswerAtOnce(call.operation) === 'legacy-alone';
    if (!promises || call.style === 'later') return resolved.route;
    if (call.style === 'at-once') this.#tellCapped(resolved);
    return routes.shadow;
  }

  /** A call that could not be resolved fails as the leg's own failures do: at once, unless the legs answer promises. */
  #refuse(call: Call, error: unknown): Promise<never> {
    if (this.#options.mayAnswerAtOnce === undefined || call.style === 'later')
      return Promise.reject(error);
    throw error;
  }

  #tellCapped({ backend, operation, dataset, decision }: ResolvedCall): void {
    if (this.#capped.has(operation)) return;
    this.#capped.add(operation);
    this.#options.logger.error(
      { backend, operation, dataset, stage: decision.stage },
      `${operation} stays at shadow: the legacy leg answers it at once and the pooled leg with a promise. ` +
        'Make it read({ async: true }) and let its callers await, or give the pooled leg a synchronous method.',
    );
  }

  #legacyOnly(call: Call, args: readonly unknown[]): unknown {
    const startedMs = this.#clock.monotonicMs();
    let resolved: ResolvedCall;
    try {
      resolved = this.#resolvedCall(call, args, startedMs);
    } catch (error) {
      return this.#refuse(call, error);
    }
    resolved.cell.calls += 1;
    try {
      return this.#observe(
        resolved,
        'legacy',
        invoke(this.#legs.legacy, call.operation, args),
        startedMs,
      );
    } catch (error) {
      resolved.cell.failed += 1;
      throw error;
    }
  }

  /** Counts without standing between the leg's promise and the caller: no hop is added. */
  #observe(resolved: ResolvedCall, leg: LegName, result: unknown, startedMs: number): unknown {
    return this.#watch(
      result,
      () => {
        resolved.cell[latencyOf[leg]].record(this.#clock.monotonicMs() - startedMs);
      },
      () => {
        resolved.cell.failed += 1;
      },
    );
  }

  /** Tells of a call's end and counts it among those under way until then. What is told runs before the caller's own continuation. */
  #watch(result: unknown, succeeded: () => void, failed: (error: unknown) => void): unknown {
    if (!isPromise(result)) {
      succeeded();
      return result;
    }
    this.#calls.begin();
    result.then(
      () => {
        this.#calls.end();
        succeeded();
      },
      (error: unknown) => {
        this.#calls.end();
        failed(error);
      },
    );
    return result;
  }

  #tellFallback(resolved: ResolvedCall, leg: LegName, error: unknown): void {
    resolved.cell.fallbacks += 1;
    const { backend, dataset, operation } = resolved;
    this.#options.logger.warn(
      { backend, dataset, operation, err: error },
      `the pooled leg had no connection; this read is answered by ${leg}`,
    );
  }

  async #fallBack(
    resolved: ResolvedCall,
    leg: LegName,
    args: readonly unknown[],
    error: unknown,
  ): Promise<unknown> {
    this.#tellFallback(resolved, leg, error);
    try {
      return await invoke(this.#legs[leg], resolved.operation, args);
    } catch (second) {
      resolved.cell.failed += 1;
      throw second;
    }
  }

  #write(call: Call, args: readonly unknown[]): unknown {
    const startedMs = this.#clock.monotonicMs();
    let resolved: ResolvedCall;
    try {
      resolved = this.#resolvedCall(call, args, startedMs);
    } catch (error) {
      return this.#refuse(call, error);
    }
    const scope = this.#scope.getStore();
    const nested = scope?.active === true;
    if (nested && scope.dataset === resolved.dataset)
      return invoke(scope.leg, call.operation, args);
    const definition = call.definition as WriteDefinition;
    const { answers, shadow } = this.#routeOf(call, resolved).write;
    // Inside a transaction the legacy singleton refuses another dataset; waiting for that one's barrier could dead-lock.
    if (nested && answers === 'legacy') return invoke(this.#legs.legacy, call.operation, args);
    resolved.cell.calls += 1;
    const write: Write = { call, definition, resolved, answers, shadow, args, startedMs };
    const { barrier } = resolved.state;
    // What answers at once can't wait: it stays on the leg that the writes in flight are on.
    if (call.style === 'at-once')
      return this.#runWrite({ ...write, answers: barrier.enterNow(answers) });
    const alone = shadow !== undefined && definition.comparison !== 'none';
    const entered = barrier.enter(answers, alone, nested);
    if (entered !== undefined) return entered.then(() => this.#runWrite(write));
    return this.#runWrite(write);
  }

  #runWrite(write: Write): unknown {
    const { call, resolved, definition, answers, args } = write;
    const leg = this.#legs[answers];
    const scope: Scope = { dataset: resolved.dataset, leg, active: true };
    const everywhere =
      definition.removesDataset === true || definition.addsDataset === true
        ? this.#states.get(noDataset).barrier
        : undefined;
    everywhere?.pass();
    const end = (): void => {
      scope.active = false;
      everywhere?.passed();
      resolved.state.barrier.leave();
    };
    let result: unknown;
    try {
      result = this.#makeWrite(write, (given) =>
        invoke(leg, resolved.operation, this.#scoped(scope, given)),
      );
    } catch (error) {
      end();
      if (error !== scope.thrown) resolved.cell.failed += 1;
      throw error;
    }
    if (answers === 'legacy') call.style = isPromise(result) ? (call.style ?? 'later') : 'at-once';
    const succeed = (): void => {
      end();
      // At `shadow` the comparison measures the leg alone, without the rehearsal before it.
      if (!isCompared(write))
        resolved.cell[latencyOf[answers]].record(this.#clock.monotonicMs() - write.startedMs);
      if (write.shadow !== undefined && definition.comparison === 'observed')
        this.#comparer.observedWrite(resolved, definition.read, args);
    };
    const fail = (error: unknown): void => {
      end();
      if (error !== scope.thrown) resolved.cell.failed += 1;
    };
    // Before the caller's own continuation, so that its next call finds the barrier open.
    return this.#watch(result, succeed, fail);
  }

  #makeWrite(write: Write, run: (args: readonly unknown[]) => unknown): unknown {
    const { resolved, definition, answers, args } = write;
    if (definition.removesDataset === true) return this.#remove(resolved, answers, args);
    if (!isCompared(write)) return run(args);
    return this.#comparer.shadowWrite(resolved, definition, args, async (given) => run(given));
  }

  /** What the other leg holds open of a dataset would be a deleted file to it, or keep it from being removed. */
  async #remove(
    resolved: ResolvedCall,
    answers: LegName,
    args: readonly unknown[],
  ): Promise<unknown> {
    const other = this.#legs[answers === 'legacy' ? 'pooled' : 'legacy'];
    const remove = async (): Promise<unknown> =>
      await invoke(this.#legs[answers], resolved.operation, args);
    return other.closedWhile === undefined
      ? await remove()
      : await other.closedWhile(resolved.dataset, remove);
  }

  /** Functions among the arguments run inside the scope, so that the calls they make join the transaction. What answers at once
   * still does. */
  #scoped(scope: Scope, args: readonly unknown[]): readonly unknown[] {
    if (!args.some((argument) => typeof argument === 'function')) return args;
    const noted = (error: unknown): never => {
      scope.thrown = error;
      throw error;
    };
    const storage = this.#scope;
    return args.map((argument) => {
      if (typeof argument !== 'function') return argument;
      const work = argument as Method;
      return function (this: unknown, ...given: readonly unknown[]): unknown {
        let result: unknown;
        try {
          result = storage.run(scope, () => Reflect.apply(work, this, given));
        } catch (error) {
          return noted(error);
        }
        return isPromise(result) ? result.then(undefined, noted) : result;
      };
    });
  }

  /** Both legs hold connections, so both close theirs. */
  async #control(operation: string, args: readonly unknown[]): Promise<unknown> {
    const outcomes = await Promise.allSettled([
      invoke(this.#legs.legacy, operation, args),
      invoke(this.#legs.pooled, operation, args),
    ]);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    return outcomes[0].status === 'fulfilled' ? outcomes[0].value : undefined;
  }

  #resolvedCall(call: Call, args: readonly unknown[], nowMs: number): ResolvedCall {
    const { definition } = call;
    const name =
      'dataset' in definition && definition.dataset !== undefined
        ? (definition.dataset as Method)(...args)
        : args[0];
    const resolved = this.#memo.get(name)?.[call.index];
    if (resolved !== undefined && nowMs - resolved.resolvedMs < routeLifetimeMs) return resolved;
    return this.#resolve(
      call,
      name,
      definition.kind !== 'control' && definition.dataset !== undefined,
      nowMs,
    );
  }

  #resolve(call: Call, name: unknown, mayBeNone: boolean, nowMs: number): ResolvedCall {
    const { backend, parseDataset, recorder, stages } = this.#options;
    const { operation, definition } = call;
    const dataset =
      name === undefined && mayBeNone
        ? noDataset
        : parseDataset === undefined
          ? String(name)
          : parseDataset(name);
    const decision = stages.decide({ backend, dataset, operation });
    const state = this.#states.get(dataset);
    const resolved: ResolvedCall = {
      backend,
      dataset,
      operation,
      definition,
      decision,
      state,
      route: routes[decision.stage],
      rules: this.#rules.for(operation, dataset, decision.settings.rules),
      cell: recorder.cell(backend, dataset, operation, decision.stage),
      resolvedMs: nowMs,
    };
    this.#noticeChange(resolved);
    if (this.#memo.size >= maxMemoisedNames) this.#memo.clear();
    const paths = this.#memo.get(name) ?? [];
    paths[call.index] = resolved;
    this.#memo.set(name, paths);
    return resolved;
  }

  #noticeChange({ backend, dataset, operation, decision, state }: ResolvedCall): void {
    const from = state.stages.get(operation);
    const { stage: to, reason, revision } = decision;
    state.stages.set(operation, to);
    const change = `${String(from)} ${to} ${revision} ${reason}`;
    if (from === undefined || from === to || state.lastChange === change) return;
    state.lastChange = change;
    this.#options.recorder.event('stage', { backend, dataset, from, to, reason, revision });
    this.#options.logger.info({ backend, dataset, from, to, reason, revision }, 'stage changed');
  }
}

const latencyOf = { legacy: 'legacyLatency', pooled: 'pooledLatency' } as const;

function invoke(leg: Leg<object>, operation: string, args: readonly unknown[]): unknown {
  const method = (leg.api as Record<string, Method | undefined>)[operation];
  // Never `undefined` in place of an answer: a write would be gone without a word.
  if (method === undefined)
    throw new TypeError(`the ${leg.name} leg has no operation ${operation}`);
  return Reflect.apply(method, leg.api, args);
}

/** Whether a write at `shadow` is made through the comparer: what is only observed afterwards is not. */
function isCompared({ shadow, definition, call }: Write): boolean {
  if (shadow === undefined || call.style === 'at-once') return false;
  return definition.comparison !== 'none' && definition.comparison !== 'observed';
}
