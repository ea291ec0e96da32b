export {
  defaultGates,
  figureNames,
  type Consequence,
  type FigureName,
  type GateDefinition,
  type GateScope,
} from './default-gates.ts';
export { GateFileError, parseGates, readGateFile } from './gate-file.ts';
export type { JsonReport, JsonStageLine } from './json-report.ts';
export { renderReport } from './render-report.ts';
export { reportFormats, type DataCheck, type Report, type ReportFormat } from './report.ts';
export {
  decideVerdict,
  decisions,
  type Decision,
  type EngineVerdict,
  type GateOutcome,
  type ReportVerdict,
} from './verdict.ts';
