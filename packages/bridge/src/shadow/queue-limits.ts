/** How much comparison work may be under way at once. */
export interface ShadowQueueOptions {
  /** Comparisons running at once. Default: 4. */
  readonly maxConcurrent?: number | undefined;
  /** Comparisons waiting; more are shed. Default: 256. */
  readonly maxQueued?: number | undefined;
  /** A comparison that would have to wait longer than this, in ms, is shed: one that comes late mostly finds that a write
   * came between, and tells nothing. Default: 50. */
  readonly maxWaitMs?: number | undefined;
  /** Rows that waiting and running comparisons may hold together; an answer that would be more is not compared. Default: 200,000. */
  readonly maxHeldRows?: number | undefined;
  /** Work that outlived its deadline and doesn't end; at this number no more is begun until some ends. Default: 16. */
  readonly maxAbandoned?: number | undefined;
  /** Share of the time in which comparisons may run where the event loop is busy, after a first second of them, so that nearly all
   * calls are made as if nothing were compared. 1: callers are not waited for at all. Default: 0.1. */
  readonly busyShare?: number | undefined;
  /** Comparisons by quota running at once, beside the others. Default: 8. */
  readonly maxQuotaConcurrent?: number | undefined;
  /** A comparison by quota waits up to this long for its turn, in ms, where the event loop is busy. Default: 10,000. */
  readonly maxQuotaWaitMs?: number | undefined;
  /** A comparison is shed when the event loop comes to it later than this, in ms: the process has no time to spare.
   * Default: 500. */
  readonly maxLateMs?: number | undefined;
}

/** {@link ShadowQueueOptions} with every default applied. */
export type QueueLimits = {
  readonly [name in keyof ShadowQueueOptions]-?: NonNullable<ShadowQueueOptions[name]>;
};

/** Applies the defaults. */
export function parseLimits(options: ShadowQueueOptions): QueueLimits {
  return Object.freeze({
    maxConcurrent: options.maxConcurrent ?? 4,
    maxQueued: options.maxQueued ?? 256,
    maxWaitMs: options.maxWaitMs ?? 50,
    maxHeldRows: options.maxHeldRows ?? 200_000,
    maxAbandoned: options.maxAbandoned ?? 16,
    busyShare: options.busyShare ?? 0.1,
    maxQuotaConcurrent: options.maxQuotaConcurrent ?? 8,
    maxQuotaWaitMs: options.maxQuotaWaitMs ?? 10_000,
    maxLateMs: options.maxLateMs ?? 500,
  });
}
