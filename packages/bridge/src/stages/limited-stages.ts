import type { FlagStatus, StageContext, StageDecision, StageSource } from './flags/stage-source.ts';
import { limitDecision, type StageLimit } from './resolve-stage.ts';

/** Somebody who may hold keys back, whatever the flags ask. */
export interface StageLimiter {
  /** On a caller's path: no I/O, never throws.
   *
   * @param asked what the flags ask for that call. */
  limits(context: StageContext, asked: StageDecision): readonly StageLimit[];
  /** Calls `listener` after limits may have changed. Returns the function that ends the subscription. */
  subscribe(listener: () => void): () => void;
  /** Ends what the limiter itself holds of others. Idempotent. */
  close?(): void;
}

/** Flags under limits: of all that have a say the earliest stage wins. Closing it closes the flags. */
export function limitStages(flags: StageSource, limiters: readonly StageLimiter[]): StageSource {
  return {
    decide(context: StageContext): StageDecision {
      const asked = flags.decide(context);
      return limitDecision(
        asked,
        limiters.flatMap((limiter) => limiter.limits(context, asked)),
      );
    },
    subscribe(listener: () => void): () => void {
      const ends = [flags, ...limiters].map((one) => one.subscribe(listener));
      return () => {
        for (const end of ends) end();
      };
    },
    status: (): FlagStatus => flags.status(),
    close(): Promise<void> {
      for (const limiter of limiters) limiter.close?.();
      return flags.close();
    },
  };
}
