import { callTarget, type StageSource } from '../flags/stage-source.ts';
import type { StageLimiter } from '../limited-stages.ts';
import type { Ledger } from './ledger.ts';

/** A key's own stage is asked for under this operation, which no limit and no constraint names. */
export const anyOperation = '*';

/** Lets the ledger hold keys back, whoever held them: a guardrail, or a person in another process. Forward the flags
 * decide alone. The ledger is its maker's. */
export function ledgerHolds(ledger: Ledger): StageLimiter {
  return {
    limits: ({ backend, dataset }) => ledger.holdsOn(backend, callTarget(dataset)),
    subscribe: (listener) => ledger.subscribe(listener),
  };
}

/**
 * Lets the ledger decide over steps forward as well. The ledger is its maker's.
 *
 * A key has one stage in the ledger. What a flag says of single operations only ever holds them back from it.
 */
export function ledgerSteps(ledger: Ledger, flags: StageSource): StageLimiter {
  const forget = flags.subscribe(() => {
    ledger.forgetWishes();
  });
  return {
    limits(context) {
      const target = callTarget(context.dataset);
      const whole = flags.decide({ ...context, operation: anyOperation });
      // Without flag data nobody asked for anything: the call goes to legacy, and the ledger stays as it is.
      if (whole.revision !== '') ledger.ask(context.backend, target, whole.stage, whole.revision);
      return ledger.limitsOn(context.backend, target);
    },
    subscribe: (listener) => ledger.subscribe(listener),
    close: forget,
  };
}
