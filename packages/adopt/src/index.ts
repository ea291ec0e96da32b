export { adopt, type Adoption, type AdoptOptions } from './adopt.ts';
export type { CallSite, CallSites } from './call-sites.ts';
export type { Seam } from './find-singleton.ts';
export type { Operation } from './infer-kind.ts';
export { type AdoptStreams, runAdopt } from './command/run-adopt.ts';
