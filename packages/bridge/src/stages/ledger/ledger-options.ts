import type { Clock, Stage, Target } from '@changeover/core';
import type { Logger } from '../../log.ts';
import type { LedgerStore } from './ledger-store.ts';

/** A step forward that is to be judged. */
export interface Move {
  readonly backend: string;
  readonly target: Target;
  readonly from: Stage;
  readonly to: Stage;
}

/** A target that waits for its next step forward. */
export type WaitingStep = Pick<Move, 'backend' | 'target' | 'from'>;

/** What a gate says. Only `pass` lets a dataset step forward. */
export interface MoveJudgement {
  readonly verdict: 'pass' | 'fail' | 'inconclusive';
  /** For people: what was measured, and against what. */
  readonly reason: string;
}

/** What the ledger is made of. */
export interface LedgerOptions {
  readonly store: LedgerStore;
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
  /** Asked before each step forward, never on a caller's path. Must not throw; where it does, the step waits.
   * Default: every step passes. */
  readonly gate?: ((move: Move) => MoveJudgement) | undefined;
  /** Asked before gates are, with what they are about to judge: gives the steps of which what they judge by is fresh; the others wait for a
   * later review. May fetch it; must not reject. Default: all. */
  readonly evidence?:
    | ((
        waiting: readonly WaitingStep[],
      ) => readonly WaitingStep[] | Promise<readonly WaitingStep[]>)
    | undefined;
  /** How long it has been, in ms, since this process's flags were last confirmed to be the newest; undefined where they never were. What
   * another process's flags put back, older ones don't turn forward again, and what another process moved forward, older ones don't put
   * back. Default: they always are the newest. */
  readonly flagsAgeMs?: (() => number | undefined) | undefined;
  /** How often the store is read for what other processes did, and steps are judged, in ms. A dataset stays at
   * least this long on each stage on its way forward. Between them the store is only read, see
   * `LedgerStore.readIntervalMs`. Default: 1,000. */
  readonly reviewIntervalMs?: number | undefined;
}

/** Who changes something, and why. */
export interface Author {
  readonly who: string;
  readonly reason: string;
}

/** A dataset that stays back until a person resumes it. */
export interface LedgerHold {
  readonly backend: string;
  readonly target: Target;
  readonly stage: Stage;
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}
