/** A pool's figures at one moment. Connections: `open = idle + inUse`, and `open + opening + closing` never exceeds
 * `max`. */
export interface PoolStats {
  readonly name: string;
  readonly max: number;
  readonly min: number;
  readonly open: number;
  readonly idle: number;
  readonly inUse: number;
  /** Of those in use, the ones that their holders keep over many calls; see `Lease.pin`. Undefined in figures published
   * by a process of an earlier release. */
  readonly pinned?: number;
  readonly opening: number;
  readonly closing: number;
  /** Callers waiting for a connection. */
  readonly pending: number;
}

/** A pool's figures in one line, for error messages. */
export function showPoolStats(stats: PoolStats): string {
  return (
    `pool ${stats.name}: ${stats.inUse} in use, ${stats.idle} idle, ${stats.opening} opening, ` +
    `${stats.closing} closing of at most ${stats.max}; ${stats.pending} waiting`
  );
}
