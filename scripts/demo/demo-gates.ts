import { decideVerdict, type GateDefinition, type ReportData } from '@changeover/bridge';
import { type Engine, engines } from 'changeover';

/** What an engine must have shown at a stage before the next one. A rollout of days asks each dataset; a job of a minute, on a
 * machine that may be busy, asks that its comparisons work at all. */
const demoGates: readonly GateDefinition[] = [
  {
    scope: 'comparing-stage',
    expression: 'comparisons >= 5',
    ifMissed: 'inconclusive',
    title: 'The engine was compared',
  },
];

/** What can't be told yet of an engine at the stage that its datasets have come to, for people. */
export function untold(data: ReportData): readonly { engine: Engine; reason: string }[] {
  const { gates } = decideVerdict({ data, gates: demoGates });
  return engines.flatMap((engine) => {
    const open = gates.find(
      ({ backend, key, outcome }) =>
        backend === engine && key === undefined && outcome === 'inconclusive',
    );
    return open === undefined
      ? []
      : [{ engine, reason: `on ${engine}, ${open.reason ?? open.title}` }];
  });
}
