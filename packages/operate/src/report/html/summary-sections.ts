import { shareOf } from '@changeover/compare';
import {
  countText,
  type Decision,
  durationText,
  type GateOutcome,
  type ReportVerdict,
  shareText,
  visibleText,
} from '@changeover/bridge';
import { gateCondition, gatePlace, gateValue } from '@changeover/bridge';
import {
  badge,
  decisionClass,
  firstOf,
  markup,
  type Markup,
  name,
  type Piece,
  rawMarkup,
  type Section,
  table,
} from '../markup.ts';
import type { Report } from '../report.ts';
import { askedBackends } from '../report-verdict.ts';
import { sinceLines } from '../since-text.ts';
import { stageColumns, stageLines } from '../stage-lines.ts';

const mostBackends = 30;
const mostProblems = 20;
const mostStages = 120;
const mostGates = 30;

/** Signs that are told apart without colour: up, two bars, back, a question mark. */
const icons: Readonly<Record<Decision, string>> = {
  PROMOTE: '<path d="M12 20V5M5 12l7-7 7 7"/>',
  HOLD: '<path d="M8 5v14M16 5v14"/>',
  'ROLL BACK': '<path d="M9 6L4 11l5 5M4 11h10a5 5 0 0 1 0 10h-3"/>',
  INCONCLUSIVE: '<path d="M8 9a4 4 0 1 1 5.5 3.7c-1 .5-1.5 1.300-1.500 2.300M12 19v.5"/>',
};

/** What to do, and why, before anything else. */
export function verdictBanner({ decision, reason }: ReportVerdict): Markup {
  return markup`<div class="verdict ${decisionClass(decision)}"><svg viewBox="0 0 24 24" aria-hidden="true" fill="none" stroke="${'currentColor'}" stroke-width="2.5" stroke-linecap="round" stroke-linejoin="round">${rawMarkup(
    icons[decision],
  )}</svg><p><strong>${decision}</strong><span>${reason}</span></p></div>`;
}

/** Checks that no gate is and that did not hold. */
export function problemList({ problems = [] }: Report): Piece {
  const { shown, rest } = firstOf(problems, mostProblems, 'check', 'checks');
  return (
    shown.length > 0 &&
    markup`<ul class="problems">${shown.map((problem) => markup`<li class="bad">${name(visibleText(problem))}</li>`)}</ul>${rest}`
  );
}

export function backendVerdicts(verdict: ReportVerdict): Piece {
  const backends = askedBackends(verdict);
  // The banner says it already.
  if (backends.length === 1 && backends[0]?.reason === verdict.reason) return undefined;
  const { shown, rest } = firstOf(backends, mostBackends, 'backend', 'backends');
  return (
    shown.length > 0 &&
    markup`<ul class="backends">${shown.map(
      ({ backend, decision, reason }) =>
        markup`<li><span class="name">${name(visibleText(backend))}</span>${badge(decision)}<p class="small">${reason}</p></li>`,
    )}</ul>${rest}`
  );
}

export function overviewSection({ data }: Report): Section {
  const { totals } = data;
  const mismatches = shareOf(Math.min(totals.mismatch, totals.compared), totals.compared);
  const bound =
    mismatches.kind === 'inconclusive'
      ? 'nothing compared'
      : `below ${shareText(mismatches.upper)} with 95 % confidence`;
  const of = (part: number, whole: number, what: string): string =>
    whole === 0 ? `no ${what}` : `${shareText(part / whole)} of ${what}`;
  const tiles: [string, string, string][] = [
    ['Calls', countText(totals.calls), watchedFor(data.runs)],
    ['Failed', countText(totals.failed), of(totals.failed, totals.calls, 'calls')],
    [
      'Compared',
      countText(totals.compared),
      of(totals.compared, totals.eligible, 'eligible calls'),
    ],
    ['Mismatches', countText(totals.mismatch), bound],
    ['Raced', countText(totals.raced), of(totals.raced, totals.compared, 'comparisons')],
    [
      'Nondeterministic',
      countText(totals.nondeterministic),
      of(totals.nondeterministic, totals.compared, 'comparisons'),
    ],
    [
      'Inconclusive',
      countText(totals.inconclusive),
      of(totals.inconclusive, totals.compared, 'comparisons'),
    ],
    ['Shed', countText(totals.shed), of(totals.shed, totals.sampled, 'sampled calls')],
  ];
  return {
    id: 'overview',
    title: 'Overview',
    content: markup`<dl class="tiles">${tiles.map(
      ([title, value, note]) =>
        markup`<div><dt>${title}</dt><dd>${value}<small>${note}</small></dd></div>`,
    )}</dl>`,
  };
}

