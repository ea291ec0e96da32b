import { earlierStage } from '@changeover/core';
import { noDataset } from '../flags/flag-layer.ts';
import type {
  FlagStatus,
  StageContext,
  StageDecision,
  StageSource,
} from '../flags/stage-source.ts';
import type { Ledger } from './ledger.ts';

/** A dataset's own stage is asked for under this operation, which no limit and no constraint names. */
const anyOperation = '*';

/**
 * Lets the ledger decide over what the flags ask. Closing it closes the flags; the ledger is its maker's.
 *
 * A dataset has one stage in the ledger. What a flag says of single operations only ever holds them back from it.
 */
export function withLedger(source: StageSource, ledger: Ledger): StageSource {
  const forget = source.subscribe(() => {
    ledger.forgetWishes();
  });
  return {
    decide(context: StageContext): StageDecision {
      const asked = source.decide(context);
      const dataset = context.dataset === '' ? noDataset : context.dataset;
      const whole = source.decide({ ...context, operation: anyOperation });
      // Without flag data nobody asked for anything: the call goes to legacy, and the ledger stays as it is.
      const state =
        whole.revision === ''
          ? ledger.state(context.backend, dataset)
          : ledger.ask(context.backend, dataset, whole.stage, whole.revision);
      const stage = earlierStage(asked.stage, state.stage);
      if (stage === asked.stage) return asked;
      const why = state.why === '' ? 'the next review decides' : state.why;
      return Object.freeze({
        ...asked,
        stage,
        reason: `the ledger ${state.held ? 'holds' : 'has'} it at ${stage} (${why}); ${asked.reason}`,
      });
    },
    subscribe(listener: () => void): () => void {
      const ends = [source.subscribe(listener), ledger.subscribe(listener)];
      return () => {
        for (const end of ends) end();
      };
    },
    status: (): FlagStatus => source.status(),
    close(): Promise<void> {
      forget();
      return source.close();
    },
  };
}
