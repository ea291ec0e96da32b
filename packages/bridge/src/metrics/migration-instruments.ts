import type { Instrument } from '@changeover/core';

const engine = 'db.system.name';
const operation = 'db.operation.name';
const stage = 'changeover.stage';

/** What a migration tells of itself; what its pools tell is in `poolInstruments`. */
export const migrationInstruments: Readonly<
  Record<
    | 'calls'
    | 'callFailures'
    | 'fallbacks'
    | 'legCalls'
    | 'legTime'
    | 'comparisons'
    | 'shedComparisons'
    | 'flagStaleness'
    | 'flagsStale'
    | 'holds',
    Instrument
  >
> = {
  calls: {
    name: 'changeover.calls',
    kind: 'total',
    unit: '{call}',
    attributes: [engine, operation, stage],
    description: 'Calls that callers made',
  },
  callFailures: {
    name: 'changeover.call_failures',
    kind: 'total',
    unit: '{call}',
    attributes: [engine, operation, stage],
    description: 'Calls that callers saw fail',
  },
  fallbacks: {
    name: 'changeover.fallbacks',
    kind: 'total',
    unit: '{call}',
    attributes: [engine, operation, stage],
    description: 'Reads that the legacy leg answered because the pooled leg had no connection',
  },
  legCalls: {
    name: 'changeover.leg.calls',
    kind: 'total',
    unit: '{call}',
    attributes: [engine, operation, stage, 'changeover.leg'],
    description: 'Calls of each leg that were timed, answering or as shadow',
  },
  legTime: {
    name: 'changeover.leg.time',
    kind: 'total',
    unit: 's',
    attributes: [engine, operation, stage, 'changeover.leg'],
    description: 'Time that these calls took, together',
  },
  comparisons: {
    name: 'changeover.comparisons',
    kind: 'total',
    unit: '{comparison}',
    attributes: [engine, operation, stage, 'changeover.verdict'],
    description: 'Comparisons of the two legs that came to a verdict',
  },
  shedComparisons: {
    name: 'changeover.comparisons.shed',
    kind: 'total',
    unit: '{comparison}',
    attributes: [engine, operation, stage, 'changeover.reason'],
    description: 'Comparisons that were due and not made',
  },
  flagStaleness: {
    name: 'changeover.flags.staleness',
    kind: 'gauge',
    unit: 's',
    attributes: ['changeover.flags.source'],
    description: 'Time since the flags were last known to be the newest',
  },
  flagsStale: {
    name: 'changeover.flags.stale',
    kind: 'gauge',
    unit: '{process}',
    attributes: ['changeover.flags.source'],
    description:
      '1 where the flags are older than they should be or the newest can not be used, else 0',
  },
  holds: {
    name: 'changeover.holds',
    kind: 'gauge',
    unit: '{hold}',
    attributes: [engine],
    description: 'Datasets and engines that are held back until a person resumes them',
  },
};
