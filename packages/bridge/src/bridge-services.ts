import { callTarget } from './stages/flags/stage-source.ts';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { randomId, systemClock } from '@changeover/core';
import type { ParsedSettings } from './bridge-settings.ts';
import { Fleet } from './fleet/fleet.ts';
import { flushAtExit } from './flush-at-exit.ts';
import { callSites, GuaranteeRegistry } from './guarantees/index.ts';
import { createLogger, type Logger } from './log.ts';
import { makeFolder } from './make-folder.ts';
import { observeMigration } from './metrics/observe-migration.ts';
import { openRecorder } from './recorder/open-recorder.ts';
import type { Recorder } from './recorder/recorder.ts';
import { openStageSource } from './stages/flags/open-stage-source.ts';
import { openUnleashAdmin } from './stages/flags/open-unleash-admin.ts';
import { PromotionGate } from './stages/gates/promotion-gate.ts';
import { Guardrail } from './stages/guardrail.ts';
import type { GuardrailWatch } from './stages/guardrail-watch.ts';
import { turnFlagsBack, watchGuardrail } from './stages/guardrail-wiring.ts';
import { Ledger } from './stages/ledger/ledger.ts';
import { openLedgerStore } from './stages/ledger/open-ledger-store.ts';
import { anyOperation, ledgerHolds, ledgerSteps } from './stages/ledger/ledger-limits.ts';
import { limitStages } from './stages/limited-stages.ts';
import { recordWhoDecides } from './stages/who-decides.ts';

/** One of the bridges that share services. */
export interface ServedBridge {
  /** Resolves when no comparison runs or waits. */
  idle(): Promise<void>;
  /** Ends its comparisons. Idempotent. */
  close(): Promise<void>;
}

/** What stands around the routers of one or several bridges: flags, ledger, guardrail, recorder, gates and metrics. */
export class BridgeServices {
  readonly settings: ParsedSettings;
  readonly logger: Logger;
  readonly recorder: Recorder;
  /** Says which stage a call is on: the guardrail over the ledger over the flags. */
  readonly guardrail: Guardrail;
  /** What is held back and why, shared with every process that uses the same store. */
  readonly ledger: Ledger;
  readonly watch: GuardrailWatch;
  /** Makes the gates that keep order and exclusion, of all bridges that a transaction may span. */
  readonly guarantees: GuaranteeRegistry;
  /** Names call sites that rely on what the singleton guaranteed; samples by itself. */
  readonly captureSite: (kind: string, key: string) => string | undefined = callSites();
  /** Names the store of the counts and the ledger; one in memory is like no other. */
  readonly storeName: string;
  readonly #fleet: Fleet | undefined;
  readonly #endMetrics: () => void;
  readonly #endFlush: () => void;
  readonly #onClosing: () => void;
  readonly #bridges = new Set<ServedBridge>();
  #closing: Promise<void> | undefined;

