export type {
  Admission,
  AdmissionState,
  CallTraits,
  ExclusionLevel,
  OrderLevel,
} from './admission.ts';
export {
  beginCallersAtRequests,
  type CallContext,
  type Caller,
  caller,
  currentCaller,
  currentContext,
  processRoot,
  runInTransaction,
} from './caller.ts';
export { DeadlockError } from './errors.ts';
export {
  GuaranteeRegistry,
  type GuaranteeRegistryOptions,
  type KeyGateOptions,
  SerialLeg,
} from './guarantee-registry.ts';
export type { KeyGate, ReleasedCall } from './key-gate.ts';
export type { CaptureSite, Reliance, RelianceCount, RelianceKind } from './reliance.ts';
