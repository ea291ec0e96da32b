import { coverageOf } from './coverage.ts';
import { gateCondition, gatePlace, gateValue } from '@changeover/bridge';
import {
  countText,
  visibleText,
  latencyText,
  leftOutText,
  shareText,
  tablesHeldText,
  timeText,
  valueText,
} from '@changeover/bridge';
import { type Report, titleOf } from './report.ts';
import { askedBackends } from './report-verdict.ts';
import { failedLines } from './failed-calls.ts';
import { relianceLines } from './reliance-lines.ts';
import { ruleOutcome, ruleText } from './rule-text.ts';
import { actedOn, callText, pairCells } from './sample-cells.ts';
import { sinceLines } from './since-text.ts';
import { pairedLines, stageColumns, stageLines } from './stage-lines.ts';
import type { ReportVerdict, StoredSample } from '@changeover/bridge';

const mostGates = 60;
const mostGroups = 20;
const mostCells = 5;
const mostRows = 60;

/** For a pull request or a wiki. What comes from data stays text: no markup, link or mention is made of it. */
export function markdownReport(report: Report, verdict: ReportVerdict): string {
  const { data } = report;
  const blocks = [
    [
      `# ${escapeMarkdown(titleOf(report))}`,
      '',
      `**${verdict.decision}**: ${escapeMarkdown(verdict.reason)}`,
      '',
      ...(report.problems ?? []).map((problem) => `- ✗ ${escapeMarkdown(problem)}`),
      ...askedBackends(verdict).map(
        ({ backend, decision, reason }) =>
          `- **${escapeMarkdown(visibleText(backend))}**: ${decision}. ${escapeMarkdown(reason)}`,
      ),
    ],
    ['## Backends and stages', '', ...stageRows(report)],
    ['## Gates', '', ...gateRows(verdict), ...sinceRows(report)],
    ['## Coverage', '', ...coverageRows(report)],
    ['## Mismatches', '', ...mismatchRows(report)],
    otherRows(report),
    errorRows(report),
    relianceRows(report),
    ruleRows(report),
    dataRows(report),
    provenanceRows(report),
    [`Made ${timeText(data.generatedAt)} by Changeover.`],
  ];
  return `${blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n').trimEnd())
    .join('\n\n')}\n`;
}

