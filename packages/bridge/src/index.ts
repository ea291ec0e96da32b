export * from './bridge-services.ts';
export * from './bridge-settings.ts';
export { BackendRouter, type BackendRouterOptions } from './call/backend-router.ts';
export * from './stages/flags/file-stage-source.ts';
export {
  checkFlags,
  type FlagProblem,
  killSwitchFlag,
  stageFlag,
} from './stages/flags/flags-document.ts';
export * from './stages/flags/server-stage-source.ts';
export * from './stages/flags/stage-source.ts';
export * from './stages/flags/static-stage-source.ts';
export { type Breach, Guardrail, type GuardrailKind, type Hold } from './stages/guardrail.ts';
export * from './stages/guardrail-options.ts';
export * from './stages/guardrail-watch.ts';
export * from './stages/ledger/ledger.ts';
export * from './stages/ledger/ledger-options.ts';
export * from './stages/ledger/ledger-store.ts';
export * from './stages/ledger/shared-ledger-store.ts';
export { resumptions } from './stages/ledger/resumptions.ts';
export * from './stages/ledger/file-ledger-store.ts';
export * from './stages/ledger/acceptances.ts';
export * from './stages/ledger/ledger-limits.ts';
export * from './stages/limited-stages.ts';
export * from './stages/resolve-stage.ts';
export * from './stages/step-forward.ts';
export { flagsDecideAlone, flagsDecideAloneText } from './stages/who-decides.ts';
export * from './log.ts';
export { makeFolder } from './make-folder.ts';
export type { Counted } from './recorder/cell-book.ts';
export { Cell, type Verdict, verdicts } from './recorder/cell.ts';
export * from './recorder/open-recorder.ts';
export { type Followers, readFollowers } from './recorder/read-followers.ts';
export { inOneGo, inTurns, partsAtOnce, type Steps } from './steps.ts';
export {
  readNames,
  readRecordings,
  readSharedCounts,
  readSharedRecordings,
  recordingsInSteps,
} from './recorder/read-recordings.ts';
export { Fleet, type FleetOptions } from './fleet/fleet.ts';
export { HourBook } from './recorder/hour-book.ts';
export { type SliceLatency, type TimeSlice, type TimeSlices } from './recorder/report-data.ts';
export * from './recorder/recorder.ts';
export { acceptableGuarantees } from './stages/gates/judge-reliance.ts';
export { relianceSentence, type RelianceText, relianceTexts, sitesText } from './reliance-text.ts';
export {
  calledText,
  type RelianceEvidence,
  type RelianceSeen,
  type RelianceSite,
  type ReliedGuarantee,
  type SessionReliance,
} from './recorder/reliance-book.ts';
export * from './recorder/report-data.ts';
export { findSample, sampleNamed, storedCall, writeIsNotMade } from './recorder/find-sample.ts';
export type { RepeatableCall } from './shadow/recent-calls.ts';
export type {
  ReproducedAnswer,
  ReproducedPlace,
  Reproduction,
} from './recorder/reproduced-call.ts';
export type { ReproduceOptions } from './shadow/reproduction.ts';
export { type SampledCall, type SampleValues } from './recorder/sampled-call.ts';
export type { RuleUseCount, RuleUseSource } from './recorder/rule-uses.ts';
export type { ShapeEvidence } from './recorder/shape-evidence.ts';
export { ShapeCounts, type ShapeKey } from './recorder/cell.ts';
export * from './recorder/shed-reason.ts';
export { type Route, routes } from './call/route.ts';
export type { ShadowQueueOptions } from './shadow/queue-limits.ts';
export * from './metrics/migration-instruments.ts';
export * from './metrics/observe-migration.ts';
export * from './plain-text.ts';
export * from './recorder/pool-figures.ts';
export * from './stages/flags/fetch-text.ts';
export * from './stages/flags/open-stage-source.ts';
export { readFlagsText } from './stages/flags/read-flags-text.ts';
export * from './stages/flags/open-unleash-admin.ts';
export * from './stages/flags/unleash-admin.ts';
export * from './stages/gates/default-gates.ts';
export * from './stages/gates/figures.ts';
export * from './stages/gates/gate-file.ts';
export { isBefore } from './stages/ledger/is-before.ts';
export {
  askGate,
  type Decision,
  decideBy,
  evaluateGate,
  type FigureSource,
  type Gate,
  gateCondition,
  type GateOperator,
  type GateOutcome,
  type GatePlace,
  gatePlace,
  type GateResult,
  gateValue,
  parseGate,
} from './stages/gates/gate-outcome.ts';
export * from './stages/gates/judged-data.ts';
export * from './stages/gates/promotion-gate.ts';
export * from './stages/gates/verdict.ts';
export * from './stages/guardrail-wiring.ts';
export * from './stages/ledger/open-ledger-store.ts';
export * from './stages/flags/open-feature-stage-source.ts';
export { askFleet } from './fleet/ask-fleet.ts';
export { askPrograms, type AskedPrograms } from './recorder/ask-programs.ts';
export { isBusy, tryStoreFile } from './recorder/store-file.ts';
export {
  type Bridge,
  bridgeOf,
  type BridgeOptions,
  createBridge,
  endBridge,
  standsFor,
} from './create-bridge.ts';
export { checkedKey } from './call/definitions.ts';
export { type LegAbilities, withAbilities } from './call/leg-abilities.ts';
export * from './call/operations.ts';
export {
  type Caller,
  caller,
  currentCaller,
  DeadlockError,
  type ExclusionLevel,
  GuaranteeRegistry,
  type GuaranteeRegistryOptions,
  isInTransaction,
  type OrderLevel,
  SerialLeg,
} from './guarantees/index.ts';
export { InvalidKeyError, WiringError } from './call/members.ts';
export { onlyPlain } from './call/definitions.ts';
