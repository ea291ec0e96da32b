import { SnapshotLostError, type Timer } from '@changeover/core';
import type { CallLimit } from './dataset/call-limit.ts';
import type { JobTerms } from './dataset/lease-work.ts';
import type { PooledDataset } from './dataset/pooled-dataset.ts';
import type { EngineSetting } from './engine-parts.ts';
import type { Job } from './job.ts';
import type { Lease } from './pool/lease.ts';
import type { PooledSession } from './pooled-session.ts';

/** Snapshots of callers' answers that are held of one dataset at once, and how long each is at most. */
const maxHeldAnswers = 2;
const maxHeldMs = 2_000;

/** A snapshot and the connection that holds it. */
export interface SnapshotOnLoan {
  readonly name: string;
  /** Runs a job in it; one at a time. */
  run(job: Job, signal: AbortSignal): Promise<unknown>;
  /** Gives the connection back. */
  release(): Promise<void>;
  /** Gives it back at once, whatever runs. */
  makeWay(): Promise<void>;
}

/** A transaction that sees one state. */
export interface Lending {
  readonly lease: Lease<PooledSession>;
  readonly limit: CallLimit;
  /** The job that tells the name of what it sees. */
  readonly name: 'shareSnapshot' | 'exportSnapshot';
  readonly onReleased?: (() => void) | undefined;
}

/** The snapshots that an engine's connections hold, by dataset. */
export class HeldSnapshots {
  readonly #setting: Pick<EngineSetting, 'budget' | 'clock'>;
  readonly #isClosing: (dataset: string) => boolean;
  /** How to end those that are held. */
  readonly #held = new Map<string, Set<() => Promise<void>>>();
  /** How many of them are of callers' answers, or are about to be. */
  readonly #answers = new Map<string, number>();

  /** @param isClosing whether somebody has begun to close a dataset. */
  constructor(
    setting: Pick<EngineSetting, 'budget' | 'clock'>,
    isClosing: (dataset: string) => boolean,
  ) {
    this.#setting = setting;
    this.#isClosing = isClosing;
  }

  /** Ends all that are held of a dataset. */
  makeWay(dataset: string): void {
    for (const makeWay of this.#held.get(dataset) ?? []) void makeWay();
  }

  /** Whether one more answer's may be held: how to give the place back, or undefined. */
  reserve(dataset: string): (() => void) | undefined {
    const held = this.#answers.get(dataset) ?? 0;
    if (held >= maxHeldAnswers || this.#setting.budget.waiting > 0) return undefined;
    this.#answers.set(dataset, held + 1);
    return () => {
      const left = (this.#answers.get(dataset) ?? 1) - 1;
      if (left > 0) this.#answers.set(dataset, left);
      else this.#answers.delete(dataset);
    };
  }

  /** Lends what a transaction sees, whose name a job tells. */
  async lend(
    dataset: string,
    pools: PooledDataset,
    { lease, limit, name: telling, onReleased }: Lending,
  ): Promise<SnapshotOnLoan> {
    let lost = false;
    let released: Promise<void> | undefined;
    const release = (): Promise<void> => {
      this.#letGo(dataset, makeWay);
      if (released === undefined) onReleased?.();
      return (released ??= pools.transactions.end(lease, 'rollback', limit));
    };
    const makeWay = async (): Promise<void> => {
      lost = true;
      await pools.transactions.cut(lease);
      await release();
    };
    const run = async (job: Job, terms: JobTerms): Promise<unknown> => {
      try {
        if (!lost) return await pools.transactions.run(lease, job, terms);
      } catch (error) {
        if (!lost) throw error;
      }
      throw new SnapshotLostError(
        'The snapshot made way: its dataset was closed, or a caller waited for its connection.',
      );
    };
    this.#hold(dataset, makeWay);
    try {
      // Whoever began to close it before did not know of this.
      if (this.#isClosing(dataset)) await makeWay();
      const name = (await run({ kind: telling }, { limit, releaseOnFailure: false })) as string;
      return {
        name,
        run: (job, signal) =>
          run(job, { limit: { signal, atMs: Infinity }, releaseOnFailure: false }),
        release,
        makeWay,
      };
    } catch (error) {
      await release();
      throw error;
    }
  }

  /** The snapshot of an answer goes before any caller who waits for a connection, and ends by itself. */
  async lendAnswer(
    dataset: string,
    pools: PooledDataset,
    lease: Lease<PooledSession>,
    over: () => void,
  ): Promise<SnapshotOnLoan> {
    const lent: { loan?: SnapshotOnLoan; isNeeded?: boolean } = {};
    const makeWay = (): void => {
      lent.isNeeded = true;
      void lent.loan?.makeWay();
    };
    const endWatches = [pools.whenNeeded(makeWay), this.#setting.budget.whenNeeded(makeWay)];
    const timer: Timer = this.#setting.clock.after(maxHeldMs, makeWay);
    const onReleased = (): void => {
      for (const endWatch of endWatches) endWatch();
      timer.cancel();
      over();
    };
    const limit = { signal: undefined, atMs: Infinity };
    const name = 'exportSnapshot';
    const loan = await this.lend(dataset, pools, { lease, limit, name, onReleased });
    lent.loan = loan;
    // It was needed while its name was asked for.
    if (lent.isNeeded === true) await loan.makeWay();
    return loan;
  }

  #hold(dataset: string, makeWay: () => Promise<void>): void {
    const held = this.#held.get(dataset) ?? new Set();
    this.#held.set(dataset, held.add(makeWay));
  }

  #letGo(dataset: string, makeWay: () => Promise<void>): void {
    const held = this.#held.get(dataset);
    held?.delete(makeWay);
    if (held?.size === 0) this.#held.delete(dataset);
  }
}
