import { describe, knownNames } from '@changeover/core';
import { InvalidArgumentError } from '@changeover/engines/api';

/** How one pool behaves. Every time is in milliseconds. */
export interface PoolOptions {
  /** The most connections that exist at once, those being opened and closed included. 1 to 10,000. */
  readonly max?: number | undefined;
  /** Connections that are kept open while idle. Default: 0, so that the pool of an idle dataset drains to nothing. */
  readonly min?: number | undefined;
  /** Callers that may wait at once; one more is refused with a `PoolExhaustedError`. Default: 1,000. 0 lets none wait. */
  readonly maxPending?: number | undefined;
  /** The longest wait for a connection, after which an `AcquireTimeoutError` says why. Default: 5,000. */
  readonly acquireTimeoutMs?: number | undefined;
  /** The longest time for opening one connection. Default: 5,000, or `acquireTimeoutMs` where that is less. */
  readonly connectTimeoutMs?: number | undefined;
  /** The longest time for closing one in good order; then it is cut. Default: 2,000. */
  readonly closeTimeoutMs?: number | undefined;
  /** A connection idle for longer is closed, down to `min`. Default: 30,000. */
  readonly idleTimeoutMs?: number | undefined;
  /** A connection older than this is closed once it is free; each gets up to a tenth less, at random, so that they
   * don't all go at once. Default: 1,800,000. 0 for no limit. */
  readonly maxLifetimeMs?: number | undefined;
  /** A connection idle for at least this long is validated before it is lent. Default: 1,000. */
  readonly validateAfterIdleMs?: number | undefined;
  /** The longest time for that. Default: 1,000, and never more than `acquireTimeoutMs`. */
  readonly validationTimeoutMs?: number | undefined;
  /** A lease on which nothing has run for this long is reported as a leak. Default: 60,000. 0 turns it off. */
  readonly leakDetectionThresholdMs?: number | undefined;
  /** A lease on which nothing has run for this long is taken back: its connection is closed and later calls on the
   * lease are refused. Default: 5 × `leakDetectionThresholdMs`. 0 turns it off. */
  readonly leakReclaimMs?: number | undefined;
  /** Whether each lease remembers the stack where it was taken, which costs some microseconds. Default: false. */
  readonly leakStacks?: boolean | undefined;
  /** The wait before opening again after the first failure; it doubles with each further one. Default: 50. */
  readonly backoffInitialMs?: number | undefined;
  /** The longest such wait. Default: 2,000. */
  readonly backoffMaxMs?: number | undefined;
}

/** Options with every default applied. Made by {@link parsePoolOptions} alone. */
export type ParsedPoolOptions = Readonly<{
  [Name in keyof PoolOptions]-?: Exclude<PoolOptions[Name], undefined>;
}>;

const tenMinutesMs = 600_000;
const oneDayMs = 86_400_000;

/** Lowest and highest value of each number. */
const ranges = {
  max: [1, 10_000],
  min: [0, 10_000],
  maxPending: [0, 1_000_000],
  acquireTimeoutMs: [1, tenMinutesMs],
  connectTimeoutMs: [1, tenMinutesMs],
  closeTimeoutMs: [1, tenMinutesMs],
  idleTimeoutMs: [1, oneDayMs],
  maxLifetimeMs: [0, oneDayMs],
  validateAfterIdleMs: [0, oneDayMs],
  validationTimeoutMs: [1, tenMinutesMs],
  leakDetectionThresholdMs: [0, oneDayMs],
  leakReclaimMs: [0, oneDayMs],
  backoffInitialMs: [1, tenMinutesMs],
  backoffMaxMs: [1, tenMinutesMs],
} as const satisfies Partial<Record<keyof PoolOptions, readonly [number, number]>>;

/**
 * Checks a pool's options and applies the defaults.
 *
 * @param options as a user wrote them.
 * @param defaults what differs from the general defaults for this engine.
 * @param where how the options are called in errors, e.g. `pools.sqlite`.
 * @throws {InvalidArgumentError} that names the option, what was found and what is allowed.
 */
