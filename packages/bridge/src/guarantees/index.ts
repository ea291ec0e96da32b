export type {
  Admission,
  AdmissionState,
  CallTraits,
  ExclusionLevel,
  OrderLevel,
  ReleasedCall,
} from './admission.ts';
export {
  askForComparison,
  beginCallersAtRequests,
  callForComparison,
  type CallContext,
  type Caller,
  caller,
  callerTrace,
  currentCaller,
  currentContext,
  isForComparison,
  isInTransaction,
  processRoot,
  runInTransaction,
} from './caller.ts';
export { DeadlockError } from './errors.ts';
export { GuaranteeRegistry, type GuaranteeRegistryOptions } from './guarantee-registry.ts';
export { type KeyGate, SerialLeg } from './key-gate.ts';
export { callSiteNow, callSites, type CallSiteOptions } from './call-site.ts';
export type { CaptureSite, OnReliance, Reliance, RelianceCount, RelianceKind } from './reliance.ts';
