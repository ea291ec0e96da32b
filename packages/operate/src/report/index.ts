export {
  defaultGates,
  figureNames,
  type Consequence,
  type FigureName,
  type GateDefinition,
  type GateScope,
} from '@changeover/bridge';
export { GateFileError, parseGates, readGateFile } from '@changeover/bridge';
export type { JsonReport, JsonStageLine } from './json-report.ts';
export { renderReport } from './render-report.ts';
export { reportVerdict } from './report-verdict.ts';
export { reportFormats, type Report, type ReportFormat } from './report.ts';
export {
  decideVerdict,
  decisions,
  type Decision,
  type BackendVerdict,
  type GateOutcome,
  type ReportVerdict,
} from '@changeover/bridge';
