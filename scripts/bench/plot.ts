import { legend, markup, type Markup } from '../../packages/operate/src/report/markup.ts';
import type { Plot } from './figure.ts';

const [width, height] = [720, 300];
const frame = { left: 70, right: 12, top: 10, bottom: 42 };
/** The style sheet's colours, in the order of the lines. */
const strokes = [
  'var(--pooled)',
  'var(--legacy)',
  'var(--good)',
  'var(--shed)',
  'var(--bad)',
  'var(--idle)',
] as const;

interface Axis {
  readonly ticks: readonly number[];
  /** From 0 to 1. */
  place(value: number): number;
}

/** Lines as plain SVG, with a dot and a title at each point where they are few. */
export function renderPlot(plot: Plot): Markup {
  const points = plot.series.flatMap((series) => series.points);
  const axisOf = plot.logarithmic === true ? logarithmicAxis : linearAxis;
  const x = axisOf(
    points.map(([value]) => value),
    false,
  );
  const y = axisOf(
    points.map(([, value]) => value),
    true,
  );
  const left = (value: number): number =>
    frame.left + x.place(value) * (width - frame.left - frame.right);
  const top = (value: number): number =>
    height - frame.bottom - y.place(value) * (height - frame.top - frame.bottom);
  const lines = plot.series.map((series, at) => {
    const path = series.points
      .map(
        ([a, b], index) => `${index === 0 ? 'M' : 'L'}${left(a).toFixed(1)} ${top(b).toFixed(1)}`,
      )
      .join('');
    const stroke = strokes[at % strokes.length] ?? 'currentColor';
    const dots =
      series.points.length > 40
        ? []
        : series.points.map(
            ([a, b]) =>
              markup`<circle cx="${left(a).toFixed(1)}" cy="${top(b).toFixed(1)}" r="3" fill="${stroke}"><title>${
                series.name
              }: ${short(a)}, ${short(b)}</title></circle>`,
          );
    return markup`<path d="${path}" fill="none" stroke="${stroke}" stroke-width="2"/>${dots}`;
  });
  return markup`<h3>${plot.title}</h3><svg viewBox="0 0 ${width} ${height}" class="chart plot" role="img" aria-label="${plot.title}">
${y.ticks.map(
  (tick) =>
    markup`<line class="axis" x1="${frame.left}" x2="${width - frame.right}" y1="${top(tick).toFixed(1)}" y2="${top(
      tick,
    ).toFixed(
      1,
    )}"/><text x="${frame.left - 6}" y="${(top(tick) + 4).toFixed(1)}" text-anchor="end">${short(tick)}</text>`,
)}
${x.ticks.map(
  (tick) =>
    markup`<text x="${left(tick).toFixed(1)}" y="${height - frame.bottom + 16}" text-anchor="middle">${short(tick)}</text>`,
)}
<text x="${width / 2}" y="${height - 6}" text-anchor="middle">${plot.xTitle}</text>
<text transform="translate(12 ${height / 2}) rotate(-90)" text-anchor="middle">${plot.yTitle}</text>
${lines}</svg>${legend(plot.series.map((series, at) => ({ fill: `line-${at % strokes.length}`, label: series.name })))}`;
}

/** The colours of the legends' squares. */
export const plotStyle: string = `${strokes.map((stroke, at) => `.line-${at} { background: ${stroke}; }`).join(' ')}
.plot { max-width: 860px; height: auto; }`;

function linearAxis(values: readonly number[], fromZero: boolean): Axis {
  const low = fromZero ? Math.min(0, least(values)) : least(values);
  const high = Math.max(most(values), low + 1e-9);
  const step = niceStep((high - low) / 5);
  const start = Math.ceil(low / step - 1e-9);
  const ticks = Array.from(
    { length: Math.floor((high - start * step) / step + 1e-9) + 1 },
    (_, at) => (start + at) * step,
  );
  return { ticks, place: (value) => (value - low) / (high - low) };
}

function logarithmicAxis(values: readonly number[]): Axis {
  const logs = values.filter((value) => value > 0).map(Math.log10);
  const from = Math.floor(least(logs) + 1e-9);
  const to = Math.max(from + 1, Math.ceil(most(logs) - 1e-9));
  return {
    ticks: Array.from({ length: to - from + 1 }, (_, at) => 10 ** (from + at)),
    place: (value) => (value > 0 ? (Math.log10(value) - from) / (to - from) : 0),
  };
}

function least(values: readonly number[]): number {
  return values.reduce((one, other) => Math.min(one, other), values[0] ?? 0);
}

function most(values: readonly number[]): number {
  return values.reduce((one, other) => Math.max(one, other), values[0] ?? 1);
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
}

function short(value: number): string {
  if (Math.abs(value) >= 1e6) return `${Number((value / 1e6).toPrecision(3))} M`;
  if (Math.abs(value) >= 1e4) return `${Number((value / 1e3).toPrecision(3))} k`;
  return String(Number(value.toPrecision(3)));
}
