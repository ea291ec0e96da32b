import { systemClock } from '@changeover/core';
import type { Fleet } from '../fleet/fleet.ts';
import { SharedWindows } from '../fleet/shared-windows.ts';
import { type Guardrail } from './guardrail.ts';
import { GuardrailWatch, type LegacyBaseline } from './guardrail-watch.ts';
import { type Logger } from '../log.ts';
import { type Recorder } from '../recorder/recorder.ts';
import { type TotalsBy } from '../recorder/report-data.ts';
import { rowDataset } from './ledger/ledger-store.ts';
import { inSlices } from '../steps.ts';
import type { UnleashAdmin } from './flags/unleash-admin.ts';

/** Stored figures are read at most this often: it takes the main thread. */
const baselineLifetimeMs = 60_000;
const legacyAnswers: readonly string[] = ['legacy', 'shadow'];

/** Lets the guardrail judge by what is counted, and puts its breaches on the recorder's timeline. */
export function watchGuardrail(
  guardrail: Guardrail,
  recorder: Recorder,
  logger: Logger,
  fleet?: Fleet,
): GuardrailWatch {
  const shared =
    fleet === undefined
      ? undefined
      : new SharedWindows({ clock: systemClock, windowMs: guardrail.options.rateWindowMs * 1.25 });
  if (shared !== undefined) fleet?.shareWindows(shared);
  const baseline = new StoredBaseline(recorder);
  guardrail.onBreach((breach) => {
    const { target, ...fields } = breach;
    recorder.event('guardrail', { ...fields, dataset: rowDataset(target) });
  });
  return new GuardrailWatch({
    guardrail,
    clock: systemClock,
    logger,
    shared,
    baseline: (backend, dataset, operation) => baseline.of(backend, dataset, operation),
  });
}

const maxTries = 5;
const firstPauseMs = 1_000;

/** Turns the flag of what a guardrail put back, in the background: the ledger holds it whether or not the server answers. */
export function turnFlagsBack(guardrail: Guardrail, admin: UnleashAdmin, logger: Logger): void {
  guardrail.onBreach(({ backend, target, acted }) => {
    if (!acted) return;
    const attempt = (tries: number): void => {
      admin.hold(backend, target, 'legacy').then(
        () => {
          logger.info({ backend, target }, 'the flag was turned back on the flag server');
        },
        (error: unknown) => {
          const isLast = tries >= maxTries;
          logger[isLast ? 'error' : 'warn'](
            { backend, target, err: error },
            'the flag could not be turned back on the flag ' +
              `server; the ledger holds the dataset all the same${isLast ? '' : ', and it is tried again'}`,
          );
          if (!isLast)
            systemClock.after(firstPauseMs * 2 ** tries, () => {
              attempt(tries + 1);
            });
        },
      );
    };
    attempt(1);
  });
}

/** What the store has of the legacy leg, over all processes and days: read in slices, for there may be thousands of keys. */
class StoredBaseline {
  readonly #recorder: Recorder;
  #cells: readonly TotalsBy[] | undefined = undefined;
  #askAgainMs = -Infinity;
  #reading = false;

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  /** `unread` until it is read for the first time. */
  of(
    backend: string,
    dataset: string,
    operation: string | undefined,
  ): LegacyBaseline | 'unread' | undefined {
    if (!this.#reading && systemClock.monotonicMs() >= this.#askAgainMs) this.#read();
    if (this.#cells === undefined) return 'unread';
    const cells = this.#cells.filter(
      (cell) =>
        cell.backend === backend &&
        cell.dataset === dataset &&
        (operation === undefined || cell.operation === operation) &&
        legacyAnswers.includes(cell.stage ?? ''),
    );
    if (cells.length === 0) return undefined;
    const slowest = Math.max(...cells.map(({ legacy }) => legacy.p90Ms ?? -Infinity));
    return {
      calls: cells.reduce((sum, { calls }) => sum + calls, 0),
      failed: cells.reduce((sum, { failed }) => sum + failed, 0),
      p90Ms: slowest === -Infinity ? undefined : slowest,
    };
  }

  #read(): void {
    this.#reading = true;
    inSlices(systemClock, this.#recorder.summaryInSteps(), (end) => {
      this.#reading = false;
      this.#askAgainMs = systemClock.monotonicMs() + baselineLifetimeMs;
      this.#cells = end.kind === 'done' ? end.result.cells : (this.#cells ?? []);
    });
  }
}
