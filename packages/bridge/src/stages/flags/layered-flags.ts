import type { Clock, Timer } from '@changeover/core';
import type { Logger } from '../../log.ts';
import { legacyByDefault, type FlagLayer } from './flag-layer.ts';
import { killSwitchFlag, stageFlag } from './flags-document.ts';
import { Listeners } from './listeners.ts';
import type { StageContext, StageDecision } from './stage-source.ts';
import { emptyPayload } from './stage-variant.ts';

/** Timers for date constraints are set anew at least this often: a wall clock may be put right, a timer can't. */
const maxTimerMs = 3_600_000;

/**
 * Answers from the best layer that has the flag, flag by flag, and `legacy` where none has. The kill switch counts from
 * the best layer that has it, for the flags of all layers: what was stopped on the server isn't started by a file.
 */
export class LayeredFlags {
  readonly #layers: readonly FlagLayer[];
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #listeners: Listeners;
  #timer: Timer | undefined = undefined;
  #closed = false;

  /** @param layers best first. */
  constructor(layers: readonly FlagLayer[], clock: Clock, logger: Logger) {
    this.#layers = layers;
    this.#clock = clock;
    this.#logger = logger;
    this.#listeners = new Listeners(logger);
    this.#scheduleDateChange();
  }

  decide(context: StageContext): StageDecision {
    try {
      return this.#decide(context);
    } catch (error) {
      const reason = `${stageFlag(context.backend)} could not be evaluated`;
      this.#logger.error({ ...context, err: error }, `${reason}; the call goes to the legacy leg`);
      return legacyByDefault(reason);
    }
  }

  subscribe(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  /** To be called after a layer was loaded. */
  changed(): void {
    if (this.#closed) return;
    this.#scheduleDateChange();
    this.#listeners.notify();
  }

  /** The best layer that has data. */
  best(): FlagLayer | undefined {
    return this.#layers.find((layer) => layer.loaded);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#listeners.clear();
  }

  #decide(context: StageContext): StageDecision {
    const nowMs = this.#clock.wallMs();
    for (const layer of this.#layers) {
      const state = layer.killSwitch(context, nowMs);
      if (state === 'off')
        return layer.decision('legacy', emptyPayload, `the kill switch "${killSwitchFlag}" is off`);
      if (state === 'on') break;
    }
    for (const layer of this.#layers) {
      const decision = layer.decide(context, nowMs);
      if (decision !== undefined) return decision;
    }
    return legacyByDefault(`there is no usable flag ${stageFlag(context.backend)}`);
  }

  #scheduleDateChange(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const now = this.#clock.wallMs();
    const moments = this.#layers
      .map((layer) => layer.nextChangeAt(now))
      .filter((at) => at !== undefined);
    if (moments.length === 0) return;
    const next = Math.min(...moments);
    this.#timer = this.#clock.after(Math.min(next - now + 1, maxTimerMs), () => {
      // "After" a date begins one millisecond after it.
      if (this.#clock.wallMs() > next) this.changed();
      else this.#scheduleDateChange();
    });
  }
}