export function parsePoolOptions(
  options: PoolOptions,
  defaults: PoolOptions,
  where: string,
): ParsedPoolOptions {
  const given = options as Readonly<Record<string, unknown>>;
  for (const name of Object.keys(given)) {
    if (name === 'leakStacks') checkBoolean(given[name], `${where}.${name}`);
    else if (name in ranges)
      checkNumber(given[name], ranges[name as keyof typeof ranges], `${where}.${name}`);
    else
      throw refused(
        `${where}.${name}`,
        'is no option of a pool',
        knownNames(name, [...Object.keys(ranges), 'leakStacks']),
      );
  }
  const acquireTimeoutMs = options.acquireTimeoutMs ?? defaults.acquireTimeoutMs ?? 5_000;
  const leakDetectionThresholdMs =
    options.leakDetectionThresholdMs ?? defaults.leakDetectionThresholdMs ?? 60_000;
  const backoffInitialMs = options.backoffInitialMs ?? defaults.backoffInitialMs ?? 50;
  const parsed: ParsedPoolOptions = {
    max: options.max ?? defaults.max ?? 10,
    min: options.min ?? defaults.min ?? 0,
    maxPending: options.maxPending ?? defaults.maxPending ?? 1_000,
    acquireTimeoutMs,
    connectTimeoutMs:
      options.connectTimeoutMs ?? defaults.connectTimeoutMs ?? Math.min(5_000, acquireTimeoutMs),
    closeTimeoutMs: options.closeTimeoutMs ?? defaults.closeTimeoutMs ?? 2_000,
    idleTimeoutMs: options.idleTimeoutMs ?? defaults.idleTimeoutMs ?? 30_000,
    maxLifetimeMs: options.maxLifetimeMs ?? defaults.maxLifetimeMs ?? 1_800_000,
    validateAfterIdleMs: options.validateAfterIdleMs ?? defaults.validateAfterIdleMs ?? 1_000,
    validationTimeoutMs:
      options.validationTimeoutMs ??
      defaults.validationTimeoutMs ??
      Math.min(1_000, acquireTimeoutMs),
    leakDetectionThresholdMs,
    leakReclaimMs: options.leakReclaimMs ?? defaults.leakReclaimMs ?? 5 * leakDetectionThresholdMs,
    leakStacks: options.leakStacks ?? defaults.leakStacks ?? false,
    backoffInitialMs,
    backoffMaxMs:
      options.backoffMaxMs ?? defaults.backoffMaxMs ?? Math.max(2_000, backoffInitialMs),
  };
  checkRelations(parsed, where);
  return Object.freeze(parsed);
}

function checkRelations(options: ParsedPoolOptions, where: string): void {
  atMost(options, 'min', 'max', where);
  atMost(options, 'connectTimeoutMs', 'acquireTimeoutMs', where);
  atMost(options, 'validationTimeoutMs', 'acquireTimeoutMs', where);
  atMost(options, 'backoffInitialMs', 'backoffMaxMs', where);
  if (options.leakReclaimMs > 0 && options.leakReclaimMs < options.leakDetectionThresholdMs) {
    throw refused(
      `${where}.leakReclaimMs`,
      `is ${options.leakReclaimMs}, less than leakDetectionThresholdMs (${options.leakDetectionThresholdMs})`,
      'a leak is reported before it is reclaimed',
    );
  }
}

function atMost(
  options: ParsedPoolOptions,
  low: keyof typeof ranges,
  high: keyof typeof ranges,
  where: string,
): void {
  if (options[low] <= options[high]) return;
  throw refused(
    `${where}.${low}`,
    `is ${options[low]}, more than ${high} (${options[high]})`,
    'lower it or raise that',
  );
}

function checkBoolean(value: unknown, name: string): void {
  if (value !== undefined && typeof value !== 'boolean')
    throw refused(name, `is ${shown(value)}`, 'use true or false');
}

function checkNumber(value: unknown, [low, high]: readonly [number, number], name: string): void {
  if (value === undefined) return;
  if (typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high) return;
  throw refused(name, `is ${shown(value)}`, `use a whole number from ${low} to ${high}`);
}

function shown(value: unknown): string {
  return typeof value === 'number' ? String(value) : describe(value);
}

function refused(name: string, found: string, remedy: string): InvalidArgumentError {
  return new InvalidArgumentError(`Option ${name} ${found}: ${remedy}.`);
}
