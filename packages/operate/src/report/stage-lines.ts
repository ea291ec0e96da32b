import { stages } from '@changeover/core';
import type { LatencyFigures, ReportData, TotalsBy } from '@changeover/bridge';
import { countText, differenceText, visibleText, latencyText } from '@changeover/bridge';

/** A column of the table of backends and stages. */
export interface StageColumn {
  readonly title: string;
  readonly text: (totals: TotalsBy) => string;
  /** True for what a reader should notice where it is not zero. */
  readonly notable?: (totals: TotalsBy) => boolean;
}

const countColumns = [
  ['calls', 'calls'],
  ['failed', 'failed'],
  ['compared', 'compared'],
  ['match', 'match'],
  ['mismatch', 'mismatch'],
  ['raced', 'raced'],
  ['nondeterministic', 'nondeterministic'],
  ['inconclusive', 'inconclusive'],
  ['shed', 'shed'],
] as const;

/** The same columns in every format. */
export const stageColumns: readonly StageColumn[] = [
  { title: 'backend', text: ({ backend }) => visibleText(backend) },
  { title: 'stage', text: ({ stage }) => stage ?? '–' },
  ...countColumns.map(([title, field]): StageColumn => ({
    title,
    text: (totals) => countText(totals[field]),
    notable: (totals) =>
      (field === 'failed' || field === 'mismatch' || field === 'inconclusive') && totals[field] > 0,
  })),
  latencyColumn('legacy p50', ({ legacy }) => legacy, 'p50Ms'),
  latencyColumn('legacy p99', ({ legacy }) => legacy, 'p99Ms'),
  latencyColumn('pooled p50', ({ pooled }) => pooled, 'p50Ms'),
  latencyColumn('pooled p99', ({ pooled }) => pooled, 'p99Ms'),
];

function latencyColumn(
  title: string,
  leg: (totals: TotalsBy) => LatencyFigures,
  figure: 'p50Ms' | 'p99Ms',
): StageColumn {
  return { title, text: (totals) => latencyText(leg(totals)[figure]) };
}

/** How much longer the pooled leg took for the same read, in words, a line for each backend and stage that has any. */
export function pairedLines(lines: readonly TotalsBy[]): string[] {
  return lines
    .filter(({ pooledLessLegacyMs: { n } }) => n > 0)
    .map(({ backend, stage, pooledLessLegacyMs: found }) => {
      const text =
        found.kind === 'inconclusive'
          ? `inconclusive: ${found.reason}`
          : `${differenceText(found.value)} on average of ${countText(found.n)}, between ${differenceText(found.lower)} and ` +
            differenceText(found.upper);
      return `${visibleText(backend)} at ${stage ?? 'no stage'}, pooled less legacy read by read: ${text}`;
    });
}

/** Backends by name, their stages in order. */
export function stageLines(data: ReportData): TotalsBy[] {
  const order = ({ stage }: TotalsBy): number => (stage === undefined ? -1 : stages.indexOf(stage));
  return [...data.byStage].sort((a, b) =>
    a.backend < b.backend ? -1 : a.backend > b.backend ? 1 : order(a) - order(b),
  );
}
