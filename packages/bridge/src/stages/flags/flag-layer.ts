import type { CallTarget, Stage } from '@changeover/core';
import { resolveStage, type StageLimit } from '../resolve-stage.ts';
import { FlagEvaluator } from './flag-evaluator.ts';
import { killSwitchFlag, stageFlag, type CheckedFlags } from './flags-document.ts';
import {
  callTarget,
  defaultShadowSettings,
  type StageContext,
  type StageDecision,
  type StageOrigin,
} from './stage-source.ts';
import { emptyPayload, stageOfVariant, type VariantPayload } from './stage-variant.ts';

/** The field `dataset` of a flag's context. An operation that concerns none has a name too: an empty one would be dealt
 * a random variant. */
export function flagDataset(target: CallTarget): string {
  return target.kind === 'none' ? '*' : target.name;
}

/** The flag data from one origin, ready to answer. */
export class FlagLayer {
  readonly origin: StageOrigin;
  readonly #evaluator: FlagEvaluator;
  #flags: CheckedFlags | undefined = undefined;
  #revision = '';

  constructor(origin: StageOrigin, environment?: string) {
    this.origin = origin;
    this.#evaluator = new FlagEvaluator(environment);
  }

  /** The empty string where nothing is loaded. */
  get revision(): string {
    return this.#revision;
  }

  /** The backends whose flag can be used, sorted. */
  get backends(): readonly string[] {
    const prefix = stageFlag('');
    return [...(this.#flags?.usable ?? [])]
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length))
      .sort();
  }

  get loaded(): boolean {
    return this.#flags !== undefined;
  }

  /** Takes the place of what was loaded before. Flags with problems are left out. */
  load(flags: CheckedFlags, revision: string): void {
    if (flags.data === undefined) return;
    this.#evaluator.load(flags.data);
    this.#flags = flags;
    this.#revision = revision;
  }

  /** The kill switch's state: `on` lets calls through, `off` sends all to the legacy leg, undefined where this
   * layer has no such flag. */
  killSwitch(context: StageContext, nowMs: number): 'on' | 'off' | undefined {
    if (this.#flags?.usable.has(killSwitchFlag) !== true) return undefined;
    return this.#evaluator.isEnabled(killSwitchFlag, clientContext(context, nowMs)) ? 'on' : 'off';
  }

  /** The answer of this layer's flag; undefined where it has none that can be used. */
  decide(context: StageContext, nowMs: number): StageDecision | undefined {
    const flag = stageFlag(context.backend);
    const flags = this.#flags;
    if (flags?.usable.has(flag) !== true) return undefined;
    const variant = this.#evaluator.variant(flag, clientContext(context, nowMs));
    if (!variant.flagEnabled)
      return this.decision('legacy', emptyPayload, `the flag ${flag} is off for it`);
    const wanted = stageOfVariant(variant.name);
    if (wanted === undefined)
      return this.decision('legacy', emptyPayload, `the flag ${flag} assigns it no variant`);
    const payload =
      variant.payload === undefined
        ? emptyPayload
        : (flags.payloads.get(variant.payload) ?? emptyPayload);
    const { stage, reason } = resolveStage<StageLimit>(
      { by: 'flag', stage: wanted, reason: assigned(flag, variant.name, variant.strategy) },
      payloadLimits(payload, variant.name, context),
    );
    return this.decision(stage, payload, reason);
  }

  /** An answer in this layer's name. */
  decision(stage: Stage, payload: VariantPayload, reason: string): StageDecision {
    return Object.freeze({
      stage,
      settings: payload.settings,
      source: this.origin,
      reason,
      revision: this.#revision,
    });
  }

  /** The first date of a constraint that isn't past at `nowMs`: answers change with it. Undefined where there is
   * none. */
  nextChangeAt(nowMs: number): number | undefined {
    return this.#flags?.changesAt.find((at) => at >= nowMs);
  }
}

/** The answer where no flag can be had. */
export function legacyByDefault(reason: string): StageDecision {
  return Object.freeze({
    stage: 'legacy',
    settings: defaultShadowSettings,
    source: 'default',
    reason,
    revision: '',
  });
}

/** Identifies flag data by its content. */
export function revisionOf(text: string): string {
  return process
    .getBuiltinModule('node:crypto')
    .createHash('sha256')
    .update(text)
    .digest('hex')
    .slice(0, 12);
}

function clientContext(
  { backend, dataset, operation }: StageContext,
  nowMs: number,
): {
  currentTime: Date;
  properties: { backend: string; dataset: string; operation: string };
} {
  return {
    currentTime: new Date(nowMs),
    properties: { backend, dataset: flagDataset(callTarget(dataset)), operation },
  };
}

/** Why a flag asks for a stage, as a clause that follows "because". */
export function assigned(flag: string, variant: string, strategy?: string): string {
  return `the flag ${flag} assigns it the variant ${variant}${strategy === undefined ? '' : ` (${strategy})`}`;
}

function payloadLimits(
  { limits }: VariantPayload,
  variant: string,
  { dataset, operation }: StageContext,
): StageLimit[] {
  const limit = (stage: Stage | undefined, what: string): StageLimit[] =>
    stage === undefined
      ? []
      : [{ by: 'flag', stage, reason: `the payload of ${variant} keeps ${what} at ${stage}` }];
  return [
    ...limit(limits.datasets.get(dataset.toLowerCase()), `the key ${dataset}`),
    ...limit(limits.operations.get(operation), `the operation ${operation}`),
  ];
}
