import { ClosedError } from '@changeover/engines';
import type { EvictionReason } from './pool-observer.ts';
import type { Slot } from './resource-store.ts';

/** Who takes leases back. */
export interface Lender<Resource extends object> {
  takeBack(lease: Lease<Resource>, slot: Slot<Resource>, evict: EvictionReason | undefined): void;
  nowMs(): number;
}

/** The right to use one connection until it is released. */
export class Lease<Resource extends object> {
  /** What it was taken for, for leak reports. */
  readonly takenFor: string;
  readonly takenAtMs: number;
  /** Where it was taken, if stacks are on. */
  readonly stack: string | undefined;
  #slot: Slot<Resource> | undefined;
  readonly #lender: Lender<Resource>;
  #running = 0;
  #lastUsedMs: number;
  leakReported = false;
  /** Told when the pool took it back from its holder. */
  onTakenBack: (() => void) | undefined;
  /** Told when it is a place behind work that turns out long: what was begun on it is to be given up and done elsewhere. */
  onDispersed: (() => void) | undefined;

  constructor(
    lender: Lender<Resource>,
    slot: Slot<Resource>,
    takenFor: string,
    nowMs: number,
    stack?: string,
  ) {
    this.#lender = lender;
    this.#slot = slot;
    this.takenFor = takenFor;
    this.takenAtMs = nowMs;
    this.#lastUsedMs = nowMs;
    this.stack = stack;
  }

  /**
   * The connection.
   *
   * @throws {ClosedError} once the lease was released or taken back, so that a late caller can't use a connection that
   * belongs to another by then.
   */
  get resource(): Resource {
    if (this.#slot === undefined) {
      throw new ClosedError(
        `The connection taken for ${this.takenFor} was given back and can't be used any more.`,
      );
    }
    return this.#slot.resource;
  }

  /** Whether it was neither released nor taken back. */
  get held(): boolean {
    return this.#slot !== undefined;
  }

  /** Whether others may use the connection meanwhile. */
  get isPlace(): boolean {
    return false;
  }

  /** Whether others did. */
  get hadCompany(): boolean {
    return false;
  }

  /** The caller has gone while work goes on: calls `then` when what is done about that hits nobody else. */
  whenAlone(then: () => void): void {
    then();
  }

  /** Whether something runs on it. */
  get busy(): boolean {
    return this.#running > 0;
  }

  /** Milliseconds since something last ran on it; 0 while something runs. */
  unusedMs(nowMs: number): number {
    return this.#running > 0 ? 0 : nowMs - this.#lastUsedMs;
  }

  /** Says that a statement begins on it, so that long work is not taken for a leak. Call the result when it ended. */
  running(): () => void {
    this.#running += 1;
    return () => {
      this.#running -= 1;
      this.#lastUsedMs = this.#lender.nowMs();
    };
  }

  /** Gives the connection back. Any further call does nothing. */
  release(): void {
    this.#end(undefined);
  }

  /** Gives the connection back to be closed: it is in a state that nobody may inherit. Any further call does nothing. */
  discard(reason: EvictionReason = 'discarded'): void {
    this.#end(reason);
  }

  #end(evict: EvictionReason | undefined): void {
    const slot = this.#slot;
    if (slot === undefined) return;
    this.#slot = undefined;
    this.#lender.takeBack(this, slot, evict);
    if (evict === 'reclaimed' || evict === 'closing') this.onTakenBack?.();
  }
}
