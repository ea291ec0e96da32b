import type { Attributes, Instrument, InstrumentSink, Reading } from '@changeover/core';
import { type Counted } from '../recorder/cell-book.ts';
import { type Ledger } from '../stages/ledger/ledger.ts';
import { type Recorder } from '../recorder/recorder.ts';
import { shedReasons } from '../recorder/shed-reason.ts';
import { type StageSource } from '../stages/flags/stage-source.ts';
import { verdicts } from '../recorder/cell.ts';
import { migrationInstruments } from './migration-instruments.ts';

/** What is read. */
export interface MigrationParts {
  readonly recorder: Pick<Recorder, 'counted'>;
  readonly stages: Pick<StageSource, 'status'>;
  readonly ledger: Pick<Ledger, 'holds'>;
}

const {
  calls,
  callFailures,
  fallbacks,
  legCalls,
  legTime,
  comparisons,
  shedComparisons,
  flagStaleness,
  flagsStale,
  holds,
} = migrationInstruments;

/** Reads the migration's figures whenever the sink collects, until the result is called. Costs callers nothing. */
export function observeMigration(sink: InstrumentSink, parts: MigrationParts): () => void {
  return sink.observe(Object.values(migrationInstruments), (instrument) => {
    switch (instrument) {
      case flagStaleness:
      case flagsStale:
        return readFlags(instrument, parts.stages);
      case holds:
        return readHolds(parts);
      default:
        return parts.recorder.counted().flatMap((counted) => readCounts(instrument, counted));
    }
  });
}

function readCounts(
  instrument: Instrument,
  { backend, operation, stage, counts, legacy, pooled }: Counted,
): Reading[] {
  const of = (value: number, more: Attributes = {}): Reading => ({
    value,
    attributes: {
      'db.system.name': backend,
      'db.operation.name': operation,
      'changeover.stage': stage,
      ...more,
    },
  });
  const ofLeg = (leg: string, value: number): Reading[] =>
    value === 0 ? [] : [of(value, { 'changeover.leg': leg })];
  switch (instrument) {
    case calls:
      return [of(counts.calls)];
    case callFailures:
      return [of(counts.failed)];
    case fallbacks:
      return [of(counts.fallbacks)];
    case legCalls:
      return [...ofLeg('legacy', legacy.calls), ...ofLeg('pooled', pooled.calls)];
    case legTime:
      return [...ofLeg('legacy', legacy.ms / 1_000), ...ofLeg('pooled', pooled.ms / 1_000)];
    case comparisons:
      // All of them from the first on: a series that begins with its first mismatch has no increase to be seen.
      return counts.sampled === 0
        ? []
        : verdicts.map((verdict) => of(counts[verdict], { 'changeover.verdict': verdict }));
    case shedComparisons:
      return shedReasons
        .filter((reason) => counts.shed[reason] > 0)
        .map((reason) => of(counts.shed[reason], { 'changeover.reason': reason }));
    default:
      return [];
  }
}

function readFlags(instrument: Instrument, stages: MigrationParts['stages']): Reading[] {
  const { source, stale, stalenessMs } = stages.status();
  const attributes = { 'changeover.flags.source': source };
  if (instrument === flagsStale) return [{ value: stale ? 1 : 0, attributes }];
  return stalenessMs === undefined ? [] : [{ value: stalenessMs / 1_000, attributes }];
}

/** Backends without a hold are told as 0: a series that begins with its first hold has no increase to be seen. */
function readHolds({ ledger, recorder }: Pick<MigrationParts, 'ledger' | 'recorder'>): Reading[] {
  const held = ledger.holds;
  const backends = new Set([...recorder.counted(), ...held].map(({ backend }) => backend));
  return [...backends].sort().map((backend) => ({
    value: held.filter((one) => one.backend === backend).length,
    attributes: { 'db.system.name': backend },
  }));
}
