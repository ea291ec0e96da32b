import { stageNamed, systemClock, type Clock, type Stage, type Timer } from '@changeover/core';
import type { Logger } from '../../log.ts';
import { assigned, legacyByDefault, flagDataset } from './flag-layer.ts';
import { stageFlag } from './flags-document.ts';
import { Listeners } from './listeners.ts';
import {
  callTarget,
  type FlagStatus,
  type StageContext,
  type StageDecision,
  type StageSource,
} from './stage-source.ts';
import { parseVariantPayload, stageOfVariant } from './stage-variant.ts';

/** What is needed of an OpenFeature client: that of `@openfeature/server-sdk` is one. */
export interface OpenFeatureClient {
  getStringDetails(
    flag: string,
    fallback: string,
    context: Readonly<Record<string, string>>,
  ): Promise<{
    readonly value: string;
    readonly variant?: string;
    readonly errorCode?: string;
    readonly errorMessage?: string;
    readonly flagMetadata?: Readonly<Record<string, unknown>>;
  }>;
  /** `event` is a member of an enum of the SDK, which no other type can name; it is one of {@link events} at run
   * time. */
  addHandler(event: never, handler: () => void): void;
  removeHandler(event: never, handler: () => void): void;
}

/** What the source is made of. */
export interface OpenFeatureStageSourceOptions {
  readonly client: OpenFeatureClient;
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
  /** Answers until the provider has, and where it fails before it ever answered. Default: `legacy`. It is its
   * maker's. */
  readonly fallback?: StageSource | undefined;
  /** Answers are asked for anew this often, for providers that don't tell of changes, in ms. Default: 30,000. */
  readonly refreshIntervalMs?: number | undefined;
}

interface Answer {
  readonly context: StageContext;
  decision: StageDecision | undefined;
}

/** What makes answers change, by the names that OpenFeature's specification gives. */
const events = ['PROVIDER_CONFIGURATION_CHANGED', 'PROVIDER_READY'] as const;
/** Answers kept; beyond it the oldest are let go, and asked for again when needed. */
const maxAnswers = 20_000;
/** Evaluations that run at once. */
const maxAtOnce = 50;
/** Never a value of a flag: whatever is answered by it came from no provider. */
const noAnswer = '';

/**
 * Stages from any OpenFeature provider. The flags are texts named `changeover.{backend}`, whose value is a stage
 * (`shadow`) or a variant (`1-shadow`); the targeting key is the dataset. Metadata of the flag may carry settings
 * (`sampleRate`, …).
 *
 * OpenFeature answers by a promise and a call can't wait for one: the first call of each dataset and operation is
 * answered by the fallback, and the subscribers are told when the provider's answer is there. An answer that fails
 * leaves the last one in force.
 */
