import { markup, type Markup, type Piece } from '../markup.ts';

/**
 * The charts are as wide as there is room: places along them are per cent, so that text and lines keep their size on
 * any screen. Each has a `label` for those who don't see it.
 */
export interface Segment {
  readonly label: string;
  readonly value: number;
  /** One of the style sheet's `fill-…` classes. */
  readonly fill: string;
}

function percent(share: number): string {
  return `${(Math.min(1, Math.max(0, share)) * 100).toFixed(3)}%`;
}

function chart(height: number, label: string, content: Piece): Markup {
  return markup`<svg class="chart" height="${height}" role="img" aria-label="${label}">${content}</svg>`;
}

/** One bar of parts in proportion, nothing where all are zero. */
export function stackedBar(label: string, segments: readonly Segment[]): Markup {
  const height = 26;
  const total = segments.reduce((sum, { value }) => sum + value, 0);
  let before = 0;
  const bars =
    total === 0
      ? []
      : segments
          .filter(({ value }) => value > 0)
          .map((segment) => {
            const [from, width] = [before / total, segment.value / total];
            before += segment.value;
            return markup`<rect class="${segment.fill}" x="${percent(from)}" width="${percent(width)}" height="${height}"><title>${
              segment.label
            }</title></rect>`;
          });
  return chart(height, label, bars);
}

/** Places on an axis of equal ratios, from a power of ten to a power of ten. */
export interface LogScale {
  readonly decades: readonly number[];
  /** From 0 to 1. */
  readonly place: (value: number) => number;
}

/** An axis with room for all values above zero. */
export function logScale(values: readonly number[]): LogScale {
  const logs = values.filter((value) => value > 0 && Number.isFinite(value)).map(Math.log10);
  const least = logs.reduce((a, b) => Math.min(a, b), Infinity);
  const most = logs.reduce((a, b) => Math.max(a, b), -Infinity);
  const from = logs.length === 0 ? 0 : Math.floor(least);
  const to = logs.length === 0 ? 1 : Math.max(from + 1, Math.ceil(most));
  return {
    decades: Array.from({ length: to - from + 1 }, (_, at) => 10 ** (from + at)),
    place: (value) =>
      value > 0 ? Math.min(1, Math.max(0, (Math.log10(value) - from) / (to - from))) : 0,
  };
}

/** A leg's latency: a dot at the median, a thick line to p95, a thin one to p99. */
export function rangeBar(
  label: string,
  fill: string,
  scale: LogScale,
  figures: { readonly p50: number; readonly p95: number; readonly p99: number },
): Markup {
  const [middle, height] = [8, 16];
  const [p50, p95, p99] = [
    scale.place(figures.p50),
    scale.place(figures.p95),
    scale.place(figures.p99),
  ];
  return chart(height, label, [
    decadeLines(scale, height),
    markup`<rect class="${fill}" x="${percent(p50)}" width="${percent(p99 - p50)}" y="${middle - 1}" height="2"/>`,
    markup`<rect class="${fill}" x="${percent(p50)}" width="${percent(p95 - p50)}" y="${middle - 4}" height="8"/>`,
    markup`<rect class="${fill}" x="${percent(p99)}" width="2" y="${middle - 4}" height="8"/>`,
    markup`<circle class="${fill}" cx="${percent(p50)}" cy="${middle}" r="6"/>`,
  ]);
}

function decadeLines({ decades, place }: LogScale, height: number): Markup[] {
  return decades.map(
    (value) =>
      markup`<line class="axis" x1="${percent(place(value))}" x2="${percent(place(value))}" y2="${height}"/>`,
  );
}

/** The numbers above range bars; the first and last one stay inside. */
export function decadeLabels(
  { decades, place }: LogScale,
  text: (value: number) => string,
): Markup {
  const last = decades.length - 1;
  const step = Math.ceil(decades.length / 5);
  const labels = decades.flatMap((value, at) =>
    at % step === 0 || at === last
      ? markup`<text x="${percent(place(value))}" y="12" text-anchor="${at === 0 ? 'start' : at === last ? 'end' : 'middle'}">${text(
          value,
        )}</text>`
      : [],
  );
  return chart(16, 'axis', labels);
}

/** How many there were of each kind between two moments. */
export interface BandStep {
  readonly from: number;
  readonly to: number;
  readonly parts: readonly Segment[];
}

/** Bands over time that show how many are of each kind, with a mark wherever something was taken back. */
export function stepBands(
  label: string,
  steps: readonly BandStep[],
  marks: readonly { readonly at: number; readonly label: string }[],
): Markup {
  const [height, top] = [64, 14];
  const start = steps[0]?.from ?? 0;
  const span = Math.max(1, (steps.at(-1)?.to ?? 0) - start);
  const bands = steps.map(({ from, to, parts }) => {
    const total = parts.reduce((sum, { value }) => sum + value, 0);
    let y = top;
    return parts
      .filter(({ value }) => value > 0)
      .map((part) => {
        const size = (part.value / Math.max(1, total)) * height;
        const [x, width] = [percent((from - start) / span), percent((to - from) / span)];
        const rect = markup`<rect class="${part.fill}" shape-rendering="crispEdges" x="${x}" width="${width}" y="${y.toFixed(
          2,
        )}" height="${size.toFixed(2)}"><title>${part.label}: ${part.value}</title></rect>`;
        y += size;
        return rect;
      });
  });
  const signs = marks.map(
    ({ at, label: text }) =>
      markup`<svg x="${percent((at - start) / span)}" y="0" overflow="visible"><path d="${'M-6 1h12L0 11z'}" class="fill-bad"><title>${text}</title></path></svg>`,
  );
  return chart(height + top, label, [bands, signs]);
}
