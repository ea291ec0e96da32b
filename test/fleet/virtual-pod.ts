import { setImmediate as turn } from 'node:timers/promises';
import {
  createStaticStageSource,
  Fleet,
  Guardrail,
  Ledger,
  ledgerHolds,
  limitStages,
  type Logger,
  openRecorder,
  type Recorder,
} from '@changeover/bridge';
import type { Stage } from '@changeover/core';
import { ManualClock } from '../kit/manual-clock.ts';

/** A pod in this process, whose time passes when the test says so and whose store is real. */
export class VirtualPod {
  readonly clock: ManualClock = new ManualClock();
  readonly fleet: Fleet;
  readonly recorder: Recorder;
  readonly ledger: Ledger;
  readonly guardrail: Guardrail;
  #idle = 0;

  constructor(url: string, logger: Logger) {
    const { clock } = this;
    // The store removes what is months old by its own clock.
    clock.setWall(Date.now());
    this.fleet = new Fleet({ url, logger, clock });
    this.recorder = openRecorder({ path: url, fleet: this.fleet, run: 'virtual', logger, clock });
    this.ledger = new Ledger({ store: this.fleet.ledger, logger, clock });
    const stages = limitStages(createStaticStageSource({ notes: 'pooled' }), [
      ledgerHolds(this.ledger),
    ]);
    this.guardrail = new Guardrail(stages, clock, logger, {}, this.ledger);
    this.#idle = clock.pending;
  }

  get stage(): Stage {
    return this.guardrail.decide({ backend: 'notes', dataset: 'one', operation: 'list' }).stage;
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
