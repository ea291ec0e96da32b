import { EventEmitter } from 'node:events';
import { loadInstalled } from '@changeover/core';
import type {
  ClientFeaturesResponse,
  Context,
  Strategy as ClientStrategy,
  Unleash,
  UnleashConfig,
} from 'unleash-client';

type Repository = NonNullable<UnleashConfig['repository']>;
type Feature = ClientFeaturesResponse['features'][number];
type Segment = NonNullable<ClientFeaturesResponse['segments']>[number];

/** The class behind `Unleash` that evaluates. */
interface UnleashClient {
  isEnabled(flag: string, context: Context, fallback: () => boolean): boolean;
  getVariant(flag: string, context: Context): ReturnType<Unleash['getVariant']>;
  on(event: 'error', listener: () => void): unknown;
}

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
  readonly #everywhere: Context;
  #client: UnleashClient | undefined;

  constructor(environment = 'default') {
    this.#everywhere = { appName: 'changeover', environment };
  }

  /** Takes the place of what was loaded before.
   *
   * @throws {Error} Node's, where the library that evaluates can't be loaded. */
  load(data: ClientFeaturesResponse): void {
    // Now, because a first call must not fail by what can't be loaded; and not for flags that are none.
    if (data.features.length > 0) this.#evaluate();
    this.#repository.load(data);
  }

  has(flag: string): boolean {
    return this.#repository.getToggle(flag) !== undefined;
  }

  isEnabled(flag: string, context: Context): boolean {
    if (!this.has(flag)) return false;
    return this.#evaluate().isEnabled(flag, { ...this.#everywhere, ...context }, () => false);
  }

  variant(flag: string, context: Context): EvaluatedVariant {
    if (!this.has(flag)) return noVariant;
    const {
      name,
      enabled,
      feature_enabled: flagEnabled,
      payload,
    } = this.#evaluate().getVariant(flag, { ...this.#everywhere, ...context });
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

  #evaluate(): UnleashClient {
    this.#client ??= makeClient(this.#repository);
    return this.#client;
  }
}

const noVariant: EvaluatedVariant = Object.freeze({
  name: 'disabled',
  enabled: false,
  flagEnabled: false,
  payload: undefined,
  strategy: undefined,
});

/** The part of the package that evaluates, and not the one that fetches, stores and counts, which takes three times as long to load (140
 * ms) and is never used here. These two modules are no documented export, so the version is an exact one. */
function makeClient(repository: Repository): UnleashClient {
  const { default: Client } = loadInstalled('unleash-client/lib/client', import.meta.url) as {
    readonly default: new (from: Repository, by: readonly ClientStrategy[]) => UnleashClient;
  };
  const { defaultStrategies } = loadInstalled('unleash-client/lib/strategy', import.meta.url) as {
    readonly defaultStrategies: readonly ClientStrategy[];
  };
  const client = new Client(repository, defaultStrategies);
  // An error that nobody listens to is thrown. What can be wrong with flags is found when they are read.
  client.on('error', () => undefined);
  return client;
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
