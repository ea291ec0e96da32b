import {
  counted,
  countText,
  type SampleGroup,
  type StoredSample,
  valueText,
  type Verdict,
  visibleText,
} from '@changeover/bridge';
import {
  firstOf,
  markup,
  type Markup,
  moment,
  name,
  type Piece,
  type Section,
  table,
} from '../markup.ts';
import type { Report } from '../report.ts';
import { callText, pairCells, sampleFacts } from '../sample-cells.ts';

const mostGroups = 50;
const mostSamples = 3;
const mostCells = 12;
const mostListed = 60;
/** Characters of a sample's value that is no list of cells. */
const mostValue = 4_000;

/** What a page that can do something shows beside a mismatch. */
export type MismatchActions = (group: SampleGroup) => Piece;

/** Confirmed mismatches, those for one reason together, a few of each side by side. */
export function mismatchSection({ data }: Report, actions?: MismatchActions): Section {
  const groups = data.sampleGroups.filter(({ verdict }) => verdict === 'mismatch');
  const { shown, rest } = firstOf(groups, mostGroups, 'call that differs', 'calls that differ');
  const kept = groups.reduce((sum, { count }) => sum + count, 0);
  const { mismatch } = data.totals;
  return {
    id: 'mismatches',
    title: 'Mismatches',
    content: [
      groups.length === 0
        ? noneText(mismatch)
        : [
            markup`<p class="soft">${counted(kept, 'mismatch', 'mismatches')} of ${counted(
              groups.length,
              'call',
              'calls',
            )} by backend, key, operation, shape and class, the most frequent first. Values are shown by type, length and keyed digest
          unless the program asked for raw ones (sampleValues): equal digests stand for equal values.</p>`,
            classTable(groups),
            shown.map((group) => groupMarkup(group, actions)),
            rest,
          ],
      data.samplesOverLimit > 0 &&
        markup`<p class="soft">${counted(
          data.samplesOverLimit,
          'more comparison was unlike the others',
          'more comparisons were unlike the others',
        )} after the
        limit of samples was reached: counted, and no sample was kept.</p>`,
    ],
  };
}

function noneText(mismatch: number): Markup {
  return mismatch === 0
    ? markup`<p>None was found.</p>`
    : markup`<p>${countText(mismatch)} were counted; no sample of them was kept.</p>`;
}

function classTable(groups: readonly SampleGroup[]): Piece {
  const classes = new Map<string, { calls: number; count: number }>();
  for (const group of groups) {
    const found = classes.get(group.class ?? '') ?? { calls: 0, count: 0 };
    classes.set(group.class ?? '', {
      calls: found.calls + 1,
      count: found.count + group.count,
    });
  }
  const { shown, rest } = firstOf(
    [...classes].sort(([, a], [, b]) => b.count - a.count),
    mostListed,
    'class',
    'classes',
  );
  return [
    table(
      'Mismatches by class',
      [
        { title: 'class' },
        { title: 'mismatches', kind: 'number' },
        { title: 'calls', kind: 'number' },
      ],
      shown.map(([kind, { calls, count }]) => [
        name(kind === '' ? 'no class' : kind),
        countText(count),
        countText(calls),
      ]),
    ),
    rest,
  ];
}

function groupMarkup(group: SampleGroup, actions?: MismatchActions): Markup {
  const { shown, rest } = firstOf(group.samples, mostSamples, 'sample', 'samples');
  const facts: [string, Piece][] = [
    ['id', markup`<code>${name(group.id)}</code>`],
    ['count', countText(group.count)],
    ['first seen', moment(group.firstAt)],
    ['last seen', moment(group.lastAt)],
    ...sampleFacts(group)
      .filter(([term]) => ['shape', 'arguments', 'again'].includes(term))
      .map(([term, fact]): [string, Piece] => [
        term === 'again' ? 'run again' : term,
        term === 'shape' ? markup`<code>${name(fact)}</code>` : name(fact),
      ]),
  ];
  return markup`<article class="group"><h3>${name(group.class ?? 'no class')} in ${name(group.operation)} on ${name(
    visibleText(group.backend),
  )}${group.key !== undefined && group.key !== '' && markup`, key ${name(group.key)}`}</h3><dl>${facts.map(
    ([term, fact]) => markup`<div><dt>${term}</dt><dd>${fact}</dd></div>`,
  )}</dl>${actions?.(group)}${shown.length === 0 && markup`<p class="soft small">No sample was kept.</p>`}${shown.map((sample) => sampleMarkup(group, sample))}${rest}</article>\n`;
}

