/** What would be lost with the process. */
export interface Holder {
  /** Stores what is held: before it returns where the store is a file; else the promise resolves when the store has it, or after two
   * seconds. Undefined where nothing is to be waited for. Never throws or rejects. */
  flush(): Promise<void> | undefined;
  /** The same where nothing can be waited for any more. May hold up the process for two seconds. Never throws. */
  flushAtOnce(): void;
}

/** Those by which a service manager and a terminal end a program. */
const signals = ['SIGTERM', 'SIGINT'] as const;
type EndingSignal = (typeof signals)[number];

/** The process as this module needs it; a test brings another. */
export type EndingProcess = Pick<
  NodeJS.Process,
  'on' | 'off' | 'listenerCount' | 'listeners' | 'kill' | 'pid'
>;

/**
 * Lets holders store what they hold when the process ends, and changes nothing else of how it ends: neither its exit code, nor what its
 * own handlers of signals do. A signal's default is taken only where nobody listens to it, and then the signal is sent again, so that
 * the process ends by it. As soon as the program listens itself, it alone says what a signal does: `process.exit()` and the natural end
 * flush then too.
 */
export class ExitFlush {
  readonly #process: EndingProcess;
  readonly #holders = new Set<Holder>();
  readonly #heard = new Set<EndingSignal>();
  #looking = false;

  constructor(process: EndingProcess) {
    this.#process = process;
  }

  /** @returns ends it: the holder is asked no more. */
  add(holder: Holder): () => void {
    if (this.#holders.size === 0) this.#begin();
    this.#holders.add(holder);
    return () => {
      if (this.#holders.delete(holder) && this.#holders.size === 0) this.#end();
    };
  }

  #begin(): void {
    this.#process.on('exit', this.#atExit);
    this.#process.on('beforeExit', this.#beforeExit);
    this.#process.on('newListener', this.#lookSoon);
    this.#process.on('removeListener', this.#lookSoon);
    this.#look();
  }

  #end(): void {
    this.#process.off('exit', this.#atExit);
    this.#process.off('beforeExit', this.#beforeExit);
    this.#process.off('newListener', this.#lookSoon);
    this.#process.off('removeListener', this.#lookSoon);
    for (const signal of [...this.#heard]) this.#stopHearing(signal);
  }

  readonly #atExit = (): void => {
    for (const holder of this.#holders) holder.flushAtOnce();
  };

  /** The process ends by itself: while a promise waits it is kept alive, and asked again after that. */
  readonly #beforeExit = (): void => {
    const waits = this.#flushAll();
    if (waits === undefined) return;
    const alive = setInterval(() => undefined, 1_000);
    void waits.then(() => {
      clearInterval(alive);
    });
  };

  /** Only once the listener is there or gone: Node hears of a signal as long as anybody does. */
  readonly #lookSoon = (event: string | symbol): void => {
    if (this.#looking || !signals.some((signal) => signal === event)) return;
    this.#looking = true;
    queueMicrotask(() => {
      this.#looking = false;
      if (this.#holders.size > 0) this.#look();
    });
  };

  #look(): void {
    for (const signal of signals) {
      const own = this.#process.listeners(signal).includes(this.#onSignal) ? 1 : 0;
      const others = this.#process.listenerCount(signal) - own;
      if (others > 0) this.#stopHearing(signal);
      else if (own === 0) {
        this.#heard.add(signal);
        this.#process.on(signal, this.#onSignal);
      }
    }
  }

  #stopHearing(signal: EndingSignal): void {
    this.#heard.delete(signal);
    this.#process.off(signal, this.#onSignal);
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    // A second one ends the process at once.
    this.#end();
    const waits = this.#flushAll();
    const end = (): void => {
      this.#process.kill(this.#process.pid, signal);
    };
    if (waits === undefined) end();
    else void waits.then(end);
  };

  #flushAll(): Promise<void> | undefined {
    const waits = [...this.#holders].flatMap((holder) => holder.flush() ?? []);
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined);
  }
}

/** The one of this process: a listener of each bridge's own would be more than Node takes for right. */
const exitFlush = new ExitFlush(process);

/** See {@link ExitFlush.add}. */
export function flushAtExit(holder: Holder): () => void {
  return exitFlush.add(holder);
}