export class OpenFeatureStageSource implements StageSource {
  readonly #client: OpenFeatureClient;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #fallback: StageSource | undefined;
  readonly #refreshIntervalMs: number;
  readonly #listeners: Listeners;
  readonly #answers = new Map<string, Answer>();
  readonly #due = new Set<string>();
  readonly #changed = (): void => {
    this.#refresh();
  };
  readonly #endFallback: (() => void) | undefined;
  #atOnce = 0;
  #timer: Timer | undefined = undefined;
  #telling: Timer | undefined = undefined;
  #revision = 0;
  #loadedAt: number | undefined = undefined;
  #heardMs: number | undefined = undefined;
  #lastError: { readonly at: number; readonly message: string } | undefined = undefined;
  #closed = false;

  constructor(options: OpenFeatureStageSourceOptions) {
    this.#client = options.client;
    this.#logger = options.logger;
    this.#clock = options.clock ?? systemClock;
    this.#fallback = options.fallback;
    this.#refreshIntervalMs = options.refreshIntervalMs ?? 30_000;
    this.#listeners = new Listeners(options.logger);
    this.#endFallback = options.fallback?.subscribe(() => {
      this.#listeners.notify();
    });
    for (const event of events) this.#client.addHandler(event as never, this.#changed);
    this.#scheduleRefresh();
  }

  decide(context: StageContext): StageDecision {
    const { backend, dataset, operation } = context;
    const name = `${backend}\0${dataset}\0${operation}`;
    const decision = this.#answers.get(name)?.decision;
    if (decision !== undefined) return decision;
    if (!this.#answers.has(name)) this.#remember(name, context);
    return (
      this.#fallback?.decide(context) ?? legacyByDefault(`${stageFlag(backend)} is being asked for`)
    );
  }

  subscribe(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  status(): FlagStatus {
    if (this.#heardMs === undefined && this.#fallback !== undefined) return this.#fallback.status();
    const stalenessMs =
      this.#heardMs === undefined ? undefined : this.#clock.monotonicMs() - this.#heardMs;
    return {
      source: this.#heardMs === undefined ? 'default' : 'server',
      revision: this.#revision === 0 ? '' : String(this.#revision),
      loadedAt: this.#loadedAt,
      stalenessMs,
      stale:
        this.#lastError !== undefined || (stalenessMs ?? Infinity) > 3 * this.#refreshIntervalMs,
      // A provider answers for the flags that it is asked for and lists none.
      backends: [],
      lastError: this.#lastError,
    };
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#telling?.cancel();
    this.#due.clear();
    this.#endFallback?.();
    for (const event of events) this.#client.removeHandler(event as never, this.#changed);
    this.#listeners.clear();
    return Promise.resolve();
  }

  #remember(name: string, context: StageContext): void {
    if (this.#closed) return;
    const oldest = this.#answers.size < maxAnswers ? undefined : this.#answers.keys().next().value;
    if (oldest !== undefined) {
      this.#answers.delete(oldest);
      this.#due.delete(oldest);
    }
    this.#answers.set(name, { context: { ...context }, decision: undefined });
    this.#due.add(name);
    this.#askDue();
  }

  #refresh(): void {
    if (this.#closed) return;
    for (const name of this.#answers.keys()) this.#due.add(name);
    this.#askDue();
  }

  #scheduleRefresh(): void {
    this.#timer = this.#clock.after(this.#refreshIntervalMs, () => {
      this.#refresh();
      this.#scheduleRefresh();
    });
  }

  #askDue(): void {
    for (const name of this.#due) {
      if (this.#atOnce >= maxAtOnce) return;
      this.#due.delete(name);
      const answer = this.#answers.get(name);
      if (answer === undefined) continue;
      this.#atOnce += 1;
      const next = (): void => {
        this.#atOnce -= 1;
        this.#askDue();
      };
      this.#ask(answer).then(next, (error: unknown) => {
        this.#fail(answer.context, error);
        next();
      });
    }
  }

  async #ask(answer: Answer): Promise<void> {
    const { backend, dataset, operation } = answer.context;
    const key = flagDataset(callTarget(dataset));
    const { value, variant, errorCode, errorMessage, flagMetadata } =
      await this.#client.getStringDetails(stageFlag(backend), noAnswer, {
        targetingKey: key,
        dataset: key,
        backend,
        operation,
      });
    if (errorCode !== undefined) throw new Error(`${errorCode}: ${errorMessage ?? 'no message'}`);
    const stage = stageNamed(value) ?? stageOfVariant(value);
    if (stage === undefined) {
      throw new Error(
        `found ${JSON.stringify(value)}; write a stage ("shadow") or a variant ("1-shadow")`,
      );
    }
    const problems: string[] = [];
    const { settings } = parseVariantPayload(
      JSON.stringify(flagMetadata ?? {}),
      (path, found, expected) => {
        // Providers have metadata of their own.
        if (expected.startsWith('one of the fields')) return;
        problems.push(`metadata${path}: found ${String(found)}; write ${expected}`);
      },
    );
    if (problems.length > 0) throw new Error(problems.join('; '));
    if (!this.#closed) this.#take(answer, stage, settings, variant ?? value);
  }

  #take(answer: Answer, stage: Stage, settings: StageDecision['settings'], variant: string): void {
    this.#heardMs = this.#clock.monotonicMs();
    this.#lastError = undefined;
    const before = answer.decision;
    if (before?.stage === stage && JSON.stringify(before.settings) === JSON.stringify(settings))
      return;
    this.#revision += 1;
    this.#loadedAt = this.#clock.wallMs();
    const reason = assigned(stageFlag(answer.context.backend), variant);
    answer.decision = Object.freeze({
      stage,
      settings,
      source: 'server',
      reason,
      revision: String(this.#revision),
    });
    // Many answers come together: the subscribers are told once.
    this.#telling ??= this.#clock.after(0, () => {
      this.#telling = undefined;
      this.#listeners.notify();
    });
  }

  #fail({ backend }: StageContext, error: unknown): void {
    const text = String((error as { message?: unknown }).message);
    const message = `flag "${stageFlag(backend)}" of the OpenFeature provider can't be used: ${text}`;
    if (this.#closed || this.#lastError?.message === message) return;
    this.#lastError = { at: this.#clock.wallMs(), message };
    this.#logger.error({ backend }, `${message}; answers stay what they were`);
  }
}
