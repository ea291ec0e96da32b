export type { JsonReport, JsonStageLine } from './json-report.ts';
export { renderReport } from './render-report.ts';
export { reportVerdict } from './report-verdict.ts';
export { reportFormats, type Report, type ReportFormat } from './report.ts';
