import type { Recorder } from '../recorder/recorder.ts';
import type { ReportData } from '../recorder/report-data.ts';

const kind = 'ledger';

/** Notes on the timeline whether a program lets the ledger decide over steps forward, for whoever reads the recordings. */
export function recordWhoDecides(recorder: Recorder, ledgerDecides: boolean): void {
  recorder.event(kind, { decides: ledgerDecides });
}

/** Whether flags move keys by themselves, at once and past no gate: the program that was started last says so. */
export function flagsDecideAlone({ timeline }: Pick<ReportData, 'timeline'>): boolean {
  return timeline.findLast((event) => event.kind === kind)?.fields['decides'] === false;
}

/** What people are told where it is so. */
export const flagsDecideAloneText =
  'Flags move keys by themselves here, at once and past no gate: a program has the option `ledger: false`.';
