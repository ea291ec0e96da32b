import { join } from 'node:path';
import { type Clock, type Stage, stages } from '@changeover/core';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import { silentLogger } from '../log.ts';
import type { Verdict } from '../recorder/cell.ts';
import { openRecorder } from '../recorder/open-recorder.ts';
import type { Recorder } from '../recorder/recorder.ts';
import { ShapeQuotas } from '../shadow/budgets.ts';
import { createStaticStageSource } from '../stages/flags/static-stage-source.ts';
import type { StageSource } from '../stages/flags/stage-source.ts';
import { PromotionGate } from '../stages/gates/promotion-gate.ts';
import { GateJudge, type KeyVerdict } from '../stages/gates/verdict.ts';
import { SqliteLedgerStore } from '../stages/ledger/file-ledger-store.ts';
import { Ledger } from '../stages/ledger/ledger.ts';
import { ledgerSteps } from '../stages/ledger/ledger-limits.ts';
import { limitStages } from '../stages/limited-stages.ts';

/** The backend of every key. */
export const worldBackend = 'notes';

/** One call as the legs take it. */
export interface WorldCall {
  readonly operation: string;
  readonly shape?: string | undefined;
  readonly legacyMs?: number | undefined;
  readonly pooledMs?: number | undefined;
  /** Default: `match`. */
  readonly verdict?: Verdict | undefined;
  /** Which leg fails it; `both` is the caller's own error. Default: none. */
  readonly fails?: 'legacy' | 'pooled' | 'both' | undefined;
  /** Why no call of it is compared. Default: each is. */
  readonly sheds?: 'side-effects' | 'too-large' | 'not-comparable' | 'budget' | undefined;
  /** At which stages it can be compared. Default: where both legs run. */
  readonly comparedAt?: readonly Stage[] | undefined;
}

/** What a key's callers do in a second; `second` counts from the key's first call. */
export type WorldKey = (
  second: number,
  stage: Stage,
  recorder: Recorder,
  key: string,
) => readonly WorldCall[];

/**
 * A migration without a router: keys are called as their stage says, what would be counted is counted, comparisons have the quotas that
 * they have, and ledger, gates and recorder are the real ones. Time is told.
 */
export class MigrationWorld {
  readonly clock: ManualClock = new ManualClock();
  readonly recorder: Recorder;
  readonly ledger: Ledger;
  readonly source: StageSource;
  readonly #keys = new Map<string, { readonly calls: WorldKey; second: number }>();
  readonly #quotas: ShapeQuotas;

  /** @param target what the flag asks for. */
  constructor(folder: string, target: Stage = 'pooled') {
    const clock: Clock = this.clock;
    this.#quotas = new ShapeQuotas(clock, { perSecond: 10_000 });
    this.recorder = openRecorder({ path: ':memory:', run: 'world', logger: silentLogger, clock });
    const gate = new PromotionGate({ recorder: () => this.recorder, clock });
    this.ledger = new Ledger({
      store: new SqliteLedgerStore(join(folder, 'ledger.sqlite')),
      logger: silentLogger,
      clock,
      gate: (move) => gate.judge(move),
      evidence: (waiting) => gate.fresh(waiting),
    });
    const flags = createStaticStageSource({ [worldBackend]: target });
    this.source = limitStages(flags, [ledgerSteps(this.ledger, flags)]);
  }

  add(key: string, calls: WorldKey): void {
    this.#keys.set(key, { calls, second: 0 });
  }

  stageOf(key: string): Stage {
    return this.source.decide({ backend: worldBackend, dataset: key, operation: 'read' }).stage;
  }

  /** Lets seconds pass, and whatever is called in each. */
  async run(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second += 1) {
      for (const [key, one] of this.#keys) {
        const stage = this.stageOf(key);
        for (const call of one.calls(one.second, stage, this.recorder, key))
          this.#call(key, stage, call);
        one.second += 1;
      }
      await this.clock.advance(1_000);
    }
  }

  /** Seconds until the key stands there; undefined where that takes more than `most`. */
  async secondsUntil(key: string, stage: Stage, most: number): Promise<number | undefined> {
    for (let second = 0; second <= most; second += 1) {
      if (this.stageOf(key) === stage) return second;
      await this.run(1);
    }
    return undefined;
  }

  /** The gates, over what was seen so far. */
  judge(): GateJudge {
    return new GateJudge({
      data: this.recorder.summary(),
      position: (_backend, key) => ({ stage: this.stageOf(key) }),
    });
  }

  verdict(key: string): KeyVerdict {
    return this.judge().key(worldBackend, key);
  }

  historyOf(key: string): Promise<readonly string[]> {
    return this.ledger
      .history()
      .then((lines) =>
        lines.filter(({ dataset }) => dataset === key).map(({ from, to }) => `${from} → ${to}`),
      );
  }

  async close(): Promise<void> {
    await this.ledger.close();
    this.recorder.close();
  }

  #call(key: string, stage: Stage, call: WorldCall): void {
    const { operation, shape = '', legacyMs = 2, pooledMs = 2, verdict = 'match', fails } = call;
    const { comparedAt = ['shadow', 'reverse'], sheds } = call;
    const backend = worldBackend;
    const cell = this.recorder.cell(backend, key, operation, stage);
    const counts = this.recorder.shape({ backend, dataset: key, operation, shape, stage });
    const answers = stages.indexOf(stage) < 2 ? 'legacy' : 'pooled';
    cell.calls += 1;
    counts.calls += 1;
    if (fails === 'both' || fails === answers) cell.failed += 1;
    if (answers === 'legacy') cell.legacyLatency.record(legacyMs);
    else cell.pooledLatency.record(pooledMs);
    if (!comparedAt.includes(stage)) return;
    if (sheds !== undefined) {
      counts.noteShed(sheds);
      return;
    }
    cell.eligible += 1;
    counts.eligible += 1;
    if (!this.#quotas.take(counts)) return;
    cell.sampled += 1;
    cell.countVerdict(verdict);
    counts.countVerdict(verdict);
    if (answers === 'legacy') cell.pooledLatency.record(pooledMs);
    else cell.legacyLatency.record(legacyMs);
  }
}