function watchedFor(runs: Report['data']['runs']): string {
  const start = runs.reduce((least, { startedAt }) => Math.min(least, startedAt), Infinity);
  const end = runs.reduce((most, { lastAt }) => Math.max(most, lastAt), -Infinity);
  return end >= start ? `within ${durationText(end - start)}` : 'by no known run';
}

export function gatesSection({ data }: Report, { gates }: ReportVerdict): Section {
  const [open, held] = [
    gates.filter(({ outcome }) => outcome !== 'pass'),
    gates.filter(({ outcome }) => outcome === 'pass'),
  ];
  const [head, ...since] = sinceLines(data);
  // What is failed comes before what can't be told.
  const byOutcome = [...open].sort(
    (a, b) => Number(a.outcome === 'inconclusive') - Number(b.outcome === 'inconclusive'),
  );
  const intro =
    gates.length === 0
      ? 'No gate was asked.'
      : `${countText(held.length)} of ${countText(gates.length)} gates hold. One that can't be told for want of observations is no pass.`;
  return {
    id: 'gates',
    title: 'Gates',
    content: [
      markup`<p class="soft">${intro}</p>`,
      since.length > 0 &&
        markup`<p class="soft">${head}</p><ul>${since.map(
          (line) => markup`<li class="soft">${line}</li>`,
        )}</ul>`,
      open.length > 0 && gateTable('Gates that do not hold', byOutcome),
      held.length > 0 &&
        markup`<details${rawMarkup(open.length === 0 ? ' open' : '')}><summary>${countText(
          held.length,
        )} ${
          held.length === 1 ? 'gate holds' : 'gates hold'
        }</summary>${gateTable('Gates that hold', held)}</details>`,
    ],
  };
}

const outcomeWords = {
  pass: markup`<span class="good">✓ pass</span>`,
  fail: markup`<span class="bad">✕ fail</span>`,
  inconclusive: markup`<span class="open">? inconclusive</span>`,
} as const;

function gateTable(label: string, gates: readonly GateOutcome[]): Piece {
  const { shown, rest } = firstOf(gates, mostGates, 'gate', 'gates');
  return [
    table(
      label,
      [
        { title: 'gate', kind: 'wide' },
        { title: 'outcome', kind: 'nowrap' },
        { title: 'where', kind: 'nowrap' },
        { title: 'value', kind: 'number' },
        { title: 'threshold', kind: 'number' },
        { title: 'n', kind: 'number' },
        ...(shown.some(({ reason }) => reason !== undefined)
          ? [{ title: 'why', kind: 'wide' } as const]
          : []),
      ],
      shown.map((gate) => [
        markup`${gate.title}<br><code>${gate.expression}</code>`,
        outcomeWords[gate.outcome],
        name(gatePlace(gate)),
        gateValue(gate),
        gateCondition(gate),
        countText(gate.n),
        ...(gate.reason === undefined ? [] : [gate.reason]),
      ]),
    ),
    rest,
  ];
}

export function stagesSection({ data }: Report): Section {
  const { shown, rest } = firstOf(
    stageLines(data),
    mostStages,
    'backend and stage',
    'backends and stages',
  );
  if (shown.length === 0)
    return {
      id: 'stages',
      title: 'Backends and stages',
      content: markup`<p>There were no calls.</p>`,
    };
  return {
    id: 'stages',
    title: 'Backends and stages',
    content: [
      table(
        'Calls and comparisons by backend and stage',
        stageColumns.map(({ title }, at) => ({ title, kind: at < 2 ? 'nowrap' : 'number' })),
        shown.map((totals) =>
          stageColumns.map(({ text, notable }, at) => {
            const cell = at === 0 ? name(text(totals)) : text(totals);
            return notable?.(totals) === true ? markup`<span class="bad">${cell}</span>` : cell;
          }),
        ),
        { kind: 'dense' },
      ),
      rest,
    ],
  };
}
