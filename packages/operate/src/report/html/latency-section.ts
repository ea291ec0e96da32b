import {
  countText,
  differenceText,
  type LatencyFigures,
  latencyText,
  type TotalsBy,
  visibleText,
} from '@changeover/bridge';
import { firstOf, legend, markup, name, type Piece, type Section, table } from '../markup.ts';
import type { Report } from '../report.ts';
import { stageLines } from '../stage-lines.ts';
import { decadeLabels, type LogScale, logScale, rangeBar } from './svg-charts.ts';

const mostStages = 60;
const legs = ['legacy', 'pooled'] as const;

/** How long a call takes on each leg. */
export function latencySection({ data }: Report): Section {
  const measured = stageLines(data).filter(
    ({ legacy, pooled }) => legacy.count > 0 || pooled.count > 0,
  );
  const { shown, rest } = firstOf(measured, mostStages, 'backend and stage', 'backends and stages');
  const scale = logScale(
    shown
      .flatMap(({ legacy, pooled }) => [legacy, pooled])
      .flatMap(({ p50Ms, p99Ms }) => [p50Ms ?? 0, p99Ms ?? 0]),
  );
  return {
    id: 'latency',
    title: 'Latency of both legs',
    content:
      shown.length === 0
        ? markup`<p>Nothing was measured.</p>`
        : [
            markup`<p class="soft">The dot is the median, the thick line ends at p95, the thin one at p99. The scale is logarithmic: each line
        is ten times the one before.</p>`,
            legend(legs.map((leg) => ({ fill: `fill-${leg}`, label: leg }))),
            table(
              'Latency by backend, stage and leg',
              [
                { title: 'backend', kind: 'nowrap' },
                { title: 'stage', kind: 'nowrap' },
                { title: 'leg', kind: 'nowrap' },
                { title: decadeLabels(scale, shortLatency), kind: 'wide' },
                ...['p50', 'p95', 'p99', 'longest', 'calls'].map((title) => ({
                  title,
                  kind: 'number' as const,
                })),
              ],
              shown.flatMap((totals) =>
                legs
                  .filter((leg) => totals[leg].count > 0)
                  .map((leg) => legRow(totals, leg, scale)),
              ),
            ),
            rest,
            pairs(shown),
          ],
  };
}

/** The difference within calls that both legs made, which the mix of calls does not blur. */
function pairs(lines: readonly TotalsBy[]): Piece {
  const paired = lines.filter(({ pooledLessLegacyMs: { n } }) => n > 0);
  if (paired.length === 0) return undefined;
  return [
    markup`<h3>Call by call</h3><p class="soft">How much longer the pooled leg took for the same read, on average, and where that average
      lies with 95 % confidence on either side. At shadow the pooled leg runs beside the callers, at reverse the legacy leg does: the one
      that runs beside has less of the machine.</p>`,
    table(
      'Pooled less legacy latency of the same reads',
      [
        { title: 'backend', kind: 'nowrap' },
        { title: 'stage', kind: 'nowrap' },
        { title: 'reads', kind: 'number' },
        { title: 'pooled less legacy', kind: 'number' },
        { title: 'between', kind: 'wide' },
      ],
      paired.map(({ backend, stage, pooledLessLegacyMs: found }) => [
        name(visibleText(backend)),
        stage ?? '–',
        countText(found.n),
        ...(found.kind === 'estimate'
          ? [
              differenceText(found.value),
              `${differenceText(found.lower)} and ${differenceText(found.upper)}`,
            ]
          : ['–', found.reason]),
      ]),
    ),
  ];
}

function legRow(totals: TotalsBy, leg: 'legacy' | 'pooled', scale: LogScale): Piece[] {
  const figures = totals[leg];
  const words = (['p50Ms', 'p95Ms', 'p99Ms', 'maxMs'] as const).map((figure) =>
    latencyText(figures[figure]),
  );
  return [
    name(visibleText(totals.backend)),
    totals.stage ?? '–',
    leg,
    bar(figures, leg, scale),
    ...words,
    countText(figures.count),
  ];
}

function bar({ p50Ms, p95Ms, p99Ms }: LatencyFigures, leg: string, scale: LogScale): Piece {
  if (p50Ms === undefined || p95Ms === undefined || p99Ms === undefined) return '–';
  const label = `${leg}: p50 ${latencyText(p50Ms)}, p95 ${latencyText(p95Ms)}, p99 ${latencyText(p99Ms)}`;
  return rangeBar(label, `fill-${leg}`, scale, { p50: p50Ms, p95: p95Ms, p99: p99Ms });
}

/** A power of ten without the digits that say nothing. */
function shortLatency(ms: number): string {
  return latencyText(ms).replace(/\.0+ /, ' ');
}
