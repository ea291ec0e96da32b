import type { ComparisonRule } from '@changeover/compare';
import type { Recorder } from '../recorder/recorder.ts';
import { GuaranteeRegistry, type SerialLeg } from '../guarantees/index.ts';
import { RuleBooks } from '../shadow/rule-books.ts';
import type { Logger } from '../log.ts';
import type { StageSource } from '../stages/flags/stage-source.ts';
import { type DatasetState, DatasetStates } from './key-state.ts';
import type { Method } from './invoke.ts';
import type { Call, ResolvedCall } from './resolved-call.ts';
import { routes } from './route.ts';
import { traitsOf } from './route-traits.ts';

/** What the router's options say of it. */
export interface CallResolverOptions {
  readonly backend: string;
  readonly stages: StageSource;
  readonly recorder: Recorder;
  readonly logger: Logger;
  readonly parseDataset?: ((name: unknown) => string) | undefined;
  readonly rules?: readonly ComparisonRule[] | undefined;
  readonly guarantees?: GuaranteeRegistry | undefined;
  readonly serial?: { readonly legacy?: SerialLeg } | undefined;
  /** Told of a key with calls in flight whose stage may have changed. */
  readonly onChange: (state: DatasetState) => void;
}

/** How long a memoised route is used without asking again, so that its counters are stored and let go when idle. */
const routeLifetimeMs = 30_000;
const maxMemoisedNames = 20_000;

/** Stands for the dataset of a call that is about none. */
const noDataset = '';

/** Decides about a call before it is made: its key, stage, route, rules and counters. Remembers what it decided. */
export class CallResolver {
  readonly #options: CallResolverOptions;
  readonly #memo = new Map<unknown, (ResolvedCall | undefined)[]>();
  readonly #states: DatasetStates;
  readonly #rules: RuleBooks;
  readonly #unsubscribe: () => void;
  /** Made here, because no other bridge shares it. */
  readonly #ownGuarantees: GuaranteeRegistry | undefined = undefined;

  constructor(options: CallResolverOptions) {
    const { backend, serial } = options;
    this.#options = options;
    const guarantees = options.guarantees ?? new GuaranteeRegistry();
    if (options.guarantees === undefined) this.#ownGuarantees = guarantees;
    this.#states = new DatasetStates({
      gateFor: (dataset) =>
        guarantees.gate({ key: dataset === noDataset ? backend : `${backend}:${dataset}`, serial }),
      onForget: () => {
        this.#memo.clear();
      },
    });
    this.#rules = new RuleBooks(backend, options.rules);
    options.recorder.watchRules(() => this.#rules.uses());
    this.#unsubscribe = options.stages.subscribe(() => {
      this.#memo.clear();
      for (const state of this.#states.busy()) options.onChange(state);
    });
  }

  /** The state that calls about no dataset see. */
  get everywhere(): DatasetState {
    return this.#states.get(noDataset);
  }

  /** Forgets nothing and goes on to answer, but by what was decided last. Idempotent. */
  close(): void {
    this.#unsubscribe();
    this.#ownGuarantees?.close();
  }

  /**
   * What holds for a call with these arguments.
   *
   * @param nowMs on the monotonic clock.
   * @throws what `parseDataset`, or the operation's own way to its dataset, throws.
   */
  resolve(call: Call, args: readonly unknown[], nowMs: number): ResolvedCall {
    const { definition } = call;
    const datasetOf =
      'dataset' in definition ? (definition.dataset as Method | undefined) : undefined;
    const name = datasetOf === undefined ? args[0] : datasetOf(...args);
    const resolved = this.#memo.get(name)?.[call.index];
    if (resolved !== undefined && nowMs - resolved.resolvedMs < routeLifetimeMs) return resolved;
    return this.#decide(call, name, datasetOf !== undefined, nowMs);
  }

  #decide(call: Call, name: unknown, mayBeNone: boolean, nowMs: number): ResolvedCall {
    const { parseDataset } = this.#options;
    const dataset =
      name === undefined && mayBeNone
        ? noDataset
        : parseDataset === undefined
          ? String(name)
          : parseDataset(name);
    const resolved = this.#resolved(call, dataset, nowMs);
    this.#noticeChange(resolved);
    if (this.#memo.size >= maxMemoisedNames) this.#memo.clear();
    const paths = this.#memo.get(name) ?? [];
    paths[call.index] = resolved;
    this.#memo.set(name, paths);
    return resolved;
  }

  /** What holds now for a call of the same operation and dataset. */
  again({ operation, definition, dataset, resolvedMs }: ResolvedCall): ResolvedCall {
    return this.#resolved({ operation, definition }, dataset, resolvedMs);
  }

  #resolved(
    { operation, definition }: Pick<Call, 'operation' | 'definition'>,
    dataset: string,
    nowMs: number,
  ): ResolvedCall {
    const { backend, recorder, stages } = this.#options;
    const decision = stages.decide({ backend, dataset, operation });
    return {
      backend,
      dataset,
      operation,
      definition,
      decision,
      state: this.#states.get(dataset),
      route: routes[decision.stage],
      traits: traitsOf(definition, decision.settings.guarantees),
      rules: this.#rules.for(operation, dataset, decision.settings.rules),
      cell: recorder.cell(backend, dataset, operation, decision.stage),
      resolvedMs: nowMs,
    };
  }

  #noticeChange({ backend, dataset, operation, decision, state }: ResolvedCall): void {
    const from = state.stages.get(operation);
    const { stage: to, reason, revision } = decision;
    state.stages.set(operation, to);
    const change = `${String(from)} ${to} ${revision} ${reason}`;
    if (from === undefined || from === to) return;
    // Where the source hasn't said so.
    if (!state.gate.idle) this.#options.onChange(state);
    if (state.lastChange === change) return;
    state.lastChange = change;
    this.#options.recorder.event('stage', { backend, dataset, from, to, reason, revision });
    this.#options.logger.info({ backend, dataset, from, to, reason, revision }, 'stage changed');
  }
}
