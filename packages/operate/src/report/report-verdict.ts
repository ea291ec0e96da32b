import {
  type BackendVerdict,
  counted,
  decideVerdict,
  type ReportVerdict,
} from '@changeover/bridge';
import type { Report } from './report.ts';

/**
 * What a report opens with, in every format: the gates' verdict, which checks of the report's own can only make worse.
 *
 * @throws {SyntaxError | RangeError} for gates of the report's own that are none.
 */
export function reportVerdict(report: Report): ReportVerdict {
  const verdict = decideVerdict(report);
  const [first, ...others] = report.problems ?? [];
  if (first === undefined || verdict.decision === 'HOLD' || verdict.decision === 'ROLL BACK')
    return verdict;
  const more =
    others.length === 0 ? '' : `, and ${counted(others.length, 'more check', 'more checks')}`;
  return { ...verdict, decision: 'HOLD', reason: `A check did not hold: ${first}${more}.` };
}

/** The backends that a step is asked about: none whose keys are all at `legacy`, unless there is no other. */
export function askedBackends({ backends, keys }: ReportVerdict): readonly BackendVerdict[] {
  const asked = backends.filter(({ backend }) => keys.some((one) => one.backend === backend));
  return asked.length === 0 ? backends : asked;
}
