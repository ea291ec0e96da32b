import { markup, moment, rawMarkup, sectionMarkup } from '../markup.ts';
import { type Report, titleOf } from '../report.ts';
import type { ReportVerdict } from '@changeover/bridge';
import { coverageSection } from './coverage-section.ts';
import { dataChecksSection, provenanceSection, rulesSection } from './evidence-sections.ts';
import { heatMapSection } from './heat-map-section.ts';
import { keysScriptHash } from './keys-script.ts';
import { keysSection } from './keys-section.ts';
import { latencySection } from './latency-section.ts';
import { pageStyle } from './page-style.ts';
import { relianceSection } from './reliance-section.ts';
import { mismatchSection, otherVerdictsSection } from './samples-section.ts';
import {
  backendVerdicts,
  gatesSection,
  overviewSection,
  problemList,
  stagesSection,
  verdictBanner,
} from './summary-sections.ts';
import { timeSection } from './time-section.ts';
import { timelineSection } from './timeline-section.ts';

/** No request, and no script but its own: the page is what it is, wherever it is opened. */
const policy = (): string =>
  `default-src 'none'; script-src '${keysScriptHash()}'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'`;

/** One page that needs nothing but itself. */
export function htmlReport(report: Report, verdict: ReportVerdict): string {
  const sections = [
    keysSection(report, verdict),
    overviewSection(report),
    gatesSection(report, verdict),
    stagesSection(report),
    coverageSection(report),
    heatMapSection(report),
    mismatchSection(report),
    otherVerdictsSection(report),
    relianceSection(report),
    rulesSection(report),
    timeSection(report),
    latencySection(report),
    timelineSection(report),
    dataChecksSection(report),
    provenanceSection(report),
  ];
  const title = titleOf(report);
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${rawMarkup(policy())}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${verdict.decision}: ${title}</title>
<style>${rawMarkup(pageStyle)}</style>
</head>
<body>
<header class="top"><h1>${title}</h1>
${verdictBanner(verdict)}
${problemList(report)}
${backendVerdicts(verdict)}
<nav aria-label="Sections"><ul>${sections.map(({ id, title: heading }) => markup`<li><a href="#${id}">${heading}</a></li>`)}</ul></nav>
</header>
<main>
${sections.map(sectionMarkup)}</main>
<footer>Made ${moment(report.data.generatedAt)} by Changeover. Nothing here is fetched from anywhere.</footer>
</body>
</html>
`.text;
}
