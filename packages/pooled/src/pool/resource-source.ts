/** How pieces of work share one connection. */
export interface Sharing {
  /** On one connection at once. */
  readonly atOnce: number;
  /** On one connection, before it is given back to be looked at. */
  readonly inAll: number;
  /** Joined although another connection is free, as long as all on it are expected to be done within this time. */
  readonly freelyMs: number;
  /** Joined where no connection is free, likewise. */
  readonly mostMs: number;
  /** Nobody waits behind a piece of work longer than about twice this time: all are sent to other connections then, to begin anew.
   * Infinity where they can't. */
  readonly stallMs: number;
}

/** How a pool makes and ends what it lends. */
export interface ResourceSource<Resource extends object> {
  /** Set where a connection does what it is sent one after the other by itself, so that more can be sent before the last is done. */
  readonly sharing?: Sharing | undefined;
  /** Opens one. Must settle soon after the signal is aborted and leave nothing open if it rejects. */
  open(signal: AbortSignal): Promise<Resource>;
  /** Closes one in good order. */
  close(resource: Resource): Promise<void>;
  /** Cuts one off at once, whatever it is doing. */
  cut(resource: Resource): void;
  /** False where it is broken or not idle (a transaction left open), so that it must not be lent again. Cheap. */
  usable(resource: Resource): boolean;
  /** Asks the engine whether it still answers. */
  validate(resource: Resource, signal: AbortSignal): Promise<boolean>;
  /** True for a failure to open that may pass by itself: callers go on waiting while it is tried again. Any other
   * (the dataset doesn't exist) goes to the caller at once. */
  mayPass(error: unknown): boolean;
  /** Which of the free ones to lend: the least. Default: the one that was used last. */
  readonly rank?: ((resource: Resource) => number) | undefined;
}
