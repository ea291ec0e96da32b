import {
  GateJudge,
  partsAtOnce,
  type ProcessPools,
  type ReportVerdict,
  type Steps,
  type TimeSlices,
} from '@changeover/bridge';
import type { Migration } from '../command/migration.ts';
import { readableGates } from '../command/usable-gates.ts';
import { KeyFinder, keyLinesInSteps } from '../report/key-figures.ts';
import { type KeyLine } from '../report/key-line.ts';

/** What the pages are made of. */
export interface ConsoleFigures {
  readonly migration: Migration;
  readonly pools: readonly ProcessPools[];
  /** Without buttons where nothing may be changed. */
  readonly readOnly: boolean;
  /** Minutes as this console saw them pass. */
  readonly minutes: TimeSlices;
}

/** The same with what is worked out of them, once for all pages that are open. */
export interface WorkedFigures extends ConsoleFigures {
  /** Undefined where nothing was recorded, or the gates can't be used. */
  readonly verdict: ReportVerdict | undefined;
  /** Why the gates can't be used. */
  readonly gatesProblem: string | undefined;
  /** Problems first. */
  readonly lines: readonly KeyLine[];
  readonly finder: KeyFinder;
}

/** Works out what the pages show, in steps: there may be thousands of keys, and pages to be answered meanwhile. */
export function* workedInSteps(figures: ConsoleFigures): Steps<WorkedFigures> {
  const { migration } = figures;
  const gates = readableGates(migration.place);
  const isUsable = typeof gates !== 'string';
  const judged = isUsable
    ? yield* (yield* GateJudge.inSteps(migration.judged())).verdictInSteps()
    : noVerdict;
  const report = migration.report();
  const lines = (yield* keyLinesInSteps(report, judged)).filter(({ key }) => key !== '');
  yield partsAtOnce;
  return {
    ...figures,
    verdict: migration.recordings === undefined || !isUsable ? undefined : judged,
    gatesProblem: isUsable ? undefined : gates,
    // What concerns no key has no page and no buttons.
    lines,
    finder: new KeyFinder(report, judged),
  };
}

const noVerdict: ReportVerdict = {
  decision: 'INCONCLUSIVE',
  reason: 'The gates can not be used.',
  backends: [],
  keys: [],
  gates: [],
};
