import { writeFileSync } from 'node:fs';
import { realDatasets } from './datasets.ts';
import { enoughCompared } from './stage-gate.ts';

/**
 * Writes what this job decides by: a minute's run can't have the comparisons that the default gates ask for before a migration goes on.
 * The command, the console and the report read the same file, so that all of them say what the job itself says.
 */
export function writeGates(path: string): void {
  const compared = {
    expression: `comparisons >= ${String(enoughCompared * realDatasets.length)}`,
    title: `Some ${String(enoughCompared)} comparisons a dataset where both legs ran`,
    ifMissed: 'inconclusive',
  };
  const gates = {
    shape: [
      {
        expression: 'comparisons >= 0',
        title: 'Shapes of calls are not waited for: this job is a minute long',
      },
      { expression: 'mismatch == 0', title: 'No confirmed mismatch', ifMissed: 'by-stage' },
    ],
    key: [
      {
        expression: 'data-checks == 0',
        title: 'Every table checked is as expected',
        ifMissed: 'roll-back',
      },
    ],
    shadow: [compared],
    reverse: [compared],
    backend: [{ expression: 'failed == 0', title: 'No call failed', ifMissed: 'hold' }],
  };
  writeFileSync(path, `${JSON.stringify({ gates }, null, 2)}\n`);
}
