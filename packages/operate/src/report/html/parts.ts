import { markup, type Markup, type Piece } from '../markup.ts';
import { isoTime, leftOutText, timeText } from '@changeover/bridge';
import type { Decision } from '@changeover/bridge';

/** A section with a heading that the table of contents links to. */
export interface Section {
  readonly id: string;
  readonly title: string;
  readonly content: Piece;
}

export function sectionMarkup({ id, title, content }: Section): Markup {
  return markup`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>${content}</section>\n`;
}

/** A column's heading and how its cells are set. */
export interface Column {
  readonly title: Piece;
  readonly kind?: 'number' | 'name' | 'wide' | 'nowrap';
}

/**
 * A table that scrolls inside its own frame where it is wider than the page. The first cell of a row is its heading.
 *
 * @param cellKind a class for one cell instead of its column's.
 */
export function table(
  label: string,
  columns: readonly Column[],
  rows: readonly (readonly Piece[])[],
  options: {
    readonly kind?: string;
    readonly cellKind?: (row: number, column: number) => string | undefined;
  } = {},
): Markup {
  const heads = columns.map(
    ({ title, kind }) => markup`<th scope="col" class="${kind ?? ''}">${title}</th>`,
  );
  const body = rows.map(
    (cells, row) =>
      markup`<tr>${cells.map((cell, column) => {
        const kind = options.cellKind?.(row, column) ?? columns[column]?.kind ?? '';
        return column === 0
          ? markup`<th scope="row" class="${kind}">${cell}</th>`
          : markup`<td class="${kind}">${cell}</td>`;
      })}</tr>\n`,
  );
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table class="${
    options.kind ?? ''
  }"><thead><tr>${heads}</tr></thead><tbody>${body}</tbody></table></div>`;
}

/** A name from data, kept from turning the text around it. */
export function name(text: string | undefined): Markup {
  return markup`<bdi>${text ?? '–'}</bdi>`;
}

export function moment(at: number): Markup {
  const iso = isoTime(at);
  return iso === undefined
    ? markup`${timeText(at)}`
    : markup`<time datetime="${iso}" class="nowrap">${timeText(at)}</time>`;
}

export function badge(decision: Decision): Markup {
  return markup`<span class="badge ${decisionClass(decision)}">${decision}</span>`;
}

export function decisionClass(decision: Decision): string {
  return decision.toLowerCase().replace(' ', '-');
}

/** The first few of a list, and a sentence on those left out. */
export function firstOf<Item>(
  items: readonly Item[],
  most: number,
  one: string,
  many: string,
): {
  readonly shown: readonly Item[];
  readonly rest: Piece;
} {
  const left = items.length - most;
  return {
    shown: items.slice(0, most),
    rest: left > 0 && markup`<p class="soft small">${leftOutText(left, one, many)}</p>`,
  };
}

export function legend(
  entries: readonly { readonly fill: string; readonly label: Piece }[],
): Markup {
  return markup`<ul class="legend">${entries.map(({ fill, label }) => markup`<li><i class="${fill}"></i>${label}</li>`)}</ul>`;
}
