import { markup, type Markup, type Piece, rawMarkup } from '@changeover/operate';
import { pageStyle } from '@changeover/operate';
import { table } from '@changeover/operate';
import type { Figure, Plot } from './figure.ts';
import { plotStyle, renderPlot } from './plot.ts';

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

/** Figures beside their targets. */
export function figureTable(label: string, figures: readonly Figure[]): Markup {
  return table(
    label,
    [
      { title: 'what', kind: 'wide' },
      { title: 'figure', kind: 'number' },
      { title: 'half of the rounds', kind: 'number' },
      { title: 'target', kind: 'number' },
      { title: 'holds' },
      { title: 'beside it', kind: 'wide' },
    ],
    figures.map(({ name, figure, unit, spread, target, holds, beside }) => [
      name,
      `${digits(figure)} ${unit}`,
      spread === undefined ? '' : `${digits(spread[0])} to ${digits(spread[1])}`,
      target,
      markup`<span class="${holds ? 'good' : 'bad'}">${holds ? 'holds' : 'missed'}</span>`,
      beside ?? '',
    ]),
  );
}

export function plotsOf(plots: readonly Plot[]): Markup[] {
  return plots.map(renderPlot);
}

/** A figure with as many digits as it is worth. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return Math.abs(value) < 10
    ? value.toFixed(Math.abs(value) < 0.1 ? 3 : 2)
    : value.toFixed(Math.abs(value) < 1_000 ? 1 : 0);
}
