import { availableParallelism } from 'node:os';
import type { ChildProcess } from 'node:child_process';
import { ClosedError } from '@changeover/engines/api';
import type { Clock, Timer } from '@changeover/core';
import { HostingChild } from './hosting-child.ts';

/** What a child process is taken for: one statement or operation, or a transaction, in which it waits for its caller most
 * of the time. */
export type ChildUse = 'statement' | 'transaction';

/** The right to use a child process until `end` is called. */
export interface ChildLease {
  readonly child: HostingChild;
  /** Gives it back. Any further call does nothing. */
  end(): void;
}

/** A lease that may still have to be waited for. */
export interface ComingLease {
  readonly lease: Promise<ChildLease>;
  /** Nobody wants it any more: it rejects with this, and what comes is given back. A process that is being started goes on
   * to, for the next who wants one: who gives up soon and comes again would else never have it. */
  cancel(error: Error): void;
}

/** What a set of child processes is made with. */
export interface ChildSetOptions {
  readonly clock: Clock;
  /** Processes that run statements at once. Default: one a core, at least 2 and at most 4. A statement that has been
   * running for a second does not count, and there are as many processes more for what waits behind such ones; as many
   * again are for transactions. Further transactions share those. */
  readonly max?: number | undefined;
  /** One that nobody has used for this long is ended. Default: 30,000. */
  readonly idleTimeoutMs?: number | undefined;
  /** Told of each process that is started. */
  readonly onChild?: ((child: ChildProcess) => void) | undefined;
}

interface Occupant {
  readonly use: ChildUse;
  readonly dataset: string;
  readonly sinceMs: number;
}

interface Waiting extends Omit<Occupant, 'sinceMs'> {
  readonly prefer: HostingChild | undefined;
  resolve(lease: ChildLease): void;
  reject(error: Error): void;
}

/** From this on a statement is one that may never end, and takes nobody's place. */
const longMs = 1_000;

/** The child processes of one factory and purpose: what may run long runs here, where it can be ended. Started when first
 * needed, each lent to one statement or transaction at a time, ended when idle. */
export class ChildSet {
  readonly max: number;
  readonly #clock: Clock;
  readonly #idleTimeoutMs: number;
  readonly #onChild: (child: ChildProcess) => void;
  readonly #children = new Map<HostingChild, Set<Occupant>>();
  readonly #idleSinceMs = new WeakMap<HostingChild, number>();
  #waiting: Waiting[] = [];
  #timer: Timer | undefined;
  #delayMs = 0;
  #closed = false;

  constructor(options: ChildSetOptions) {
    this.max = options.max ?? Math.min(4, Math.max(2, availableParallelism()));
    this.#clock = options.clock;
    this.#idleTimeoutMs = options.idleTimeoutMs ?? 30_000;
    this.#onChild = options.onChild ?? (() => undefined);
  }

  /** Processes that live. */
  get alive(): number {
    return this.#children.size;
  }

  /** Statements and transactions that have a process or wait for one. */
  get running(): number {
    return this.#occupants().length + this.#waiting.length;
  }