/** Text as it stands: what could begin markup is escaped, addresses and mentions are broken up. */
export function escapeMarkdown(text: string): string {
  return (
    visibleText(text)
      .replaceAll(/[\\`*_{}[\]#|~$]/g, '\\$&')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      // A list's item begins a line.
      .replace(
        /^(\s*)([-+]|\d+(?=[.)](?:\s|$)))/,
        (_, space: string, found: string) =>
          `${space}${/\d/.test(found) ? `${found}\\` : `\\${found}`}`,
      )
      .replaceAll('://', '\\://')
      .replaceAll(/\bwww\./gi, (found) => `${found.slice(0, 3)}\\.`)
      .replaceAll('@', '@\u2060')
  );
}

function table(
  heads: readonly string[],
  numbersFrom: number,
  rows: readonly (readonly string[])[],
): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(heads),
    line(heads.map((_, at) => (at >= numbersFrom ? '---:' : '---'))),
    ...rows.map((row) => line(row.map(escapeMarkdown))),
  ];
}

function stageRows({ data }: Report): string[] {
  const lines = stageLines(data);
  if (lines.length === 0) return ['There were no calls.'];
  return [
    ...table(
      stageColumns.map(({ title }) => title),
      2,
      lines.slice(0, mostRows).map((totals) => stageColumns.map(({ text }) => text(totals))),
    ),
    ...leftOut(lines.length - mostRows, 'backend and stage', 'backends and stages'),
    '',
    ...pairedLines(lines.slice(0, mostRows)).map((line) => `- ${line}`),
  ];
}

function sinceRows({ data }: Report): string[] {
  const [head, ...since] = sinceLines(data).map(escapeMarkdown);
  return head === undefined ? [] : ['', head, '', ...since.map((line) => `- ${line}`)];
}

function gateRows({ gates }: ReportVerdict): string[] {
  const open = gates.filter(({ outcome }) => outcome !== 'pass');
  const held = `${countText(gates.length - open.length)} of ${countText(gates.length)} gates hold.`;
  if (open.length === 0) return [held];
  return [
    `${held} These don't:`,
    '',
    ...table(
      ['where', 'gate', 'outcome', 'why', 'value', 'threshold', 'n'],
      4,
      open
        .slice(0, mostGates)
        .map((gate) => [
          gatePlace(gate),
          gate.expression,
          gate.outcome,
          gate.reason ?? '',
          gateValue(gate),
          gateCondition(gate),
          countText(gate.n),
        ]),
    ),
    ...leftOut(open.length - mostGates, 'gate', 'gates'),
  ];
}

function coverageRows({ data }: Report): string[] {
  if (data.byBackend.length === 0) return ['There were no calls.'];
  return table(
    [
      'backend',
      'shed by reason',
      'eligible',
      'sampled',
      'compared',
      'of eligible',
      'shed',
      'in flight',
    ],
    2,
    data.byBackend.slice(0, mostRows).map((totals) => {
      const { eligible, sampled, compared, shed, inFlight } = coverageOf(totals);
      return [
        visibleText(totals.backend),
        shed.map(({ reason, count }) => `${reason} ${countText(count)}`).join(', '),
        countText(eligible),
        countText(sampled),
        countText(compared),
        eligible === 0 ? '–' : shareText(compared / eligible),
        countText(totals.shed),
        countText(inFlight),
      ];
    }),
  );
}

function mismatchRows({ data }: Report): string[] {
  const groups = data.sampleGroups.filter(({ verdict }) => verdict === 'mismatch');
  if (groups.length === 0) {
    return [
      data.totals.mismatch === 0
        ? 'None was found.'
        : `${countText(data.totals.mismatch)} were counted; no sample of them was kept.`,
    ];
  }
  const parts = groups
    .slice(0, mostGroups)
    .flatMap(({ backend, operation, class: kind, count, firstAt, lastAt, id, key, samples }) => {
      const sample = actedOn({ samples });
      const heading = `### ${escapeMarkdown(kind ?? 'no class')} in ${escapeMarkdown(operation)} on ${escapeMarkdown(visibleText(backend))}${key === undefined || key === '' ? '' : `, key ${escapeMarkdown(key)}`}`;
      const facts = `${countText(count)} times, first ${timeText(firstAt)}, last ${timeText(lastAt)}; id ${escapeMarkdown(id)}`;
      if (sample === undefined) return [heading, '', facts, ''];
      const cells = pairCells(sample.legacy, sample.pooled) ?? [];
      const call = callText({ operation }, sample);
      const trace = sample.call?.trace;
      return [
        heading,
        '',
        facts,
        '',
        `${escapeMarkdown(sample.dataset)} at ${sample.stage}: ${escapeMarkdown(sample.summary)}`,
        '',
        ...(call === undefined ? [] : [`Call: ${escapeMarkdown(call)}`, '']),
        ...(trace === undefined ? [] : [`Trace: ${escapeMarkdown(trace)}`, '']),
        ...(cells.length === 0
          ? []
          : [
              ...table(
                ['row', 'column', 'legacy', 'pooled'],
                9,
                cells
                  .slice(0, mostCells)
                  .map(({ row, column, legacy, pooled }) => [
                    row,
                    column ?? 'whole row',
                    valueText(legacy),
                    valueText(pooled),
                  ]),
              ),
              '',
            ]),
      ];
    });
  return [
    ...parts,
    ...leftOut(groups.length - mostGroups, 'call that differs', 'calls that differ'),
  ];
}

function otherRows({ data }: Report): string[] {
  const groups = data.sampleGroups.filter(({ verdict }) => verdict !== 'mismatch');
  if (groups.length === 0) return [];
  return [
    '## Compared in part, nondeterministic, raced, inconclusive',
    '',
    ...table(
      ['verdict', 'backend', 'operation', 'class', 'first seen', 'last seen', 'count', 'a sample'],
      6,
      groups
        .slice(0, mostRows)
        .map(({ verdict, backend, operation, class: kind, firstAt, lastAt, count, samples }) => [
          verdict === 'match' ? 'match in part' : verdict,
          visibleText(backend),
          operation,
          kind ?? '–',
          timeText(firstAt),
          timeText(lastAt),
          countText(count),
          sampleText(samples.at(-1)),
        ]),
    ),
    ...leftOut(groups.length - mostRows, 'reason', 'reasons'),
  ];
}

function sampleText(sample: StoredSample | undefined): string {
  if (sample === undefined) return '–';
  const { dataset, stage, summary, reason } = sample;
  return `${dataset} at ${stage}: ${summary}${reason === undefined ? '' : ` (${reason})`}`;
}

function errorRows({ data }: Report): string[] {
  const lines = failedLines(data);
  if (lines.length === 0) return [];
  return [
    '## Errors',
    '',
    ...lines.slice(0, mostGroups).map((line) => `- ${escapeMarkdown(line)}`),
    ...leftOut(lines.length - mostGroups, 'line', 'lines'),
  ];
}

function relianceRows({ data }: Report): string[] {
  const lines = relianceLines(data);
  if (lines.length === 0) return [];
  return [
    '## What callers rely on',
    '',
    ...lines.slice(0, mostGroups).map((line) => `- ${escapeMarkdown(line)}`),
    ...leftOut(lines.length - mostGroups, 'line', 'lines'),
  ];
}

function ruleRows({ data: { rules } }: Report): string[] {
  if (rules.length === 0) return [];
  return [
    '## Rules',
    '',
    ...table(
      ['backend', 'rule', 'where', 'reason', 'outcome', 'uses'],
      5,
      rules.slice(0, mostRows).map((rule) => {
        const { what, where, why } = ruleText(rule);
        return [
          visibleText(rule.backend),
          what,
          where,
          why,
          ruleOutcome(rule),
          countText(rule.uses),
        ];
      }),
    ),
    ...leftOut(rules.length - mostRows, 'rule', 'rules'),
  ];
}

function dataRows({ dataChecks = [] }: Report): string[] {
  if (dataChecks.length === 0) return [];
  const failed = dataChecks.filter(({ ok }) => !ok);
  return [
    '## Data checks',
    '',
    `${tablesHeldText(dataChecks.length - failed.length, dataChecks.length)}.`,
    ...(failed.length === 0
      ? []
      : [
          '',
          ...table(
            ['backend', 'key', 'table', 'expected', 'found', 'rows'],
            5,
            failed
              .slice(0, mostRows)
              .map(({ backend, key, table: name, expected, found, rows }) => [
                visibleText(backend),
                key,
                name,
                expected,
                found,
                countText(rows),
              ]),
          ),
          ...leftOut(failed.length - mostRows, 'table', 'tables'),
        ]),
  ];
}

function provenanceRows({ data, provenance = {} }: Report): string[] {
  const facts = Object.entries(provenance).map(
    ([key, value]) => `- ${escapeMarkdown(key)}: ${escapeMarkdown(value)}`,
  );
  const runs = data.runs
    .slice(-mostRows)
    .map(
      ({ run, host, pid, node, startedAt, lastAt }) =>
        `- run ${escapeMarkdown(run)} on ${escapeMarkdown(host)}, process ${pid}, Node ${escapeMarkdown(node)}, ` +
        `${timeText(startedAt)} to ${timeText(lastAt)}`,
    );
  const notes = data.notes.map((note) => `- missing: ${escapeMarkdown(note)}`);
  const { legacy, pooled } = data.totals;
  const latency = `- p50 over all calls: legacy ${latencyText(legacy.p50Ms)}, pooled ${latencyText(pooled.p50Ms)}`;
  return ['## Provenance', '', ...notes, ...facts, ...runs, latency];
}

function leftOut(count: number, one: string, many: string): string[] {
  return count > 0 ? ['', leftOutText(count, one, many)] : [];
}
