import { earlierStage } from '@changeover/core';
import { noDataset } from '../flags/flag-layer.ts';
import type {
  FlagStatus,
  StageContext,
  StageDecision,
  StageSource,
} from '../flags/stage-source.ts';
import type { Ledger } from './ledger.ts';

/**
 * Lets the ledger hold datasets back, whoever held them: a guardrail, or a person in another process. Forward the
 * flags decide alone; `withLedger` is for a ledger that decides over that too. Closing it closes the flags; the ledger
 * is its maker's.
 */
export function withHolds(source: StageSource, ledger: Ledger): StageSource {
  return {
    decide(context: StageContext): StageDecision {
      const asked = source.decide(context);
      const { held, stage, why } = ledger.state(
        context.backend,
        context.dataset === '' ? noDataset : context.dataset,
      );
      if (!held || earlierStage(asked.stage, stage) === asked.stage) return asked;
      return Object.freeze({
        ...asked,
        stage,
        reason: `held at ${stage}: ${why} (the flag asks for ${asked.stage})`,
      });
    },
    subscribe(listener: () => void): () => void {
      const ends = [source.subscribe(listener), ledger.subscribe(listener)];
      return () => {
        for (const end of ends) end();
      };
    },
    status: (): FlagStatus => source.status(),
    close: () => source.close(),
  };
}
