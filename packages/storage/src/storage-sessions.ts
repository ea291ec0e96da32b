import { anyOperation, type BridgeServices } from '@changeover/bridge';
import { StatementShapes } from '@changeover/classify';
import { type Engine, parseDatasetName } from '@changeover/engines/api';
import {
  keepsSession,
  type KnownReliance,
  type SessionFacts,
  sessionFactsByWords,
  type SessionMode,
} from '@changeover/engines/api';
import { type StorageBackendFactoryOptions } from '@changeover/pooled';
import type { PooledOptions } from './bridge-options.ts';
import {
  scopeOf,
  SessionReliance,
  type SettingsSeen,
  type StatementCall,
} from './session-reliance.ts';
import type { StatementClassifiers } from './statement-classifiers.ts';

/** Who is to be told of an engine's statements. */
export interface SessionWatch {
  readonly saw: (call: StatementCall) => void;
  /** Of statements in a transaction: what they leave on the connection outlives it. */
  readonly sawInside: (dataset: unknown, operation: string, sql: unknown) => void;
}

interface Watched {
  readonly reliance: SessionReliance;
  readonly classifiers: StatementClassifiers;
}

/** The session guarantee of the storage API: watched at every stage, and kept on the pooled leg as flags say by dataset. */
export class StorageSessions {
  readonly #services: BridgeServices;
  readonly #refusesAll: boolean;
  readonly #words = new Map<Engine, SessionFacts>();
  readonly #names = new Map<string, string>();
  readonly #watched = new Map<Engine, Watched>();
  /** By backend and dataset, as the store had it when it was first asked. */
  #stored: ReadonlyMap<string, KnownReliance> | undefined;

  constructor(services: BridgeServices, pooled: PooledOptions | undefined) {
    this.#services = services;
    this.#refusesAll = pooled?.session === 'refuse';
  }

  /** What the pooled leg asks. */
  factoryOptions(
    pooled: PooledOptions | undefined,
  ): Pick<StorageBackendFactoryOptions, 'sessionOf' | 'knownReliance' | 'sessionFacts'> {
    return {
      sessionOf: (engine, dataset) => this.#modeOf(engine, dataset),
      knownReliance: (engine, dataset) => this.#knownOf(engine, dataset),
      sessionFacts: pooled?.sessionFacts ?? ((engine, dataset) => this.#factsOf(engine, dataset)),
    };
  }

  /** Begins to watch an engine's statements. */
  watch(engine: Engine, classifiers: StatementClassifiers): SessionWatch {
    const { recorder, captureSite } = this.#services;
    const shapes = new StatementShapes();
    const reliance = new SessionReliance({
      backend: engine,
      words: this.#wordsOf(engine),
      learn: (dataset, sql) => classifiers.learned(dataset, sql),
      captureSite,
      record: (seen) => {
        recorder.relied(seen);
      },
      kept: (dataset) => this.#modeOf(engine, dataset) === 'pin',
    });
    this.#watched.set(engine, { reliance, classifiers });
    const saw = (call: StatementCall): void => {
      const dataset = this.#nameOf(call.dataset);
      if (dataset !== undefined)
        reliance.saw(dataset === call.dataset ? call : { ...call, dataset });
    };
    return {
      saw,
      sawInside: (dataset, operation, sql) => {
        if (typeof dataset === 'string' && typeof sql === 'string')
          saw({ operation, dataset, sql, shape: shapes.of(sql) });
      },
    };
  }

  /** As the recordings have it; most are that already, and one that is none is the call's own error. */
  #nameOf(given: string): string | undefined {
    const known = this.#names.get(given);
    if (known !== undefined) return known;
    try {
      const name = parseDatasetName(given);
      if (this.#names.size >= maxNames) this.#names.clear();
      this.#names.set(given, name);
      return name;
    } catch {
      return undefined;
    }
  }

  /** Statements of a dataset may touch the session by code that they don't name. */
  hides(engine: Engine, dataset: string): void {
    this.#watched.get(engine)?.reliance.hides(dataset);
  }

  /** What was set in a dataset's session, as far as this process saw. */
  async settings(engine: Engine, dataset: string): Promise<SettingsSeen> {
    return (await this.#watched.get(engine)?.reliance.settings(dataset)) ?? 'nothing';
  }

  /** Whether a statement may leave something on its connection, as far as is known now. */
  mayLeave(engine: Engine, dataset: string, sql: string): boolean {
    const use = this.#wordsOf(engine).sessionUse(sql);
    const classifiers = this.#watched.get(engine)?.classifiers;
    if (use === 'unknown') return keepsSession(classifiers?.sessionUse(dataset, sql) ?? use);
    return keepsSession(use) || classifiers?.mayHide(dataset, sql) === true;
  }

  #modeOf(engine: Engine, dataset: string): SessionMode {
    if (this.#refusesAll) return 'refuse';
    const asked = { backend: engine, dataset, operation: anyOperation };
    return this.#services.guardrail.decide(asked).settings.guarantees.session;
  }

  #knownOf(engine: Engine, dataset: string): KnownReliance {
    const seen = this.#watched.get(engine)?.reliance.reliedOn(dataset) ?? 'none';
    this.#stored ??= storedReliance(this.#services);
    return wider(seen, this.#stored.get(`${engine}\0${dataset}`) ?? 'none');
  }

  /** By a statement's words, and where they tell nothing by what is known of its functions. */
  #factsOf(engine: Engine, dataset: string): SessionFacts {
    const words = this.#wordsOf(engine);
    const watched = (): StatementClassifiers | undefined => this.#watched.get(engine)?.classifiers;
    return {
      readsLastWrite: (sql) =>
        words.readsLastWrite(sql) ||
        // Where that was seen before, one more read on the last writer's connection does no harm.
        (watched()?.hidesLastWrite(dataset, sql) ?? this.#knownOf(engine, dataset) === 'writes'),
      mayLeave: (sql) => this.mayLeave(engine, dataset, sql),
      lastingEffect: async (sql) =>
        await this.#watched.get(engine)?.classifiers.lastingEffect(dataset, sql),
      codeChanged: () => watched()?.hasRun(dataset, 'schema'),
      learnedUse: async (sql) => {
        const use = words.sessionUse(sql);
        if (use !== 'unknown') return (await watched()?.learnedHiddenUse(dataset, sql)) ?? use;
        return (await watched()?.learnedUse(dataset, sql)) ?? use;
      },
      sessionUse: (sql) => {
        const use = words.sessionUse(sql);
        if (use === 'unknown') return watched()?.sessionUse(dataset, sql) ?? use;
        return keepsSession(use) ? use : (watched()?.hiddenUse(dataset, sql) ?? use);
      },
    };
  }

  #wordsOf(engine: Engine): SessionFacts {
    const words = this.#words.get(engine) ?? sessionFactsByWords(engine);
    this.#words.set(engine, words);
    return words;
  }
}

/** Names that are remembered as the recordings have them. */
const maxNames = 10_000;

function storedReliance({ recorder }: BridgeServices): ReadonlyMap<string, KnownReliance> {
  const stored = new Map<string, KnownReliance>();
  for (const { backend, key, guarantee, use } of recorder.reliance()) {
    if (guarantee !== 'session') continue;
    const name = `${backend}\0${key}`;
    stored.set(name, wider(stored.get(name) ?? 'none', scopeOf(use)));
  }
  return stored;
}

function wider(a: KnownReliance, b: KnownReliance): KnownReliance {
  if (a === 'all' || b === 'all') return 'all';
  return a === 'writes' || b === 'writes' ? 'writes' : 'none';
}
