import { systemClock } from '@changeover/core';
import { type PoolMetrics, silentMetrics } from '@changeover/pooled';
import { type Guardrail, GuardrailWatch, type LegacyBaseline, type Logger, type Recorder, type TotalsBy } from '@changeover/router';

/** Stored figures are read at most this often: it takes the main thread. */
const baselineLifetimeMs = 60_000;
const legacyAnswers: readonly string[] = ['legacy', 'shadow'];

/** Lets the guardrail judge by what is counted, and puts its breaches on the recorder's timeline. */
export function watchGuardrail(guardrail: Guardrail, recorder: Recorder, logger: Logger): GuardrailWatch {
  const baseline = new StoredBaseline(recorder);
  guardrail.onBreach((breach) => { recorder.event('guardrail', { ...breach }); });
  return new GuardrailWatch({
    guardrail, clock: systemClock, logger,
    baseline: (backend, dataset, operation) => baseline.of(backend, dataset, operation),
  });
}

/** Tells the watch of the breakers of those pools that serve callers. */
export function breakerMetrics(watch: GuardrailWatch): PoolMetrics {
  return {
    ...silentMetrics,
    breakerChanged: ({ engine, purpose }, dataset, state) => {
      if (purpose === 'callers') watch.breakerChanged(engine, dataset, state);
    },
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
    const cells = this.#cells.filter((cell) => cell.backend === backend && cell.dataset === dataset &&
      (operation === undefined || cell.operation === operation) && legacyAnswers.includes(cell.stage ?? ''));
    if (cells.length === 0) return undefined;
    const slowest = Math.max(...cells.map(({ legacy }) => legacy.p90Ms ?? -Infinity));
    return {
      calls: cells.reduce((sum, { calls }) => sum + calls, 0), failed: cells.reduce((sum, { failed }) => sum + failed, 0),
      p90Ms: slowest === -Infinity ? undefined : slowest,
    };
  }
}