function sampleMarkup(group: SampleGroup, sample: StoredSample): Markup {
  const call = callText(group, sample);
  const trace = sample.call?.trace;
  return markup`<div class="sample"><p class="small"><strong>${name(sample.dataset)}</strong> at ${sample.stage}, ${moment(
    sample.at,
  )}${trace !== undefined && markup`, trace <code>${name(trace)}</code>`}${
    call !== undefined && markup`<br><code>${name(call)}</code>`
  }<br>${name(sample.summary)}${sample.reason !== undefined && markup`<br>${name(sample.reason)}`}</p>${sidesMarkup(
    sample,
  )}</div>`;
}

/** The two legs' values side by side: cell by cell where they are lists of cells, else as they are. */
function sidesMarkup({ legacy, pooled }: StoredSample): Piece {
  if (legacy === undefined && pooled === undefined) return undefined;
  const cells = pairCells(legacy, pooled);
  if (cells === undefined) {
    return markup`<div class="sides"><div><strong class="small">legacy</strong><pre>${valueText(
      legacy,
      mostValue,
    )}</pre></div><div><strong class="small">pooled</strong><pre>${valueText(pooled, mostValue)}</pre></div></div>`;
  }
  const { shown, rest } = firstOf(cells, mostCells, 'place', 'places');
  return [
    table(
      'Values on both legs',
      [
        { title: 'row', kind: 'number' },
        { title: 'column', kind: 'name' },
        { title: 'legacy', kind: 'name' },
        { title: 'pooled', kind: 'name' },
      ],
      shown.map(({ row, column, legacy: before, pooled: after }) => [
        row,
        name(column ?? 'whole row'),
        markup`<span class="mono">${name(valueText(before))}</span>`,
        markup`<span class="mono">${name(valueText(after))}</span>`,
      ]),
    ),
    rest,
  ];
}

const otherVerdicts: readonly (readonly [Verdict, string])[] = [
  ['match', 'What these writes affected was compared in part; the class says what was left out.'],
  [
    'nondeterministic',
    'Legacy differed from itself when it was run again, so nothing can be said of the pooled leg.',
  ],
  ['raced', 'A write came between the two legs, or they agreed when both were run again.'],
  ['inconclusive', 'A suspicion that could not be confirmed or cleared.'],
];

/** Comparisons that raise no alarm, listed so that nobody need take that on trust. */
export function otherVerdictsSection({ data }: Report): Section {
  return {
    id: 'other-verdicts',
    title: 'Compared in part, nondeterministic, raced, inconclusive',
    content: otherVerdicts.map(([verdict, meaning]) => {
      const { shown, rest } = firstOf(
        data.sampleGroups.filter((group) => group.verdict === verdict),
        mostListed,
        'reason',
        'reasons',
      );
      const count =
        verdict === 'match'
          ? sumOf(data.sampleGroups.filter((group) => group.verdict === verdict))
          : data.totals[verdict];
      return [
        markup`<h3>${verdict === 'match' ? 'Match in part' : `${verdict.charAt(0).toUpperCase()}${verdict.slice(1)}`}: ${countText(
          count,
        )}</h3><p class="soft small">${meaning}</p>`,
        shown.length > 0 && listTable(verdict, shown),
        rest,
      ];
    }),
  };
}

function sumOf(groups: readonly SampleGroup[]): number {
  return groups.reduce((sum, { count }) => sum + count, 0);
}

function listTable(verdict: string, groups: readonly SampleGroup[]): Markup {
  return table(
    `Comparisons that were ${verdict}`,
    [
      { title: 'operation' },
      { title: 'backend', kind: 'nowrap' },
      { title: 'class', kind: 'nowrap' },
      { title: 'count', kind: 'number' },
      { title: 'first seen', kind: 'nowrap' },
      { title: 'last seen', kind: 'nowrap' },
      { title: 'a sample', kind: 'wide' },
    ],
    groups.map((group) => {
      const [sample] = group.samples;
      return [
        name(group.operation),
        name(visibleText(group.backend)),
        name(group.class),
        countText(group.count),
        moment(group.firstAt),
        moment(group.lastAt),
        sample === undefined
          ? '–'
          : markup`${name(sample.dataset)} at ${sample.stage}: ${name(sample.summary)}${
              sample.reason !== undefined && markup` (${name(sample.reason)})`
            }`,
      ];
    }),
  );
}
