import { allKeys, type Clock, type Stage, type Target } from '@changeover/core';
import {
  callTarget,
  type StageContext,
  type StageDecision,
  type StageSource,
  type FlagStatus,
} from './flags/stage-source.ts';
import {
  type GuardrailOptions,
  type ParsedGuardrailOptions,
  parseGuardrailOptions,
} from './guardrail-options.ts';
import type { Ledger } from './ledger/ledger.ts';
import { anyOperation } from './ledger/ledger-limits.ts';
import { rowDataset } from './ledger/ledger-store.ts';
import { limitStages } from './limited-stages.ts';
import { holdLimit, type StageLimit } from './resolve-stage.ts';
import type { Logger } from '../log.ts';

/** The limits that there are. */
export type GuardrailKind = 'mismatch' | 'errors' | 'latency' | 'breaker' | 'memory';

/** A limit that was breached. */
export interface Breach {
  readonly kind: GuardrailKind;
  readonly backend: string;
  readonly target: Target;
  /** For people: what was measured, and against what. */
  readonly reason: string;
  /** True where it was put back, false where it was only told. */
  readonly acted: boolean;
}

/** Who was put back. */
export interface Hold {
  readonly backend: string;
  readonly target: Target;
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** Held datasets and breaches are kept up to this number each; beyond it, a whole backend is held. */
const maxHolds = 10_000;
/** Who holds a dataset in the ledger's lines. */
const author = 'guardrail';

/**
 * Watches the verdicts and moves a dataset back to `legacy` when a limit is breached. It stays back until a person resumes
 * it, whatever the flags say. Decorates the flags' answers, so that every router that shares it follows at its next call.
 */
export class Guardrail implements StageSource {
  readonly #stages: StageSource;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #options: ParsedGuardrailOptions;
  readonly #ledger: Ledger | undefined;
  readonly #holds = new Map<string, Hold>();
  readonly #mismatches = new Map<string, number[]>();
  readonly #told = new Set<string>();
  readonly #breachListeners = new Set<(breach: Breach) => void>();
  readonly #listeners = new Set<() => void>();

  /** @param ledger keeps the holds where other processes see them; `source` must obey it. Default: holds are this
   * process's own. */
  constructor(
    source: StageSource,
    clock: Clock,
    logger: Logger,
    options: GuardrailOptions = {},
    ledger?: Ledger,
  ) {
    this.#ledger = ledger;
    // With a ledger its holds are among the limits that the source obeys.
    this.#stages =
      ledger !== undefined
        ? source
        : limitStages(source, [
            { limits: (context) => this.#ownHolds(context), subscribe: () => () => undefined },
          ]);
    this.#clock = clock;
    this.#logger = logger;
    this.#options = parseGuardrailOptions(options);
  }

  decide(context: StageContext): StageDecision {
    return this.#stages.decide(context);
  }

  #ownHolds({ backend, dataset }: StageContext): readonly StageLimit[] {
    const whole = this.#holds.get(key(backend, allKeys));
    const own = this.#holds.get(key(backend, callTarget(dataset)));
    return [
      ...(own === undefined ? [] : [holdLimit('legacy', { ...own, who: author })]),
      ...(whole === undefined ? [] : [holdLimit('legacy', { ...whole, who: author }, backend)]),
    ];
  }

  /** The limits in force. */
  get options(): ParsedGuardrailOptions {
    return this.#options;
  }

