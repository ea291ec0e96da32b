import { countText, shareText, type TotalsBy, visibleText } from '@changeover/bridge';
import { coverageOf, type Coverage } from '../coverage.ts';
import { firstOf, legend, markup, type Markup, name, type Section, table } from '../markup.ts';
import type { Report } from '../report.ts';
import { type Segment, stackedBar } from './svg-charts.ts';

const mostBackends = 30;

/** What was looked at, and what was not. */
export function coverageSection({ data }: Report): Section {
  const { shown, rest } = firstOf(data.byBackend, mostBackends, 'backend', 'backends');
  const coverages = shown.map((totals) => ({ totals, coverage: coverageOf(totals) }));
  return {
    id: 'coverage',
    title: 'Coverage',
    content: [
      markup`<p class="soft">Of the calls that could be compared, some were not sampled; of the sampled, some were shed. The parts of a
        bar add up to the eligible calls.</p>`,
      legend([
        { fill: 'fill-pooled', label: 'compared' },
        { fill: 'fill-shed', label: 'shed' },
        { fill: 'fill-flight', label: 'in flight' },
        { fill: 'fill-idle', label: 'not sampled' },
      ]),
      coverages.map(
        ({ totals, coverage }) =>
          markup`<h4>${name(visibleText(totals.backend))}</h4>${coverageBar(
            coverage,
          )}<p class="small soft">${sumText(coverage)}</p>`,
      ),
      rest,
      coverages.length > 0 && coverageTable(coverages),
    ],
  };
}

function coverageBar(coverage: Coverage): Markup {
  const segment = (label: string, value: number, fill: string): Segment => ({
    label: `${label}: ${countText(value)} of ${countText(coverage.eligible)}`,
    value,
    fill,
  });
  return stackedBar(sumText(coverage), [
    segment('compared', coverage.compared, 'fill-pooled'),
    ...coverage.shed.map(({ reason, count }) => segment(`shed, ${reason}`, count, 'fill-shed')),
    segment('in flight', coverage.inFlight, 'fill-flight'),
    segment('not sampled', coverage.notSampled, 'fill-idle'),
  ]);
}

function sumText({ eligible, compared, shed, inFlight, notSampled, surplus }: Coverage): string {
  const parts = [
    `${countText(compared)} compared`,
    ...shed.map(({ reason, count }) => `${countText(count)} shed (${reason})`),
    `${countText(inFlight)} in flight`,
    `${countText(notSampled)} not sampled`,
  ];
  const wrong =
    surplus === 0 ? '' : `; ${countText(surplus)} too many: part of the counts is missing`;
  return `${parts.join(' + ')} = ${countText(eligible)} eligible${wrong}`;
}

function coverageTable(
  coverages: readonly { readonly totals: TotalsBy; readonly coverage: Coverage }[],
): Markup {
  const reasons = [
    ...new Set(coverages.flatMap(({ coverage }) => coverage.shed.map(({ reason }) => reason))),
  ];
  const number = (title: string): { title: string; kind: 'number' } => ({ title, kind: 'number' });
  return table(
    'Coverage by backend',
    [
      { title: 'backend', kind: 'nowrap' },
      number('calls'),
      number('eligible'),
      number('sampled'),
      number('compared'),
      number('compared of eligible'),
      ...reasons.map((reason) => number(`shed: ${reason}`)),
      number('in flight'),
    ],
    coverages.map(({ totals, coverage }) => [
      name(visibleText(totals.backend)),
      countText(totals.calls),
      countText(coverage.eligible),
      countText(coverage.sampled),
      countText(coverage.compared),
      coverage.eligible === 0 ? '–' : shareText(coverage.compared / coverage.eligible),
      ...reasons.map((reason) =>
        countText(coverage.shed.find((one) => one.reason === reason)?.count ?? 0),
      ),
      countText(coverage.inFlight),
    ]),
  );
}
