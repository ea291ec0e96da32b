import { inspect } from 'node:util';
import { knownNames } from '@changeover/core';

/** What puts a dataset back. 0 turns a limit off. */
export interface GuardrailOptions {
  /** `report` only tells, `act` puts the dataset back. Default: `act`. */
  readonly mode?: 'act' | 'report' | undefined;
  /** Confirmed mismatches of one dataset within `windowMs`. Default: 1. */
  readonly maxMismatches?: number | undefined;
  /** The window for mismatches, in ms. Default: 600,000 (ten minutes). */
  readonly windowMs?: number | undefined;
  /** The share of calls that may fail where the pooled leg answers, beyond the legacy leg's share: 0.05 is five in a
   * hundred more. A read that legacy had to answer counts as failed. Default: 0.05. */
  readonly maxErrorIncrease?: number | undefined;
  /** How many times as long as the legacy leg the pooled leg may take to answer an operation. Default: 5. */
  readonly maxLatencyRatio?: number | undefined;
  /** Slower than legacy by less than this, in ms, is no breach whatever the ratio. Default: 50. */
  readonly latencyFloorMs?: number | undefined;
  /** The window for failed calls and latency, in ms; looked at twelve times in it. Default: 60,000. */
  readonly rateWindowMs?: number | undefined;
  /** Calls within `rateWindowMs` below which failed calls and latency say nothing. Default: 100. */
  readonly minSamples?: number | undefined;
  /** How long a circuit breaker may be other than closed, in ms. Default: 10,000. */
  readonly maxBreakerOpenMs?: number | undefined;
  /** The share of the memory that this process may have, heap or whole, that it may take; above it for a quarter of
   * `rateWindowMs`, every engine is put back. Default: 0.9. */
  readonly maxMemoryShare?: number | undefined;
}

/** Options with every default applied. */
export type ParsedGuardrailOptions = {
  readonly [Name in keyof GuardrailOptions]-?: NonNullable<GuardrailOptions[Name]>;
};

const defaults: ParsedGuardrailOptions = Object.freeze({
  mode: 'act',
  maxMismatches: 1,
  windowMs: 600_000,
  maxErrorIncrease: 0.05,
  maxLatencyRatio: 5,
  latencyFloorMs: 50,
  rateWindowMs: 60_000,
  minSamples: 100,
  maxBreakerOpenMs: 10_000,
  maxMemoryShare: 0.9,
});

const longestMs = 24 * 3_600_000;
const bounds: Readonly<
  Record<Exclude<keyof GuardrailOptions, 'mode'>, readonly [min: number, max: number]>
> = {
  maxMismatches: [0, 10_000],
  windowMs: [1, longestMs],
  maxErrorIncrease: [0, 1],
  maxLatencyRatio: [0, 1e6],
  latencyFloorMs: [0, longestMs],
  rateWindowMs: [1, longestMs],
  minSamples: [1, 1e6],
  maxBreakerOpenMs: [0, longestMs],
  maxMemoryShare: [0, 1],
};

/**
 * Applies the defaults.
 *
 * @throws {RangeError} for an unknown option or one out of its bounds; the message names it.
 */
export function parseGuardrailOptions(options: GuardrailOptions = {}): ParsedGuardrailOptions {
  for (const [name, value] of Object.entries(options) as [keyof GuardrailOptions, unknown][]) {
    if (!(name in defaults)) {
      throw new RangeError(
        `The guardrail has no option ${JSON.stringify(name)}; ${knownNames(name, Object.keys(defaults))}.`,
      );
    }
    if (value === undefined) continue;
    if (name === 'mode') {
      if (value !== 'act' && value !== 'report')
        throw new RangeError(`The guardrail's mode is ${inspect(value)}: write act or report.`);
      continue;
    }
    const [min, max] = bounds[name];
    if (typeof value !== 'number' || !(value >= min && value <= max)) {
      throw new RangeError(
        `The guardrail's ${name} is ${inspect(value)}: write a number from ${String(min)} to ${String(max)}.`,
      );
    }
  }
  const given = Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as Partial<ParsedGuardrailOptions>;
  return Object.freeze({ ...defaults, ...given });
}
