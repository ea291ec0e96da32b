import { gateCondition, gatePlace, gateValue } from '@changeover/bridge';
import { markup, type Markup } from './markup.ts';
import { isoTime, shapeText } from '@changeover/bridge';
import { type Report, titleOf } from './report.ts';
import type { GateOutcome, ReportVerdict } from '@changeover/bridge';

/**
 * One test case a gate, a suite a backend. A gate that can't be told fails as well, by another type, so that a build never
 * passes for want of observations.
 */
export function junitReport(report: Report, verdict: ReportVerdict): string {
  const { gates, decision, reason } = verdict;
  const backends = [...new Set(gates.map(({ backend }) => backend))];
  const timestamp = isoTime(report.data.generatedAt)?.slice(0, 19) ?? '';
  const suites = backends.map((backend) =>
    suite(
      backend,
      gates.filter((gate) => gate.backend === backend),
      timestamp,
    ),
  );
  // Without a gate there is nothing that could pass.
  const none =
    gates.length > 0
      ? []
      : markup`  <testsuite name="${titleOf(report)}" tests="1" failures="1" errors="0" skipped="0" timestamp="${
          timestamp
        }">\n    <testcase name="gates" classname="changeover"><failure type="inconclusive" message="${
          reason
        }"/></testcase>\n  </testsuite>\n`;
  const problems = report.problems ?? [];
  const failures = Math.max(Number(gates.length === 0), openGates(gates)) + problems.length;
  return markup`<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="${titleOf(report)}: ${decision}" tests="${Math.max(1, gates.length) + problems.length}" failures="${failures}" errors="0">
${suites}${none}${problems.length > 0 && problemSuite(problems, timestamp)}</testsuites>
`.text;
}

/** Checks that no gate is and that did not hold. */
function problemSuite(problems: readonly string[], timestamp: string): Markup {
  return markup`  <testsuite name="checks" tests="${problems.length}" failures="${problems.length}" errors="0" skipped="0" timestamp="${timestamp}">\n${problems.map(
    (problem, at) =>
      markup`    <testcase name="check ${at + 1}" classname="changeover"><failure type="fail" message="${problem}"/></testcase>\n`,
  )}  </testsuite>\n`;
}

function openGates(gates: readonly GateOutcome[]): number {
  return gates.filter(({ outcome }) => outcome !== 'pass').length;
}

function suite(backend: string, gates: readonly GateOutcome[], timestamp: string): Markup {
  return markup`  <testsuite name="${backend}" tests="${gates.length}" failures="${openGates(gates)}" errors="0" skipped="0" timestamp="${
    timestamp
  }">\n${gates.map(testCase)}  </testsuite>\n`;
}

function testCase(gate: GateOutcome): Markup {
  const { key, operation, shape = '', stage } = gate;
  const where = [
    ...(key === undefined ? [] : [key]),
    ...(stage === undefined ? [] : [stage]),
    ...(operation === undefined ? [] : [shapeText({ operation, shape })]),
  ].join(' ');
  const name = where === '' ? gate.expression : `${where}: ${gate.expression}`;
  const open = markup`    <testcase name="${name}" classname="changeover.${gate.backend}"`;
  if (gate.outcome === 'pass') return markup`${open}/>\n`;
  const details = `${gate.title} (${gatePlace(gate)}): ${gateValue(gate)}, expected ${gateCondition(gate)}, n = ${gate.n}`;
  return markup`${open}><failure type="${gate.outcome}" message="${gate.reason ?? gate.title}">${details}</failure></testcase>\n`;
}
