import { countText, latencyText, timeText, type TimeSlice } from '@changeover/bridge';
import { legend, markup, type Markup, moment, type Piece, table } from '../markup.ts';
import { logScale } from './svg-charts.ts';

const legs = ['legacy', 'pooled'] as const;
/** Slices that are drawn, and listed: the newest. */
const mostSlices = 60;
const [latencyHeight, callsHeight] = [120, 40];
/** The axis is at least so many slices long: one bar as wide as the page says less. */
const leastColumns = 12;
/** Units of a slice's width in the drawing. */
const slot = 20;
/** What went wrong is seen however little of all it is. */
const leastMark = 5;

/** What happened slice by slice of time, drawn and as a table: latency of both legs, calls, and what went wrong. */
export function timeChart(label: string, all: readonly TimeSlice[]): Piece {
  const slices = all.slice(-mostSlices);
  const [first, last] = [slices[0], slices.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  // Slices without a call are missing: their place stays free, so that the axis is one of time.
  const width = Math.min(...slices.map(({ from, to }) => to - from));
  const start = Math.min(first.from, last.to - leastColumns * width);
  const drawing: Drawing = {
    slices,
    columns: Math.round((last.to - start) / width),
    columnOf: ({ from }) => Math.round((from - start) / width),
  };
  const middle = (start + last.to) / 2;
  return markup`<div class="time" role="img" aria-label="${label}">${latencyPlot(drawing)}${callsPlot(
    drawing,
  )}<span></span><div class="ends"><span>${timeText(start).slice(0, 16)}</span><span>${timeText(middle).slice(11, 16)}</span><span>${timeText(last.to).slice(0, 16)}</span></div></div>`;
}

/** What the drawing of {@link timeChart} means. */
export function timeLegend(): Markup {
  return legend([
    ...legs.map((leg) => ({ fill: `fill-${leg}`, label: `${leg} p50, and paler up to p99` })),
    { fill: 'fill-idle', label: 'calls' },
    { fill: 'fill-bad', label: 'failed calls and mismatches' },
  ]);
}

export function timeTable(label: string, slices: readonly TimeSlice[]): Markup {
  const number = (title: string): { title: string; kind: 'number' } => ({ title, kind: 'number' });
  const noted = (count: number): Piece =>
    count > 0 ? markup`<span class="bad">${countText(count)}</span>` : '0';
  return table(
    label,
    [
      { title: 'from', kind: 'nowrap' },
      number('calls'),
      number('failed'),
      number('compared'),
      number('mismatches'),
      ...legs.flatMap((leg) => [number(`${leg} p50`), number(`${leg} p99`)]),
    ],
    slices
      .slice(-mostSlices)
      .toReversed()
      .map((slice) => [
        moment(slice.from),
        countText(slice.calls),
        noted(slice.failed),
        countText(slice.compared),
        noted(slice.mismatch),
        ...legs.flatMap((leg) => [latencyText(slice[leg].p50Ms), latencyText(slice[leg].p99Ms)]),
      ]),
    { kind: 'dense' },
  );
}

interface Drawing {
  readonly slices: readonly TimeSlice[];
  readonly columns: number;
  readonly columnOf: (slice: TimeSlice) => number;
}

/** Stretched to the room there is: only what has no round parts and no text can be. */
function plot({ columns }: Drawing, height: number, content: Piece): Markup {
  return markup`<svg class="plot" height="${height}" viewBox="0 0 ${columns * slot} ${height}" preserveAspectRatio="none" aria-hidden="true">${content}</svg>`;
}

function latencyPlot(drawing: Drawing): Piece {
  const { slices, columnOf } = drawing;
  const scale = logScale(
    slices.flatMap((slice) =>
      legs.flatMap((leg) => [slice[leg].p50Ms ?? 0, slice[leg].p99Ms ?? 0]),
    ),
  );
  const y = (ms: number): number => Math.round((1 - scale.place(ms)) * latencyHeight);
  const lines = scale.decades.map((ms) => `M0 ${String(y(ms))}H${String(drawing.columns * slot)}`);
  const bars = legs.map((leg, side) => {
    const [median, upTo99]: [string[], string[]] = [[], []];
    for (const slice of slices) {
      const { p50Ms, p99Ms } = slice[leg];
      if (p50Ms === undefined || p99Ms === undefined) continue;
      const x = columnOf(slice) * slot + 3 + side * 7;
      upTo99.push(box(x, y(p99Ms), 6, y(p50Ms) - y(p99Ms)));
      median.push(box(x, y(p50Ms) - 2, 6, 4));
    }
    return markup`<path class="${`fill-${leg} pale`}" d="${upTo99.join('')}"/><path class="fill-${leg}" d="${median.join('')}"/>`;
  });
  return [
    markup`<svg class="scale" height="${latencyHeight}" aria-hidden="true">${scale.decades.map(
      (ms) =>
        markup`<text x="100%" text-anchor="end" y="${Math.min(latencyHeight - 1, Math.max(10, y(ms) + 4))}">${latencyText(
          ms,
        ).replace(/\.0+ /, ' ')}</text>`,
    )}</svg>`,
    plot(drawing, latencyHeight, [
      markup`<path class="axis" vector-effect="non-scaling-stroke" d="${lines.join('')}"/>`,
      bars,
    ]),
  ];
}

function callsPlot(drawing: Drawing): Piece {
  const { slices, columnOf } = drawing;
  const most = Math.max(1, ...slices.map(({ calls }) => calls));
  const heightOf = (count: number): number => Math.round((count / most) * (callsHeight - 2));
  const draw = (count: (slice: TimeSlice) => number, least: number): string =>
    slices
      .filter((slice) => count(slice) > 0)
      .map((slice) => {
        const height = Math.max(least, heightOf(count(slice)));
        return box(columnOf(slice) * slot + 3, callsHeight - height, 13, height);
      })
      .join('');
  return [
    markup`<svg class="scale" height="${callsHeight}" aria-hidden="true"><text x="100%" text-anchor="end" y="10">${countText(
      most,
    )}</text><text x="100%" text-anchor="end" y="${callsHeight - 2}">calls</text></svg>`,
    plot(drawing, callsHeight, [
      markup`<path class="fill-idle" d="${draw(({ calls }) => calls, 1)}"/>`,
      markup`<path class="fill-bad" d="${draw(({ failed, mismatch }) => failed + mismatch, leastMark)}"/>`,
    ]),
  ];
}

function box(x: number, y: number, width: number, height: number): string {
  return `M${String(x)} ${String(y)}h${String(width)}v${String(height)}h-${String(width)}z`;
}
