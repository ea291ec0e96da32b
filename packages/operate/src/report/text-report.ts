import { coverageOf } from './coverage.ts';
import { gateCondition, gatePlace, gateValue } from '@changeover/bridge';
import {
  counted,
  countText,
  visibleText,
  leftOutText,
  shareText,
  tablesHeldText,
  timeText,
} from '@changeover/bridge';
import { type Report, titleOf } from './report.ts';
import { askedBackends } from './report-verdict.ts';
import { failedLines } from './failed-calls.ts';
import { relianceLines } from './reliance-lines.ts';
import { ruleOutcome, ruleText } from './rule-text.ts';
import { sinceLines } from './since-text.ts';
import { pairedLines, stageColumns, stageLines } from './stage-lines.ts';
import { textTable } from './text-table.ts';
import { sampleFacts } from './sample-cells.ts';
import type { ReportVerdict, SampleGroup } from '@changeover/bridge';

const mostGroups = 20;
const mostGates = 60;

/**
 * For a terminal: no colour and no control character, so that it can be kept in a file as well.
 *
 * @param width terminal columns that tables may take. Default: as many as they need.
 */
export function textReport(report: Report, verdict: ReportVerdict, width?: number): string {
  const blocks = [
    [
      `${visibleText(titleOf(report))}, ${timeText(report.data.generatedAt)}`,
      '',
      `${verdict.decision}: ${visibleText(verdict.reason)}`,
      ...(report.problems ?? []).map((problem) => `  ✗ ${visibleText(problem)}`),
      ...askedBackends(verdict).map(
        ({ backend, decision, reason }) =>
          `  ${visibleText(backend)}: ${decision}. ${visibleText(reason)}`,
      ),
    ],
    stageBlock(report, width),
    [...gateBlock(verdict, width), ...sinceBlock(report)],
    coverageBlock(report, width),
    mismatchBlock(report),
    unexplainedBlock(report),
    errorBlock(report),
    relianceBlock(report),
    ruleBlock(report, width),
    dataBlock(report, width),
    report.data.notes.length === 0
      ? []
      : ['What is missing', ...report.data.notes.map((note) => `  ${visibleText(note)}`)],
  ];
  return `${blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function stageBlock({ data }: Report, width?: number): string[] {
  const lines = stageLines(data);
  if (lines.length === 0) return ['There were no calls.'];
  return [
    ...textTable(
      stageColumns.map(({ title, spare }, at) => ({
        title,
        numeric: at > 1,
        ...(spare === undefined ? {} : { spare }),
      })),
      lines.map((totals) => stageColumns.map(({ text }) => text(totals))),
      width,
    ),
    ...pairedLines(lines),
  ];
}

function gateBlock({ gates }: ReportVerdict, width?: number): string[] {
  const open = gates.filter(({ outcome }) => outcome !== 'pass');
  const held = `${countText(gates.length - open.length)} of ${countText(gates.length)} gates hold`;
  if (open.length === 0) return [held];
  return [
    `${held}. These don't:`,
    ...textTable(
      [
        { title: 'where', cut: 'middle' },
        { title: 'gate' },
        { title: 'value', numeric: true, spare: 3 },
        { title: 'threshold', numeric: true, spare: 1 },
        { title: 'n', numeric: true, spare: 2 },
        { title: 'outcome' },
        { title: 'why', cut: 'end' },
      ],
      open
        .slice(0, mostGates)
        .map((gate) => [
          gatePlace(gate),
          gate.expression,
          gateValue(gate),
          gateCondition(gate),
          countText(gate.n),
          gate.outcome,
          gate.reason ?? '',
        ]),
      width,
    ),
    ...leftOut(open.length - mostGates, 'gate', 'gates'),
  ];
}

function sinceBlock({ data }: Report): string[] {
  return sinceLines(data).map((line, at) => `${at === 0 ? '' : '  '}${visibleText(line)}`);
}

function coverageBlock({ data }: Report, width?: number): string[] {
  if (data.byBackend.length === 0) return [];
  return [
    'Coverage',
    ...textTable(
      [
        { title: 'backend' },
        ...['eligible', 'sampled', 'compared', 'of eligible', 'shed', 'in flight'].map((title) => ({
          title,
          numeric: true,
        })),
        { title: 'shed by reason', cut: 'end', spare: 1 },
      ],
      data.byBackend.map((totals) => {
        const { eligible, sampled, compared, shed, inFlight } = coverageOf(totals);
        return [
          visibleText(totals.backend),
          countText(eligible),
          countText(sampled),
          countText(compared),
          eligible === 0 ? '–' : shareText(compared / eligible),
          countText(totals.shed),
          countText(inFlight),
          shed.map(({ reason, count }) => `${reason} ${countText(count)}`).join(', '),
        ];
      }),
      width,
    ),
  ];
}

