import { engines, systemClock } from '@changeover/core';
import { type PoolMetrics, silentMetrics } from '@changeover/pooled';
import {
  type Guardrail,
  GuardrailWatch,
  type LegacyBaseline,
  type Logger,
  type Recorder,
  type TotalsBy,
} from '@changeover/router';
import type { UnleashAdmin } from './unleash-admin.ts';

/** Stored figures are read at most this often: it takes the main thread. */
const baselineLifetimeMs = 60_000;
const legacyAnswers: readonly string[] = ['legacy', 'shadow'];

/** Lets the guardrail judge by what is counted, and puts its breaches on the recorder's timeline. */
export function watchGuardrail(
  guardrail: Guardrail,
  recorder: Recorder,
  logger: Logger,
): GuardrailWatch {
  const baseline = new StoredBaseline(recorder);
  guardrail.onBreach((breach) => {
    recorder.event('guardrail', { ...breach });
  });
  return new GuardrailWatch({
    guardrail,
    clock: systemClock,
    logger,
    baseline: (backend, dataset, operation) => baseline.of(backend, dataset, operation),
  });
}

const maxTries = 5;
const firstPauseMs = 1_000;

/** Turns the flag of what a guardrail put back, in the background: the ledger holds it whether or not the server answers. */
export function turnFlagsBack(guardrail: Guardrail, admin: UnleashAdmin, logger: Logger): void {
  guardrail.onBreach(({ backend, dataset, acted }) => {
    const engine = engines.find((name) => name === backend);
    if (!acted || engine === undefined) return;
    const attempt = (tries: number): void => {
      admin.hold(engine, dataset, 'legacy').then(
        () => {
          logger.info({ backend, dataset }, 'the flag was turned back on the flag server');
        },
        (error: unknown) => {
          const isLast = tries >= maxTries;
          logger[isLast ? 'error' : 'warn'](
            { backend, dataset, err: error },
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

/** Tells the watch of the breakers of those pools that serve callers, beside what is measured. */
export function breakerMetrics(
  watch: GuardrailWatch,
  measured: PoolMetrics = silentMetrics,
): PoolMetrics {
  return {
    observer: (scope, dataset) => measured.observer(scope, dataset),
    breakerChanged: (scope, dataset, state) => {
      measured.breakerChanged(scope, dataset, state);
      if (scope.purpose === 'callers') watch.breakerChanged(scope.engine, dataset, state);
    },
    retried: (scope, dataset, action) => {
      measured.retried(scope, dataset, action);
    },
    operation: measured.operation,
    threadWaited: (durationMs) => {
      measured.threadWaited(durationMs);
    },
    observe: (stats) => measured.observe(stats),
  };
}

/** What the store has of the legacy leg, over all processes and days. */
class StoredBaseline {
  readonly #recorder: Recorder;
  #cells: readonly TotalsBy[] = [];
  #askAgainMs = -Infinity;

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  of(backend: string, dataset: string, operation: string | undefined): LegacyBaseline | undefined {
    if (systemClock.monotonicMs() >= this.#askAgainMs) {
      this.#cells = this.#recorder.summary().cells;
      this.#askAgainMs = systemClock.monotonicMs() + baselineLifetimeMs;
    }
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
}