  /** Counts a confirmed mismatch.
   *
   * @param dataset as the compared call had it; the empty string where it concerned none. */
  mismatch(backend: string, dataset: string, summary: string): void {
    const target = callTarget(dataset);
    const { maxMismatches, windowMs } = this.#options;
    if (maxMismatches === 0 || this.isHeld(backend, target)) return;
    const name = key(backend, target);
    const now = this.#clock.monotonicMs();
    const recent = (this.#mismatches.get(name) ?? []).filter((at) => now - at < windowMs);
    recent.push(now);
    if (this.#mismatches.size >= maxHolds && !this.#mismatches.has(name)) this.#mismatches.clear();
    this.#mismatches.set(name, recent.slice(-maxMismatches));
    if (recent.length < maxMismatches) return;
    // After it is resumed, by whichever process, counting begins anew.
    this.#mismatches.delete(name);
    this.breach(
      'mismatch',
      backend,
      target,
      recent.length === 1
        ? `1 confirmed mismatch: ${summary}`
        : `${String(recent.length)} confirmed mismatches, the last: ${summary}`,
    );
  }

  /** Confirmed mismatches of a key within their window, in this process. */
  recentMismatches(backend: string, target: Target): number {
    const now = this.#clock.monotonicMs();
    const seen = this.#mismatches.get(key(backend, target)) ?? [];
    return seen.filter((at) => now - at < this.#options.windowMs).length;
  }

  /** A limit was breached: the target is put back, or where the mode is `report` it is told. */
  breach(kind: GuardrailKind, backend: string, target: Target, reason: string): void {
    if (this.isHeld(backend, target)) return;
    const acted = this.#options.mode === 'act';
    if (acted) this.hold(backend, target, reason);
    else if (this.#isNew(kind, backend, target)) {
      this.#logger.warn(
        { kind, backend, target, reason },
        'a guardrail was breached; it only reports, nothing was moved',
      );
    } else return;
    for (const listener of this.#breachListeners)
      this.#rescue(() => {
        listener({ kind, backend, target, reason, acted });
      });
  }

  /** The limit holds again: where it only reports, the next breach is told again. */
  recovered(kind: GuardrailKind, backend: string, target: Target): void {
    this.#told.delete(`${kind}\0${key(backend, target)}`);
  }

  /** Calls `listener` after each breach that was acted on, or told. */
  onBreach(listener: (breach: Breach) => void): () => void {
    this.#breachListeners.add(listener);
    return () => {
      this.#breachListeners.delete(listener);
    };
  }

  /** A breach that goes on is told once; mismatches are told each time. */
  #isNew(kind: GuardrailKind, backend: string, target: Target): boolean {
    const name = `${kind}\0${key(backend, target)}`;
    if (kind === 'mismatch') return true;
    if (this.#told.has(name)) return false;
    if (this.#told.size >= maxHolds) this.#told.clear();
    this.#told.add(name);
    return true;
  }

  /** Puts a target back to `legacy`. With a ledger, in every
   * process that shares it; there within its review interval. */
  hold(backend: string, target: Target, reason: string): void {
    const held = this.holds.length >= maxHolds ? allKeys : target;
    if (this.#ledger === undefined) {
      this.#holds.set(key(backend, held), {
        backend,
        target: held,
        reason,
        at: this.#clock.wallMs(),
      });
    } else {
      this.#ledger.hold(
        backend,
        held,
        { who: author, reason },
        'legacy',
        this.#stageOf(backend, held),
      );
    }
    this.#logger.error(
      { backend, target: held, reason },
      'moved back to legacy, and stays there until it is resumed',
    );
    this.#notify();
  }

  /** Where a key stands; undefined for a whole backend, of which the keys stand anywhere. */
  #stageOf(backend: string, target: Target): Stage | undefined {
    if (target.kind === 'all') return undefined;
    const dataset = target.kind === 'key' ? target.name : '';
    return this.decide({ backend, dataset, operation: anyOperation }).stage;
  }

  /** Ends a hold. False where there was none. */
  resume(backend: string, target: Target): boolean {
    const name = key(backend, target);
    const held =
      this.#ledger?.resume(backend, target, {
        who: 'application',
        reason: 'resumed by the application',
      }) ?? this.#holds.delete(name);
    this.#mismatches.delete(name);
    if (held) {
      this.#logger.info({ backend, target }, 'resumed: the flags decide again');
      this.#notify();
    }
    return held;
  }

  /** What is held, oldest first. */
  get holds(): readonly Hold[] {
    return this.#ledger?.holds ?? [...this.#holds.values()];
  }

  /** True where it, or its whole backend, stays back until a person resumes it. */
  isHeld(backend: string, target: Target): boolean {
    return (
      this.#ledger?.isHeld(backend, target) ??
      (this.#holds.has(key(backend, target)) || this.#holds.has(key(backend, allKeys)))
    );
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    const unsubscribe = this.#stages.subscribe(listener);
    return () => {
      this.#listeners.delete(listener);
      unsubscribe();
    };
  }

  status(): FlagStatus {
    return this.#stages.status();
  }

  close(): Promise<void> {
    return this.#stages.close();
  }

  #notify(): void {
    for (const listener of this.#listeners) this.#rescue(listener);
  }

  #rescue(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#logger.error({ err: error }, 'a listener of the guardrail failed');
    }
  }
}

/** Names can't contain a NUL, so two pairs never make one key. */
function key(backend: string, target: Target): string {
  return `${backend}\0${rowDataset(target)}`;
}
