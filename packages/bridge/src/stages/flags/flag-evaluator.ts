import { EventEmitter } from 'node:events';
import { loadInstalled } from '@changeover/core';
import type * as Client from 'unleash-client';
import type { ClientFeaturesResponse, Context, Unleash, UnleashConfig } from 'unleash-client';

type Repository = NonNullable<UnleashConfig['repository']>;
type Feature = ClientFeaturesResponse['features'][number];
type Segment = NonNullable<ClientFeaturesResponse['segments']>[number];

/** What a flag's evaluation came to. */
export interface EvaluatedVariant {
  /** `disabled` where the flag gave no variant. */
  readonly name: string;
  readonly enabled: boolean;
  /** False where the flag itself is off for this context. */
  readonly flagEnabled: boolean;
  /** The payload's text; undefined where the variant has none. */
  readonly payload: string | undefined;
  /** Which of the flag's strategies gave it, for people; undefined where none did. */
  readonly strategy: string | undefined;
}

/**
 * Evaluates flag data that is in memory, by `unleash-client` itself, so that a file, a kept copy and a server give the
 * same answers. No network, no timers, no files, no metrics.
 */
export class FlagEvaluator {
  readonly #repository = new MemoryRepository();
  readonly #unleash: Unleash;

  constructor(environment = 'default') {
    // Loading it takes longer than everything else here: only a process that asks for flags pays for it.
    const client = loadInstalled('unleash-client', import.meta.url) as typeof Client;
    this.#unleash = new client.Unleash({
      appName: 'changeover',
      environment,
      // Required by the constructor, and never called: the repository is ours, start() isn't called, metrics are off.
      url: 'http://localhost/',
      repository: this.#repository,
      disableMetrics: true,
      disableAutoStart: true,
      skipInstanceCountWarning: true,
    });
    // Without a listener of ours the client prints its errors. What can be wrong with flags is found when they are
    // read.
    this.#unleash.on(client.UnleashEvents.Error, () => undefined);
    this.#unleash.on(client.UnleashEvents.Warn, () => undefined);
    // Told at once, since the client answers with defaults until then, and the first call is routed in this tick.
    this.#repository.emit(client.UnleashEvents.Ready);
  }

  /** Takes the place of what was loaded before. */
  load(data: ClientFeaturesResponse): void {
    this.#repository.load(data);
  }

  has(flag: string): boolean {
    return this.#repository.getToggle(flag) !== undefined;
  }

  isEnabled(flag: string, context: Context): boolean {
    return this.#unleash.isEnabled(flag, context);
  }

  variant(flag: string, context: Context): EvaluatedVariant {
    const {
      name,
      enabled,
      feature_enabled: flagEnabled,
      payload,
    } = this.#unleash.getVariant(flag, context);
    const [, number, text] = tagged.exec(payload?.value ?? '') ?? [];
    return {
      name,
      enabled,
      flagEnabled: flagEnabled === true,
      payload: number === undefined ? payload?.value : text,
      strategy:
        number === undefined
          ? undefined
          : strategyText(this.#repository.getToggle(flag)?.strategies ?? [], Number(number)),
    };
  }
}

/** What the client reads flags from. */
class MemoryRepository extends EventEmitter implements Repository {
  #features = new Map<string, Feature>();
  #segments = new Map<number, Segment>();

  load(data: ClientFeaturesResponse): void {
    this.#features = new Map(data.features.map((feature) => [feature.name, withTags(feature)]));
    this.#segments = new Map((data.segments ?? []).map((segment) => [segment.id, segment]));
  }

  getToggle(name: string): Feature | undefined {
    return this.#features.get(name);
  }

  getToggles(): Feature[] {
    return [...this.#features.values()];
  }

  getTogglesWithSegmentData(): never[] {
    // Only asked by clients that pass flags on, which this one doesn't.
    return [];
  }

  getSegment(id: number): Segment | undefined {
    return this.#segments.get(id);
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  stop(): void {
    // Nothing was started.
  }
}

/** The client doesn't say which strategy gave a variant, so each variant's payload carries its strategy's number. */
const tagged = /^changeover strategy (\d+)(?:\n([^]*))?$/;

function withTags(feature: Feature): Feature {
  const strategies = feature.strategies?.map((strategy, at) => ({
    ...strategy,
    variants: strategy.variants?.map((variant) => ({
      ...variant,
      payload: {
        type: 'string',
        value: `changeover strategy ${String(at)}${variant.payload?.value === undefined ? '' : `\n${variant.payload.value}`}`,
      },
    })),
  }));
  return { ...feature, strategies } as Feature;
}

type Strategy = NonNullable<Feature['strategies']>[number];

function strategyText(strategies: readonly Strategy[], at: number): string {
  const strategy = strategies[at];
  const {
    constraints = [],
    segments = [],
    title,
  } = (strategy ?? {}) as Partial<Strategy> & {
    readonly title?: string;
  };
  if (title !== undefined && title !== '') return `its strategy "${title}"`;
  const isForAll = constraints.length === 0 && segments.length === 0;
  return isForAll
    ? 'its default strategy'
    : `strategy ${String(at + 1)} of ${String(strategies.length)}, by its constraints`;
}
