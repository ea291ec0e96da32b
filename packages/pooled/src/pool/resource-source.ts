/** The limits within which several callers use one connection at the same time. */
export interface Sharing {
  /** The most callers on one connection at once. */
  readonly atOnce: number;
  /** The most callers on one connection, one after the other, before it is released and checked. */
  readonly inAll: number;
  /** A caller joins although another connection is idle, if all work on this one is expected to be done within this time. */
  readonly freelyMs: number;
  /** The same where no connection is idle. */
  readonly mostMs: number;
  /** If nothing is answered for about twice this time, all callers are sent to other connections and begin again.
   * Infinity if their work can't be repeated. */
  readonly stallMs: number;
}

/** How a pool opens, checks and closes its connections. */
export interface ResourceSource<Resource extends object> {
  /** Set if a connection queues what it is sent (pipelining), so that more can be sent before the last answer. */
  readonly sharing?: Sharing | undefined;
  /** Opens a connection. Must settle soon after the signal is aborted and leave nothing open if it rejects. */
  open(signal: AbortSignal): Promise<Resource>;
  /** Closes a connection, ending its protocol properly. */
  close(resource: Resource): Promise<void>;
  /** Closes a connection by force, at once, whatever it is doing. Must not throw. */
  cut(resource: Resource): void;
  /** False if the connection is broken or not idle (a transaction left open) and must not be lent again. Called at every
   * checkout and release, so it must be cheap. */
  usable(resource: Resource): boolean;
  /** Takes away what the last lease may have left, before the connection is lent again. Absent where nothing is. A connection that
   * can't be cleaned is closed. */
  readonly clean?: ((resource: Resource) => Promise<void>) | undefined;
  /** Whether the engine still answers on the connection. */
  validate(resource: Resource, signal: AbortSignal): Promise<boolean>;
  /** True for a failure to open that may be temporary: callers keep waiting while it is retried. Any other (the dataset
   * doesn't exist) rejects the first caller at once. */
  mayPass(error: unknown): boolean;
  /** The idle connection with the lowest rank is lent. Default: the one used last. */
  readonly rank?: ((resource: Resource) => number) | undefined;
}