  /** Takes a process.
   *
   * @param prefer the one to take if it is free, because a connection is open in it. */
  take(dataset: string, use: ChildUse, prefer?: HostingChild): ComingLease {
    const { promise, resolve, reject } = Promise.withResolvers<ChildLease>();
    let wanted = true;
    const take = (lease: ChildLease): void => {
      if (wanted) resolve(lease);
      else lease.end();
    };
    const waiting: Waiting = { dataset, use, prefer, resolve: take, reject };
    if (this.#closed) reject(closedError(dataset));
    else this.#waiting.push(waiting);
    this.#serve();
    return {
      lease: promise,
      cancel: (error) => {
        this.#waiting = this.#waiting.filter((each) => each !== waiting);
        wanted = false;
        reject(error);
      },
    };
  }

  /** Whether nobody else is in the process, so that ending it hits nobody else. */
  isAlone(child: HostingChild): boolean {
    return (this.#children.get(child)?.size ?? 0) <= 1;
  }

  /** Ends all processes at once. Resolves when they have ended and what ran in them is rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    for (const { dataset, reject } of this.#waiting.splice(0)) reject(closedError(dataset));
    const ends = [...this.#children.keys()].map((child) => child.ended);
    for (const child of this.#children.keys()) child.kill();
    await Promise.all(ends);
  }

  #serve(): void {
    for (const next of this.#inTurn()) {
      const child = this.#free(next) ?? this.#startFor(next) ?? this.#shared(next);
      if (child === undefined) continue;
      this.#waiting = this.#waiting.filter((each) => each !== next);
      const lease = this.#lend(child, next);
      void child.ready.then(() => {
        next.resolve(lease);
      });
    }
    this.#arm();
  }

  /** Who waits, those first whose datasets have least. */
  #inTurn(): Waiting[] {
    if (this.#waiting.length < 2) return [...this.#waiting];
    const occupants = this.#occupants();
    const held = ({ dataset }: Waiting): number =>
      occupants.filter((each) => each.dataset === dataset).length;
    return [...this.#waiting].sort((a, b) => held(a) - held(b));
  }

  #free({ prefer, use }: Waiting): HostingChild | undefined {
    if (!this.#hasRoom(use)) return undefined;
    const free = [...this.#children].filter(([, { size }]) => size === 0).map(([child]) => child);
    return prefer !== undefined && free.includes(prefer) ? prefer : free[0];
  }

  #startFor({ use }: Waiting): HostingChild | undefined {
    return this.#hasRoom(use) ? this.#start() : undefined;
  }

  #hasRoom(use: ChildUse): boolean {
    const nowMs = this.#clock.monotonicMs();
    const same = this.#occupied(use);
    if (use === 'transaction') return same.length < this.max;
    const short = same.filter((each) => nowMs - each.sinceMs < longMs);
    return short.length < this.max && same.length < 2 * this.max;
  }

  /** A process of other transactions, for one more. */
  #shared({ use }: Waiting): HostingChild | undefined {
    if (use !== 'transaction') return undefined;
    let best: HostingChild | undefined;
    for (const [child, occupants] of this.#children) {
      if (![...occupants].some((each) => each.use === 'transaction')) continue;
      if (best === undefined || isFreer(child, occupants.size, best, this.#sizeOf(best)))
        best = child;
    }
    return best;
  }

  #sizeOf(child: HostingChild): number {
    return this.#children.get(child)?.size ?? 0;
  }

  #lend(child: HostingChild, { use, dataset }: Waiting): ChildLease {
    const occupant: Occupant = { use, dataset, sinceMs: this.#clock.monotonicMs() };
    this.#children.get(child)?.add(occupant);
    return {
      child,
      end: () => {
        const occupants = this.#children.get(child);
        if (occupants?.delete(occupant) === true && occupants.size === 0)
          this.#idleSinceMs.set(child, this.#clock.monotonicMs());
        this.#serve();
      },
    };
  }

  #start(): HostingChild {
    const child: HostingChild = new HostingChild(() => {
      this.#children.delete(child);
      living.delete(child);
      this.#serve();
    });
    this.#children.set(child, new Set());
    this.#idleSinceMs.set(child, this.#clock.monotonicMs());
    endWithThisProcess(child);
    this.#onChild(child.process);
    return child;
  }

  #occupants(): Occupant[] {
    return [...this.#children.values()].flatMap((occupants) => [...occupants]);
  }

  /** The processes that are lent for a use, each with who has had it longest. */
  #occupied(use: ChildUse): Occupant[] {
    return [...this.#children.values()]
      .map((occupants) => [...occupants].find((each) => each.use === use))
      .filter((occupant) => occupant !== undefined);
  }

  /** Wakes when a running statement becomes a long one that somebody waits behind, or a process has been idle for long. */
  #arm(): void {
    if (this.#closed || this.#children.size === 0) return;
    const delayMs = this.#waiting.length > 0 ? longMs / 4 : this.#idleTimeoutMs / 2;
    if (this.#timer !== undefined && this.#delayMs <= delayMs) return;
    this.#timer?.cancel();
    this.#delayMs = delayMs;
    this.#timer = this.#clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#endIdle();
      this.#serve();
    });
  }

  #endIdle(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [child, occupants] of this.#children) {
      if (occupants.size > 0) continue;
      if (nowMs - (this.#idleSinceMs.get(child) ?? nowMs) < this.#idleTimeoutMs) continue;
      this.#children.delete(child);
      child.kill();
    }
  }
}

function closedError(dataset: string): ClosedError {
  return new ClosedError('The factory is closed and starts no more processes.', {
    engine: 'sqlite',
    dataset,
  });
}

function isFreer(a: HostingChild, inA: number, b: HostingChild, inB: number): boolean {
  return a.running !== b.running ? a.running < b.running : inA < inB;
}

/** The child processes of this process, whoever has them: a process that ends by `process.exit()` in the middle of a
 * statement would else leave it running for nobody. */
const living = new Set<HostingChild>();

function endWithThisProcess(child: HostingChild): void {
  if (living.size === 0 && !process.listeners('exit').includes(endAll)) process.on('exit', endAll);
  living.add(child);
}

function endAll(): void {
  for (const child of living) child.kill();
}
