import {
  GateJudge,
  partsAtOnce,
  type ProcessPools,
  type ReportVerdict,
  type Steps,
  type TimeSlices,
} from '@changeover/bridge';
import type { Stage } from '@changeover/core';
import type { Migration } from '../command/migration.ts';
import { readableGates } from '../command/usable-gates.ts';
import { KeyFinder, keyLinesInSteps } from '../report/key-figures.ts';
import { type KeyLine } from '../report/key-line.ts';

/** What the pages are made of. */
export interface ConsoleFigures {
  readonly migration: Migration;
  readonly pools: readonly ProcessPools[];
  /** What was read: of counts alone nothing is judged. */
  readonly reading: 'all' | 'counts';
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
  /** How many keys stand on each stage, by backend. */
  readonly keysOn: ReadonlyMap<string, ReadonlyMap<Stage, number>>;
}

/** Keys whose stage is looked up in the time of one part of a step. */
const keysAPart = 5;

/** Works out what the pages show, in steps: there may be thousands of keys, and pages to be answered meanwhile. */
export function* workedInSteps(figures: ConsoleFigures): Steps<WorkedFigures> {
  const { migration, reading } = figures;
  const gates = readableGates(migration.place);
  const isUsable = typeof gates !== 'string';
  const isJudged = isUsable && reading === 'all';
  const judged = isJudged
    ? yield* (yield* GateJudge.inSteps(migration.judged())).verdictInSteps()
    : noVerdict;
  const report = migration.report();
  const lines = (yield* keyLinesInSteps(report, judged)).filter(({ key }) => key !== '');
  yield partsAtOnce;
  const keysOn = yield* countKeys(migration);
  const finder = yield* KeyFinder.inSteps(report, judged);
  return {
    ...figures,
    keysOn,
    verdict: migration.recordings === undefined || !isJudged ? undefined : judged,
    gatesProblem: isUsable ? undefined : gates,
    // What concerns no key has no page and no buttons.
    lines,
    finder,
  };
}

function* countKeys(migration: Migration): Steps<WorkedFigures['keysOn']> {
  const keysOn = new Map<string, Map<Stage, number>>();
  for (const backend of migration.backends) {
    const counts = new Map<Stage, number>();
    keysOn.set(backend, counts);
    for (const key of migration.keys(backend)) {
      const { stage } = migration.keyStatus(backend, key);
      counts.set(stage, (counts.get(stage) ?? 0) + 1);
      yield 1 / keysAPart;
    }
  }
  return keysOn;
}

const noVerdict: ReportVerdict = {
  decision: 'INCONCLUSIVE',
  reason: 'The gates can not be used.',
  backends: [],
  keys: [],
  gates: [],
};
