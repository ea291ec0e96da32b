import type { Clock } from '@changeover/core';
import { InvalidArgumentError } from '@changeover/engines/api';

/** A pool, as its budget sees it. */
export interface BudgetMember {
  /** A permit that was asked for is there now. Taken over by the member, which gives it back if it isn't needed. */
  onPermit(): void;
  /** When its longest idle connection became idle, on the monotonic clock; undefined where none is idle. */
  idleSinceMs(): number | undefined;
  /** Closes its longest idle connection, whose permit comes back when that is done. */
  closeIdle(): void;
}

interface Share {
  held: number;
  /** Since when a permit is asked for; undefined where none is. */
  waitingSinceMs: number | undefined;
}

/** How long a dataset has a connection before it gives it up to one that has none. Counted from when it was opened: counted
 * from when the other began to wait, all datasets opened and closed in turn and none was served. */
const longestSliceMs = 100;
/** How long it takes until all that wait have had their turn, if the slices are what takes the time. */
const longestRoundMs = 2_000;

/**
 * The most connections that exist at once across all pools of a server or process, dealt fairly: who holds least is
 * served first, and who holds more than others gives one up when it is next released.
 */
export class Budget {
  readonly total: number;
  readonly #clock: Clock;
  readonly #shares = new Map<BudgetMember, Share>();
  /** Those that ask for a permit, in the order of their asking. Kept apart because there may be thousands, and each
   * release asks who is next. */
  readonly #asking = new Map<BudgetMember, Share>();
  readonly #holding = new Set<BudgetMember>();
  /** Who gives a connection back where a member waits for a permit. */
  readonly #courteous = new Set<() => void>();
  #used = 0;

  /** @param total the most permits out at once: 1 to 100,000. */
  constructor(total: number, clock: Clock) {
    if (!Number.isInteger(total) || total < 1 || total > 100_000) {
      throw new InvalidArgumentError(
        `A budget of ${total} connections is none: use a whole number from 1 to 100,000.`,
      );
    }
    this.total = total;
    this.#clock = clock;
  }

  /** Permits that are out: connections opening, open or closing. */
  get used(): number {
    return this.#used;
  }

  /** Members that wait for a permit. */
  get waiting(): number {
    return this.#asking.size;
  }

  /** Takes a permit for one more connection. False where none is left: the member is told when one comes, after the
   * connection that has been idle longest anywhere was asked to go. */
  take(member: BudgetMember): boolean {
    const share = this.#share(member);
    if (share.waitingSinceMs !== undefined) return false;
    if (this.#used < this.total) {
      this.#hold(member, share);
      return true;
    }
    share.waitingSinceMs = this.#clock.monotonicMs();
    this.#asking.set(member, share);
    this.#closeLongestIdle();
    for (const makeWay of [...this.#courteous]) makeWay();
    return false;
  }

  /** Calls `then` whenever a member has to wait for a permit. Returns how to end that. */
  whenNeeded(then: () => void): () => void {
    this.#courteous.add(then);
    return () => {
      this.#courteous.delete(then);
    };
  }

  /** The member wants no permit any more. */
  cancel(member: BudgetMember): void {
    const share = this.#shares.get(member);
    if (share === undefined) return;
    this.#asksNoMore(member, share);
    this.#forgetIfEmpty(member, share);
  }

  /** Gives a permit back: its connection is gone. */
  giveBack(member: BudgetMember): void {
    const share = this.#shares.get(member);
    if (share === undefined || share.held === 0) return;
    share.held -= 1;
    if (share.held === 0) this.#holding.delete(member);
    this.#used -= 1;
    this.#forgetIfEmpty(member, share);
    this.#grant();
  }

  /** Whether a connection that this member has just got back, or opened, should be closed for the sake of another.
   *
   * @param wanted whether a caller of its own waits for it.
   * @param heldMs for how long the member has had it: it is not taken away for another that has as many, or in between
   * two calls, before its slice of time is over. */
  mustYield(member: BudgetMember, wanted: boolean, heldMs: number): boolean {
    if (this.#asking.size === 0) return false;
    const next = this.#next();
    const share = this.#shares.get(member);
    if (next === undefined || share === undefined || next.member === member) return false;
    if (next.share.held < share.held - 1) return true;
    const sliceMs = Math.min(longestSliceMs, (longestRoundMs * this.total) / this.#asking.size);
    if (heldMs < sliceMs) return false;
    if (!wanted) return true;
    const waitedMs = this.#clock.monotonicMs() - (next.share.waitingSinceMs ?? 0);
    return next.share.held < share.held && waitedMs >= sliceMs;
  }

  #grant(): void {
    while (this.#used < this.total) {
      const next = this.#next();
      if (next === undefined) return;
      this.#asksNoMore(next.member, next.share);
      this.#hold(next.member, next.share);
      next.member.onPermit();
    }
  }

  /** Who is served next: who holds least, among equals who has waited longest. */
  #next(): { member: BudgetMember; share: Share } | undefined {
    let best: { member: BudgetMember; share: Share } | undefined;
    for (const [member, share] of this.#asking) {
      if (share.held === 0) return { member, share };
      if (best === undefined || share.held < best.share.held) best = { member, share };
    }
    return best;
  }

  #hold(member: BudgetMember, share: Share): void {
    share.held += 1;
    this.#used += 1;
    this.#holding.add(member);
  }

  #asksNoMore(member: BudgetMember, share: Share): void {
    share.waitingSinceMs = undefined;
    this.#asking.delete(member);
  }

  #closeLongestIdle(): void {
    let longest: { member: BudgetMember; sinceMs: number } | undefined;
    for (const member of this.#holding) {
      const sinceMs = member.idleSinceMs();
      if (sinceMs !== undefined && (longest === undefined || sinceMs < longest.sinceMs))
        longest = { member, sinceMs };
    }
    longest?.member.closeIdle();
  }

  #share(member: BudgetMember): Share {
    const known = this.#shares.get(member);
    if (known !== undefined) return known;
    const share: Share = { held: 0, waitingSinceMs: undefined };
    this.#shares.set(member, share);
    return share;
  }

  #forgetIfEmpty(member: BudgetMember, share: Share): void {
    if (share.held === 0 && share.waitingSinceMs === undefined) this.#shares.delete(member);
  }
}
