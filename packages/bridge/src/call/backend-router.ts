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
import type { Call, Path } from './resolved-call.ts';
import { CallsInFlight } from './calls-in-flight.ts';
import { Comparer, type ComparerOptions } from '../shadow/comparer.ts';
import { DatasetStates } from './key-state.ts';
import type { StageSource } from '../stages/flags/stage-source.ts';
import type { Guardrail } from '../stages/guardrail.ts';
import type { Logger } from '../log.ts';
import type { Recorder } from '../recorder/recorder.ts';
import { routes } from './route.ts';
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
  readonly #memo = new Map<unknown, (Path | undefined)[]>();
  readonly #states = new DatasetStates(() => {
    this.#memo.clear();
  });
  readonly #scope = new AsyncLocalStorage<Scope>();
  readonly #rules: RuleBooks;
  readonly #calls = new CallsInFlight();
  readonly #comparer: Comparer;
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
    for (const [index, [operation, entry]] of Object.entries(this.#options.operations).entries()) {
      const definition = entry as OperationDefinition;
      const call: Call = { index, operation, definition };
      if (definition.kind === 'read') api[operation] = (...args) => this.#read(call, args);
      else if (definition.kind === 'write')
        api[operation] = (...args) => this.#write(call, definition, args);
      else api[operation] = (...args) => this.#control(operation, args);
    }
    return Object.freeze(api) as Api;
  }

  #read(call: Call, args: readonly unknown[]): unknown {
    const startedMs = this.#clock.monotonicMs();
    let path: Path;
    try {
      path = this.#path(call, args, startedMs);
    } catch (error) {
      return Promise.reject(error);
    }
    const scope = this.#scope.getStore();
    if (scope?.active === true && scope.dataset === path.dataset)
      return invoke(scope.leg, call.operation, args);
    const { answers, beside, fallback } = path.route.read;
    const { cell } = path;
    cell.calls += 1;
    const comparison =
      beside === undefined ? undefined : this.#comparer.beginRead(path, beside, args);
    const result = invoke(this.#legs[answers], call.operation, args);
    if (comparison === undefined && fallback === undefined)
      return this.#observe(path, answers, result, startedMs);
    this.#calls.begin();
    return (result as Promise<unknown>).then(
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
          return this.#fallBack(path, fallback, args, error);
        }
        cell.failed += 1;
        comparison?.failed(error);
        throw error;
      },
    );
  }

  /** Counts without standing between the leg's promise and the caller: no hop is added. */
  #observe(path: Path, leg: LegName, result: unknown, startedMs: number): unknown {
    return this.#watch(
      result,
      () => {
        path.cell[latencyOf[leg]].record(this.#clock.monotonicMs() - startedMs);
      },
      () => {
        path.cell.failed += 1;
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

  async #fallBack(
    path: Path,
    leg: LegName,
    args: readonly unknown[],
    error: unknown,
  ): Promise<unknown> {
    path.cell.fallbacks += 1;
    const { backend, dataset, operation } = path;
    this.#options.logger.warn(
      { backend, dataset, operation, err: error },
      `the pooled leg had no connection; this read is answered by ${leg}`,
    );
    try {
      return await invoke(this.#legs[leg], operation, args);
    } catch (second) {
      path.cell.failed += 1;
      throw second;
    }
  }

  #write(call: Call, definition: WriteDefinition, args: readonly unknown[]): unknown {
    const startedMs = this.#clock.monotonicMs();
    let path: Path;
    try {
      path = this.#path(call, args, startedMs);
    } catch (error) {
      return Promise.reject(error);
    }
    const scope = this.#scope.getStore();
    const nested = scope?.active === true;
    if (nested && scope.dataset === path.dataset) return invoke(scope.leg, call.operation, args);
    const { answers, beside } = path.route.write;
    // Inside a transaction the legacy singleton refuses another dataset; waiting for that one's barrier could dead-lock.
    if (nested && answers === 'legacy') return invoke(this.#legs.legacy, call.operation, args);
    path.cell.calls += 1;
    const entered = path.state.barrier.enter(answers, beside !== undefined, nested);
    if (entered !== undefined)
      return entered.then(() => this.#runWrite(path, definition, args, startedMs));
    return this.#runWrite(path, definition, args, startedMs);
  }

  #runWrite(
    path: Path,
    definition: WriteDefinition,
    args: readonly unknown[],
    startedMs: number,
  ): unknown {
    const { answers, beside } = path.route.write;
    const leg = this.#legs[answers];
    const scope: Scope = { dataset: path.dataset, leg, active: true };
    const everywhere =
      definition.removesDataset === true || definition.addsDataset === true
        ? this.#states.get(noDataset).barrier
        : undefined;
    everywhere?.pass();
    const run = (given: readonly unknown[]): unknown =>
      invoke(leg, path.operation, this.#scoped(scope, given));
    const end = (): void => {
      scope.active = false;
      everywhere?.passed();
      path.state.barrier.leave();
    };
    let result: unknown;
    try {
      result =
        definition.removesDataset === true
          ? this.#remove(path, answers, args)
          : beside === undefined
            ? run(args)
            : this.#comparer.shadowWrite(
                path,
                definition,
                args,
                (given) => run(given) as Promise<unknown>,
              );
    } catch (error) {
      end();
      path.cell.failed += 1;
      throw error;
    }
    const succeed = (): void => {
      end();
      // At `shadow` the comparison measures the leg alone, without the rehearsal before it.
      if (beside === undefined)
        path.cell[latencyOf[answers]].record(this.#clock.monotonicMs() - startedMs);
    };
    const fail = (error: unknown): void => {
      end();
      if (error !== scope.thrown) path.cell.failed += 1;
    };
    // Before the caller's own continuation, so that its next call finds the barrier open.
    return this.#watch(result, succeed, fail);
  }

  /** What the other leg holds open of a dataset would be a deleted file to it, or keep it from being removed. */
  async #remove(path: Path, answers: LegName, args: readonly unknown[]): Promise<unknown> {
    const other = this.#legs[answers === 'legacy' ? 'pooled' : 'legacy'];
    const remove = async (): Promise<unknown> =>
      await invoke(this.#legs[answers], path.operation, args);
    return other.closedWhile === undefined
      ? await remove()
      : await other.closedWhile(path.dataset, remove);
  }

  /** Functions among the arguments run inside the scope, so that the calls they make join the transaction. */
  #scoped(scope: Scope, args: readonly unknown[]): readonly unknown[] {
    if (!args.some((argument) => typeof argument === 'function')) return args;
    return args.map((argument) => {
      if (typeof argument !== 'function') return argument;
      const work = argument as Method;
      return async (...given: readonly unknown[]) => {
        try {
          return await this.#scope.run(scope, () => work(...given));
        } catch (error) {
          scope.thrown = error;
          throw error;
        }
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

  #path(call: Call, args: readonly unknown[], nowMs: number): Path {
    const { definition } = call;
    const name =
      definition.kind !== 'control' && definition.dataset !== undefined
        ? (definition.dataset as Method)(...args)
        : args[0];
    const path = this.#memo.get(name)?.[call.index];
    if (path !== undefined && nowMs - path.resolvedMs < routeLifetimeMs) return path;
    return this.#resolve(
      call,
      name,
      definition.kind !== 'control' && definition.dataset !== undefined,
      nowMs,
    );
  }

  #resolve(call: Call, name: unknown, mayBeNone: boolean, nowMs: number): Path {
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
    const path: Path = {
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
    this.#noticeChange(path);
    if (this.#memo.size >= maxMemoisedNames) this.#memo.clear();
    const paths = this.#memo.get(name) ?? [];
    paths[call.index] = path;
    this.#memo.set(name, paths);
    return path;
  }

  #noticeChange({ backend, dataset, operation, decision, state }: Path): void {
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
  return (leg.api as Record<string, Method>)[operation]?.(...args);
}

function isPromise(value: unknown): value is Promise<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}
