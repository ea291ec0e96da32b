import type { Clock } from '@changeover/core';
import { InvalidArgumentError } from '@changeover/core';

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

/** How long a dataset that has no connection at all waits before another gives up its only one. */
const sliceMs = 100;

/**
 * The most connections that exist at once across all pools of a server or process, dealt fairly: who holds least is
 * served first, and who holds more than others gives one up when it is next released.
 */
export class Budget {
  readonly total: number;
  readonly #clock: Clock;
  readonly #shares = new Map<BudgetMember, Share>();
  #used = 0;
  #waiting = 0;

  /** @param total the most permits out at once: 1 to 100,000. */
  constructor(total: number, clock: Clock) {
    if (!Number.isInteger(total) || total < 1 || total > 100_000) {
      throw new InvalidArgumentError(`A budget of ${total} connections is none: use a whole number from 1 to 100,000.`);
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
    return this.#waiting;
  }

  /** Takes a permit for one more connection. False where none is left: the member is told when one comes, after the
   * connection that has been idle longest anywhere was asked to go. */
  take(member: BudgetMember): boolean {
    const share = this.#share(member);
    if (share.waitingSinceMs !== undefined) return false;
    if (this.#used < this.total) {
      this.#used += 1;
      share.held += 1;
      return true;
    }
    share.waitingSinceMs = this.#clock.monotonicMs();
    this.#waiting += 1;
    this.#closeLongestIdle();
    return false;
  }

  /** The member wants no permit any more. */
  cancel(member: BudgetMember): void {
    const share = this.#shares.get(member);
    if (share === undefined) return;
    if (share.waitingSinceMs !== undefined) {
      share.waitingSinceMs = undefined;
      this.#waiting -= 1;
    }
    this.#forgetIfEmpty(member, share);
  }

  /** Gives a permit back: its connection is gone. */
  giveBack(member: BudgetMember): void {
    const share = this.#shares.get(member);
    if (share === undefined || share.held === 0) return;
    share.held -= 1;
    this.#used -= 1;
    this.#forgetIfEmpty(member, share);
    this.#grant();
  }

  /** Whether a connection that this member has just got back should be closed for the sake of another.
   *
   * @param wanted whether a caller of its own waits for it. */
  mustYield(member: BudgetMember, wanted: boolean): boolean {
    if (this.#waiting === 0) return false;
    const next = this.#next();
    const share = this.#shares.get(member);
    if (next === undefined || share === undefined || next.member === member) return false;
    if (!wanted || next.share.held < share.held - 1) return true;
    const waitedMs = this.#clock.monotonicMs() - (next.share.waitingSinceMs ?? 0);
    return next.share.held < share.held && waitedMs >= sliceMs;
  }

  #grant(): void {
    while (this.#used < this.total) {
      const next = this.#next();
      if (next === undefined) return;
      next.share.waitingSinceMs = undefined;
      this.#waiting -= 1;
      next.share.held += 1;
      this.#used += 1;
      next.member.onPermit();
    }
  }

  /** Who is served next: who holds least, among equals who has waited longest. */
  #next(): { member: BudgetMember; share: Share } | undefined {
    if (this.#waiting === 0) return undefined;
    let best: { member: BudgetMember; share: Share } | undefined;
    for (const [member, share] of this.#shares) {
      if (share.waitingSinceMs === undefined) continue;
      if (best === undefined || isBefore(share, best.share)) best = { member, share };
    }
    return best;
  }

  #closeLongestIdle(): void {
    let longest: { member: BudgetMember; sinceMs: number } | undefined;
    for (const [member, share] of this.#shares) {
      if (share.held === 0) continue;
      const sinceMs = member.idleSinceMs();
      if (sinceMs !== undefined && (longest === undefined || sinceMs < longest.sinceMs)) longest = { member, sinceMs };
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

function isBefore(a: Share, b: Share): boolean {
  return a.held !== b.held ? a.held < b.held : (a.waitingSinceMs ?? 0) < (b.waitingSinceMs ?? 0);
}