  /**
   * Opens the flags and the store of the comparisons, and nothing else.
   *
   * @param onClosing called once, when they begin to close. Default: nobody waits for that.
   */
  constructor(settings: ParsedSettings, onClosing: () => void = () => undefined) {
    this.#onClosing = onClosing;
    const logger = settings.logger ?? createLogger({ level: settings.logLevel });
    this.settings = settings;
    this.storeName = storeNameOf(settings);
    this.guarantees = new GuaranteeRegistry({ captureSite: this.captureSite });
    this.logger = logger;
    const flags = settings.stages ?? openStageSource(settings, logger);
    makeOwnFolder(settings, logger);
    const gate = new PromotionGate({
      recorder: () => this.recorder,
      clock: systemClock,
      gatesFile: settings.gatesFile,
      resumedAt: (backend, dataset) => this.ledger.resumedAt(backend, callTarget(dataset)),
      accepted: (backend, dataset) => [
        ...flags.decide({ backend, dataset, operation: anyOperation }).settings.accept,
        ...this.ledger.acceptedOn(backend, callTarget(dataset)),
      ],
      guarantees: (backend, dataset) =>
        flags.decide({ backend, dataset, operation: anyOperation }).settings.guarantees,
    });
    const { ledgerUrl: url } = settings;
    this.#fleet = url === undefined ? undefined : new Fleet({ url, logger });
    this.ledger = new Ledger({
      store: this.#fleet?.ledger ?? openLedgerStore(settings, logger),
      logger,
      gate: (move) => gate.judge(move),
      evidence: (waiting) => gate.fresh(waiting),
      flagsAgeMs: () => flags.status().stalenessMs,
    });
    const stages = limitStages(flags, [
      settings.ledger ? ledgerSteps(this.ledger, flags) : ledgerHolds(this.ledger),
    ]);
    this.guardrail = new Guardrail(stages, systemClock, logger, settings.guardrail, this.ledger);
    this.recorder = openRecorder({
      path: settings.ledgerUrl ?? settings.storePath,
      fleet: this.#fleet,
      countedFrom: () => this.ledger.countedFrom,
      run: `${hostname()}-${String(process.pid)}-${randomId().slice(0, 8)}`,
      logger,
    });
    recordWhoDecides(this.recorder, settings.ledger);
    this.watch = watchGuardrail(this.guardrail, this.recorder, logger, this.#fleet);
    const admin = openUnleashAdmin(settings);
    if (admin !== undefined) turnFlagsBack(this.guardrail, admin, logger);
    this.#endFlush = this.#flushAtExit(settings);
    this.#endMetrics =
      settings.metrics === undefined
        ? () => undefined
        : observeMigration(settings.metrics, {
            recorder: this.recorder,
            stages: this.guardrail,
            ledger: this.ledger,
          });
  }

  #flushAtExit({ flushAtExit: wanted, storePath, ledgerUrl }: ParsedSettings): () => void {
    if (!wanted || (ledgerUrl === undefined && storePath === ':memory:')) return () => undefined;
    return flushAtExit({
      flush: () => {
        this.recorder.flushAll();
        const waits = [this.ledger.flush(), this.#fleet?.flush()].filter(
          (one) => one !== undefined,
        );
        return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined);
      },
      flushAtOnce: () => {
        this.recorder.flushAll();
        if (this.#fleet === undefined) void this.ledger.flush();
        else this.#fleet.flushAtOnce(this.ledger.unwritten);
      },
    });
  }

  /** Counts a bridge among those that end with these services. */
  serve(bridge: ServedBridge): void {
    this.#bridges.add(bridge);
  }

  /** Whether there is a bridge among them that was not closed. */
  get serves(): boolean {
    return this.#bridges.size > 0;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Forgets a bridge that was closed by itself. */
  leave(bridge: ServedBridge): void {
    this.#bridges.delete(bridge);
  }

  /** Resolves when no bridge has a comparison that runs or waits. */
  async idle(): Promise<void> {
    await Promise.all([...this.#bridges].map((bridge) => bridge.idle()));
  }

  /**
   * Ends the comparisons of the bridges that share these services, closes flags and ledger and stores the counts. Idempotent.
   *
   * @param closeLegs closes what the bridges' legs hold: called once nothing is compared any more and nobody judges the counts, for
   * what the legs lose then says nothing.
   */
  close(closeLegs?: () => Promise<void>): Promise<void> {
    this.#closing ??= this.#close(closeLegs);
    return this.#closing;
  }

  async #close(closeLegs: (() => Promise<void>) | undefined): Promise<void> {
    this.#onClosing();
    this.#endMetrics();
    this.watch.close();
    await Promise.all([...this.#bridges].map((bridge) => bridge.close()));
    await closeLegs?.();
    await this.guardrail.close();
    await this.ledger.close();
    this.guarantees.close();
    this.recorder.close();
    await this.#fleet?.close();
    this.#endFlush();
  }
}

function storeNameOf({ ledgerUrl, storePath }: ParsedSettings): string {
  if (ledgerUrl !== undefined) return ledgerUrl;
  return storePath === ':memory:' ? `memory ${randomId()}` : resolve(storePath);
}

/** Only the default store's own folder: any other is its owner's to make, and a mistyped one must not come to be. */
function makeOwnFolder({ ownFolder }: ParsedSettings, logger: Logger): void {
  if (ownFolder === undefined) return;
  try {
    makeFolder(ownFolder, 0o700);
  } catch (error) {
    logger.warn(
      { folder: ownFolder, err: error },
      'the folder of the comparison store can not be made',
    );
  }
}
