import { setImmediate as turn } from 'node:timers/promises';
import {
  createStaticStageSource,
  Fleet,
  Guardrail,
  Ledger,
  ledgerHolds,
  ledgerSteps,
  limitStages,
  type Logger,
  openRecorder,
  type Recorder,
  type StageDecision,
  type StaticStageSource,
} from '@changeover/bridge';
import type { Stage } from '@changeover/core';
import { PromotionGate } from '../../packages/bridge/src/stages/gates/promotion-gate.ts';
import { ManualClock } from '../kit/manual-clock.ts';

/** A pod in this process, whose time passes when the test says so and whose store is real. */
export class VirtualPod {
  readonly clock: ManualClock = new ManualClock();
  readonly fleet: Fleet;
  readonly recorder: Recorder;
  readonly ledger: Ledger;
  readonly guardrail: Guardrail;
  #idle = 0;

  /**
   * @param wallMs when its time begins. Default: now, since the store removes what is months old by its own clock.
   * @param flags what its ledger steps towards, past the gates. Default: it stands where flags say `pooled`.
   */
  constructor(
    url: string,
    logger: Logger,
    { wallMs = Date.now(), flags }: { wallMs?: number; flags?: StaticStageSource } = {},
  ) {
    const { clock } = this;
    clock.setWall(wallMs);
    this.fleet = new Fleet({ url, logger, clock });
    this.recorder = openRecorder({ path: url, fleet: this.fleet, run: 'virtual', logger, clock });
    const gate = new PromotionGate({ recorder: () => this.recorder, clock });
    this.ledger = new Ledger({
      store: this.fleet.ledger,
      logger,
      clock,
      gate: (move) => gate.judge(move),
      evidence: (waiting) => gate.fresh(waiting),
    });
    const stages =
      flags === undefined
        ? limitStages(createStaticStageSource({ notes: 'pooled' }), [ledgerHolds(this.ledger)])
        : limitStages(flags, [ledgerSteps(this.ledger, flags)]);
    this.guardrail = new Guardrail(stages, clock, logger, {}, this.ledger);
    this.#idle = clock.pending;
  }

  get stage(): Stage {
    return this.decision.stage;
  }

  /** Where the key stands, and why. */
  get decision(): StageDecision {
    return this.guardrail.decide({ backend: 'notes', dataset: 'one', operation: 'list' });
  }

  count(key: string, calls: number): void {
    this.recorder.cell('notes', key, 'list', 'pooled').calls += calls;
  }

  /** Lets time pass, and waits until the store has answered what was said meanwhile, or could not be reached. */
  async pass(durationMs: number): Promise<void> {
    await this.clock.advance(durationMs);
    while (this.clock.pending < this.#idle) await turn();
  }

  async close(): Promise<void> {
    await this.ledger.close();
    this.recorder.close();
    await this.fleet.close();
  }
}
