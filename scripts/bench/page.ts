import {
  markup,
  type Markup,
  type Piece,
  rawMarkup,
  table,
} from '../../packages/operate/src/report/markup.ts';
import { pageStyle } from '../../packages/operate/src/report/html/page-style.ts';
import { digits } from './digits.ts';
import type { Figure, Plot } from './figure.ts';
import { plotStyle, renderPlot } from './plot.ts';

export { digits };

/** No script, no request: the page is what it is, wherever it is opened. */
const policy =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/** A part of a page. */
export interface PageSection {
  readonly id: string;
  readonly title: string;
  readonly content: Piece;
}

/** One page that needs nothing but itself. */
export function renderPage(
  title: string,
  sayings: readonly string[],
  sections: readonly PageSection[],
): string {
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${rawMarkup(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${rawMarkup(pageStyle)}
${rawMarkup(plotStyle)}</style>
</head>
<body>
<header class="top"><h1>${title}</h1>${sayings.map((saying) => markup`<p class="soft">${saying}</p>`)}
<nav aria-label="Sections"><ul>${sections.map(({ id, title: text }) => markup`<li><a href="#${id}">${text}</a></li>`)}</ul></nav></header>
<main>
${sections.map(({ id, title: text, content }) => markup`<section id="${id}"><h2>${text}</h2>${content}</section>\n`)}</main>
<footer>Nothing here is fetched from anywhere.</footer>
</body>
</html>
`.text;
}

const colours = { held: 'good', "can't tell": 'soft', missed: 'bad' } as const;

/** Figures beside their targets. */
export function figureTable(label: string, figures: readonly Figure[]): Markup {
  return table(
    label,
    [
      { title: 'what', kind: 'wide' },
      { title: 'figure', kind: 'number' },
      { title: 'interval', kind: 'number' },
      { title: 'rounds', kind: 'number' },
      { title: 'target', kind: 'number' },
      { title: 'verdict' },
      { title: 'beside it', kind: 'wide' },
    ],
    figures.map(({ name, figure, unit, interval, rounds, target, verdict, beside }) => [
      name,
      `${digits(figure)} ${unit}`,
      `${digits(interval[0])} to ${digits(interval[1])}`,
      String(rounds),
      target,
      markup`<span class="${colours[verdict]}">${verdict}</span>`,
      beside ?? '',
    ]),
  );
}

export function plotsOf(plots: readonly Plot[]): Markup[] {
  return plots.map(renderPlot);
}
