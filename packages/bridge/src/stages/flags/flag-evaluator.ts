import { EventEmitter } from 'node:events';
import {
  Unleash,
  UnleashEvents,
  type ClientFeaturesResponse,
  type Context,
  type UnleashConfig,
} from 'unleash-client';

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
}

/**
 * Evaluates flag data that is in memory, by `unleash-client` itself, so that a file, a kept copy and a server give the
 * same answers. No network, no timers, no files, no metrics.
 */
export class FlagEvaluator {
  readonly #repository = new MemoryRepository();
  readonly #unleash: Unleash;

  constructor(environment = 'default') {
    this.#unleash = new Unleash({
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
    this.#unleash.on(UnleashEvents.Error, () => undefined);
    this.#unleash.on(UnleashEvents.Warn, () => undefined);
    // Told at once, since the client answers with defaults until then, and the first call is routed in this tick.
    this.#repository.emit(UnleashEvents.Ready);
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
    return { name, enabled, flagEnabled: flagEnabled === true, payload: payload?.value };
  }
}

/** What the client reads flags from. */
class MemoryRepository extends EventEmitter implements Repository {
  #features = new Map<string, Feature>();
  #segments = new Map<number, Segment>();

  load(data: ClientFeaturesResponse): void {
    this.#features = new Map(data.features.map((feature) => [feature.name, feature]));
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
