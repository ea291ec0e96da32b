import { stages } from '@changeover/core';
import type { LatencyFigures, ReportData, TotalsBy } from '@changeover/bridge';
import { countText, differenceText, visibleText, latencyText } from '@changeover/bridge';

/** A column of the table of backends and stages. */
export interface StageColumn {
  readonly title: string;
  readonly text: (totals: TotalsBy) => string;
  /** True for what a reader should notice where it is not zero. */
  readonly notable?: (totals: TotalsBy) => boolean;
  /** Left out of a terminal that is too narrow, the lowest first. */
  readonly spare?: number;
}

const counts = [
  'calls',
  'failed',
  'compared',
  'match',
  'mismatch',
  'raced',
  'nondeterministic',
  'inconclusive',
  'shed',
] as const;

/** What a terminal without room for all columns can do without first. */
const spareFirst: readonly string[] = [
  'nondeterministic',
  'raced',
  'match',
  'legacy p50',
  'pooled p50',
  'shed',
  'inconclusive',
  'legacy p99',
  'pooled p99',
];

/** The same columns in every format. */
export const stageColumns: readonly StageColumn[] = withSpare([
  { title: 'backend', text: ({ backend }) => visibleText(backend) },
  { title: 'stage', text: ({ stage }) => stage ?? '–' },
  ...counts.map((field): StageColumn => ({
    title: field,
    text: (totals) => countText(totals[field]),
    notable: (totals) =>
      (field === 'failed' || field === 'mismatch' || field === 'inconclusive') && totals[field] > 0,
  })),
  latencyColumn('legacy p50', ({ legacy }) => legacy, 'p50Ms'),
  latencyColumn('legacy p99', ({ legacy }) => legacy, 'p99Ms'),
  latencyColumn('pooled p50', ({ pooled }) => pooled, 'p50Ms'),
  latencyColumn('pooled p99', ({ pooled }) => pooled, 'p99Ms'),
]);

function withSpare(columns: readonly StageColumn[]): readonly StageColumn[] {
  return columns.map((column) => {
    const spare = spareFirst.indexOf(column.title);
    return spare < 0 ? column : { ...column, spare };
  });
}

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
