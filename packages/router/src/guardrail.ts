import { earlierStage, type Clock } from '@changeover/core';
import type { StageContext, StageDecision, StageSource, FlagStatus } from './flags/stage-source.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { Logger } from './log.ts';

/** What puts a dataset back. */
export interface GuardrailOptions {
  /** Confirmed mismatches of one dataset within the window that put it back to `legacy`; 0 turns the guardrail off.
   * Default: 1. */
  readonly maxMismatches?: number | undefined;
  /** The window, in ms. Default: 600,000 (ten minutes). */
  readonly windowMs?: number | undefined;
  /** `report` only tells, `act` puts the dataset back. Default: `act`. */
  readonly mode?: 'act' | 'report' | undefined;
}

/** A dataset that was put back. */
export interface Hold {
  readonly backend: string;
  readonly dataset: string;
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** Held datasets and breaches are kept up to this number each; beyond it, a whole backend is held. */
const maxHolds = 10_000;

/**
 * Watches the verdicts and moves a dataset back to `legacy` when a limit is breached. It stays back until a person resumes
 * it, whatever the flags say. Decorates the flags' answers, so that every router that shares it follows at its next call.
 */
export class Guardrail implements StageSource {
  readonly #source: StageSource;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #maxMismatches: number;
  readonly #windowMs: number;
  readonly #mode: 'act' | 'report';
  readonly #ledger: Ledger | undefined;
  readonly #holds = new Map<string, Hold>();
  readonly #breaches = new Map<string, number[]>();
  readonly #listeners = new Set<() => void>();

  /** @param ledger keeps the holds where other processes see them; `source` must obey it. Default: holds are this
   * process's own. */
  constructor(
    source: StageSource, clock: Clock, logger: Logger, options: GuardrailOptions = {}, ledger?: Ledger,
  ) {
    this.#ledger = ledger;
    this.#source = source;
    this.#clock = clock;
    this.#logger = logger;
    this.#maxMismatches = options.maxMismatches ?? 1;
    this.#windowMs = options.windowMs ?? 600_000;
    this.#mode = options.mode ?? 'act';
  }

  decide(context: StageContext): StageDecision {
    const decision = this.#source.decide(context);
    const hold = this.#holds.get(key(context.backend, context.dataset)) ?? this.#holds.get(key(context.backend, ''));
    if (hold === undefined || earlierStage(decision.stage, 'legacy') === decision.stage) return decision;
    return { ...decision, stage: 'legacy', reason: `held at legacy: ${hold.reason} (the flag asks for ${decision.stage})` };
  }

  /** Counts a confirmed mismatch. */
  mismatch(backend: string, dataset: string, summary: string): void {
    if (this.#maxMismatches === 0) return;
    const name = key(backend, dataset);
    if (this.#isHeld(backend, dataset)) return;
    const now = this.#clock.monotonicMs();
    const recent = (this.#breaches.get(name) ?? []).filter((at) => now - at < this.#windowMs);
    recent.push(now);
    if (this.#breaches.size >= maxHolds && !this.#breaches.has(name)) this.#breaches.clear();
    this.#breaches.set(name, recent.slice(-this.#maxMismatches));
    if (recent.length < this.#maxMismatches) return;
    const reason = `${String(recent.length)} confirmed mismatch(es), the last: ${summary}`;
    if (this.#mode === 'act') {
      // After it is resumed, by whichever process, counting begins anew.
      this.#breaches.delete(name);
      this.hold(backend, dataset, reason);
    } else this.#logger.warn({ backend, dataset, reason }, 'a guardrail was breached; it only reports, nothing was moved');
  }

  /** Puts a dataset back to `legacy`; the empty name stands for all datasets of the backend. With a ledger, in every
   * process that shares it; there within its review interval. */
  hold(backend: string, dataset: string, reason: string): void {
    const target = this.holds.length >= maxHolds ? '' : dataset;
    if (this.#ledger === undefined) {
      this.#holds.set(key(backend, target), { backend, dataset: target, reason, at: this.#clock.wallMs() });
    } else this.#ledger.hold(backend, target, { who: 'guardrail', reason });
    this.#logger.error({ backend, dataset: target, reason }, 'moved back to legacy, and stays there until it is resumed');
    this.#notify();
  }

  /** Ends a hold. False where there was none. */
  resume(backend: string, dataset: string): boolean {
    const name = key(backend, dataset);
    const held = this.#ledger?.resume(backend, dataset, { who: 'application', reason: 'resumed by the application' })
      ?? this.#holds.delete(name);
    this.#breaches.delete(name);
    if (held) {
      this.#logger.info({ backend, dataset }, 'resumed: the flags decide again');
      this.#notify();
    }
    return held;
  }

  /** What is held, oldest first. */
  get holds(): readonly Hold[] {
    return this.#ledger?.holds ?? [...this.#holds.values()];
  }

  #isHeld(backend: string, dataset: string): boolean {
    return this.#ledger?.state(backend, dataset).held ?? this.#holds.has(key(backend, dataset));
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    const unsubscribe = this.#source.subscribe(listener);
    return () => {
      this.#listeners.delete(listener);
      unsubscribe();
    };
  }

  status(): FlagStatus {
    return this.#source.status();
  }

  close(): Promise<void> {
    return this.#source.close();
  }

  #notify(): void {
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch (error) {
        this.#logger.error({ err: error }, 'a listener for changes of stage failed');
      }
    }
  }
}

/** Names can't contain a NUL, so two pairs never make one key. */
function key(backend: string, dataset: string): string {
  return `${backend}\0${dataset}`;
}
