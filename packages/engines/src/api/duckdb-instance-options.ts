/** Limits of an instance. Those of the first lease hold for all that share it. */
export interface DuckdbInstanceOptions {
  /** Default: the engine's, 80 % of the machine's memory. */
  readonly memoryLimitMib?: number | undefined;
  /** Default: the engine's, one a core. */
  readonly threads?: number | undefined;
}
