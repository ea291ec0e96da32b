import type { ComparisonRule } from '@changeover/compare';
import { type CallTarget, keyTarget, noKey, type Stage } from '@changeover/core';
import type { ExclusionLevel, OrderLevel } from '../../guarantees/index.ts';

/** What becomes of statements that leave something on their connection. `pin`: from the first of them on, and where the key was seen to
 * rely on it before, the key has one pooled connection. `refuse`: the pooled leg refuses them with a `SessionStateError`. `none`: they are run,
 * and what they leave is gone with their connection. */
export type SessionLevel = 'pin' | 'refuse' | 'none';

/** What a key's callers get of what the singleton guaranteed. */
export interface GuaranteeLevels {
  /** Whose calls take effect in the order in which they were issued, awaited or not: all of the process, each caller's own,
   * or nobody's. Default: `caller`. */
  readonly order: OrderLevel;
  /** Whether a transaction excludes the key's other writes in this process. Default: `process`. */
  readonly exclusion: ExclusionLevel;
  /** For legs that know statements: the storage API's. Default: `pin`. */
  readonly session: SessionLevel;
}

/** What a flag says about comparing calls, beside the stage. */
export interface ShadowSettings {
  /** Share of the eligible calls that are compared, 0 to 1. Default: 1. */
  readonly sampleRate: number;
  /** A shadow call that took longer than this, in ms, is given up. Default: 5,000. */
  readonly deadlineMs: number;
  /** How long a caller may wait for the rehearsal of its write, in ms; 0 turns rehearsals off. Default: 25. */
  readonly rehearsalBudgetMs: number;
  /** Share of the `execute` calls that are rehearsed, 0 to 1. Default: 1. */
  readonly rehearsalSampleRate: number;
  /** Size limit of digests and of shadow reads on the legacy leg, in rows. Default: 100,000. */
  readonly maxRows: number;
  /** Where the results of reads may rightly differ, beside the rules that the bridge was given. Default: none. */
  readonly rules: readonly ComparisonRule[];
  /** Operations that may step forward without comparisons, because nothing can compare them. Default: none. */
  readonly accept: readonly string[];
  /** What is kept where the pooled leg answers; at `legacy` the singleton keeps what it always kept. */
  readonly guarantees: GuaranteeLevels;
}

/** What holds where a flag says nothing else. */
export const defaultShadowSettings: ShadowSettings = Object.freeze({
  sampleRate: 1,
  deadlineMs: 5_000,
  rehearsalBudgetMs: 25,
  rehearsalSampleRate: 1,
  maxRows: 100_000,
  rules: Object.freeze([]),
  accept: Object.freeze([]),
  guarantees: Object.freeze({
    order: 'caller',
    exclusion: 'process',
    session: 'pin',
  } as const),
});

/** Where an answer comes from: the flag server, the last answer it gave before it went silent, the flags file, or
 * nowhere (`default`: every call goes to the legacy leg). */
export type StageOrigin = 'server' | 'last-known-good' | 'file' | 'default';

/** Whose stage is asked for. */
export interface StageContext {
  /** The engine, or the name that a bridge was given. The flag is `changeover.{backend}`. */
  readonly backend: string;
  /** The dataset's name; the empty string for operations that concern none. */
  readonly dataset: string;
  readonly operation: string;
}

/** Whom a call is about, by the dataset's name that contexts and cells have. */
export function callTarget(dataset: string): CallTarget {
  return dataset === '' ? noKey : keyTarget(dataset);
}

/** One answer. Frozen; the same object may be given to many. */
export interface StageDecision {
  readonly stage: Stage;
  readonly settings: ShadowSettings;
  readonly source: StageOrigin;
  /** Why this stage, for people: the flag's variant, and the limit that held it back where there was one. */
  readonly reason: string;
  /** Identifies the flag data that the answer was made from; the empty string where there was none. */
  readonly revision: string;
}

/** How the flag data stands, for `status` and the console. */
export interface FlagStatus {
  /** The best origin in use at the moment. */
  readonly source: StageOrigin;
  readonly revision: string;
  /** When this data was loaded, in ms since 1970; undefined where none was. */
  readonly loadedAt: number | undefined;
  /** How long it has been, in ms, since the data was last confirmed to be the newest; undefined where it never was. */
  readonly stalenessMs: number | undefined;
  /** True where that is longer than it should be, or where the newest data could not be used. */
  readonly stale: boolean;
  /** The backends that have a usable flag, sorted. */
  readonly backends: readonly string[];
  /** The last thing that went wrong and has not been put right since. */
  readonly lastError: { readonly at: number; readonly message: string } | undefined;
}

/** Who says on which stage a call is. Implementations never do I/O in `decide`. */
export interface StageSource {
  /** True where the program itself sets the stages, so that nothing decides over them but holds. Default: false. */
  readonly setByProgram?: boolean | undefined;
  /** Never throws and never waits: where it can't tell, it says `legacy` and why. */
  decide(context: StageContext): StageDecision;
  /** Calls `listener` after the answers may have changed. A listener that throws is logged and harms nobody else.
   * Returns the function that ends the subscription. */
  subscribe(listener: () => void): () => void;
  status(): FlagStatus;
  /** Ends watching, timers and connections. Idempotent. Answers stay as they were last. */
  close(): Promise<void>;
}