function mismatchBlock({ data }: Report): string[] {
  const groups = data.sampleGroups.filter(({ verdict }) => verdict === 'mismatch');
  if (groups.length === 0) return [];
  return [
    'Mismatches',
    ...groups.slice(0, mostGroups).flatMap(mismatchLines),
    ...leftOut(groups.length - mostGroups, 'call that differs', 'calls that differ'),
  ];
}

function unexplainedBlock({ data }: Report): string[] {
  const groups = data.sampleGroups.filter(({ verdict }) => verdict === 'inconclusive');
  if (groups.length === 0) return [];
  return [
    unexplainedTitle,
    ...groups.slice(0, mostGroups).flatMap(mismatchLines),
    ...leftOut(groups.length - mostGroups, 'call', 'calls'),
  ];
}

/** Over what is no mismatch and holds a key back all the same, where it is more than 1 in 100 of its comparisons. */
export const unexplainedTitle = 'Not explained: no mismatch could be confirmed, nor ruled out';

/** A mismatch, or what could not be explained, for a terminal: what, where, how often, and below it its call and what to type. */
export function mismatchLines(group: SampleGroup): string[] {
  const { id, backend, key, operation, class: kind, count, firstAt, lastAt, verdict } = group;
  const [one, many] =
    verdict === 'mismatch' ? ['mismatch', 'mismatches'] : ['comparison', 'comparisons'];
  const where = key === undefined ? backend : `${backend}${key === '' ? '' : `, key ${key}`}`;
  const seen = count === 1 ? timeText(lastAt) : `${timeText(firstAt)} to ${timeText(lastAt)}`;
  return [
    `  ${id}  ${visibleText(`${kind ?? 'no class'} in ${operation} on ${where}`, 200)}: ${counted(
      count,
      one,
      many,
    )}, ${seen}`,
    ...sampleFacts(group).map(
      ([term, fact]) => `            ${term.padEnd(9)}  ${visibleText(fact, 400)}`,
    ),
  ];
}

function dataBlock({ dataChecks = [] }: Report, width?: number): string[] {
  if (dataChecks.length === 0) return [];
  const failed = dataChecks.filter(({ ok }) => !ok);
  const line = `Data checks: ${tablesHeldText(dataChecks.length - failed.length, dataChecks.length)}`;
  if (failed.length === 0) return [line];
  return [
    line,
    ...textTable(
      [
        { title: 'backend' },
        { title: 'key', cut: 'middle' },
        { title: 'table', cut: 'middle' },
        { title: 'rows', numeric: true, spare: 1 },
        { title: 'expected', cut: 'middle' },
        { title: 'found', cut: 'middle' },
      ],
      failed
        .slice(0, mostGates)
        .map(({ backend, key, table, rows, expected, found }) => [
          visibleText(backend),
          key,
          table,
          countText(rows),
          expected,
          found,
        ]),
      width,
    ),
    ...leftOut(failed.length - mostGates, 'table', 'tables'),
  ];
}

function leftOut(count: number, one: string, many: string): string[] {
  return count > 0 ? [`  ${leftOutText(count, one, many)}`] : [];
}

function errorBlock({ data }: Report): string[] {
  const lines = failedLines(data);
  if (lines.length === 0) return [];
  return [
    'Errors',
    ...lines.slice(0, mostGroups).map((line) => `  ${line}`),
    ...leftOut(lines.length - mostGroups, 'line', 'lines'),
  ];
}

function relianceBlock({ data }: Report): string[] {
  const lines = relianceLines(data);
  if (lines.length === 0) return [];
  return [
    'What callers rely on',
    ...lines.slice(0, mostGroups).map((line) => `  ${line}`),
    ...leftOut(lines.length - mostGroups, 'line', 'lines'),
  ];
}

function ruleBlock({ data: { rules } }: Report, width?: number): string[] {
  if (rules.length === 0) return [];
  return [
    'Rules',
    ...textTable(
      [
        { title: 'backend' },
        { title: 'rule', cut: 'end' },
        { title: 'where', cut: 'end' },
        { title: 'uses', numeric: true },
        { title: 'outcome' },
      ],
      rules.slice(0, mostGroups).map((rule) => {
        const { what, where } = ruleText(rule);
        return [visibleText(rule.backend), what, where, countText(rule.uses), ruleOutcome(rule)];
      }),
      width,
    ),
    ...leftOut(rules.length - mostGroups, 'rule', 'rules'),
  ];
}
