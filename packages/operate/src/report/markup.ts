import { type Decision, isoTime, leftOutText, timeText, visibleText } from '@changeover/bridge';

/** Text that is markup already. Only the tag below and `rawMarkup` make it, so whatever else is put in is escaped. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What can stand in markup: markup as it is, lists piece by piece, nothing as nothing, the rest escaped. */
export type Piece = Markup | string | number | undefined | false | readonly Piece[];

/** Markup with its holes escaped, for elements' content and for attributes in double quotes. */
export function markup(strings: TemplateStringsArray, ...pieces: readonly Piece[]): Markup {
  return new Markup(strings.map((string, at) => string + textOf(pieces[at])).join(''));
}

/** Text that can't hold anything from data. */
export function rawMarkup(text: string): Markup {
  return new Markup(text);
}

function textOf(piece: Piece): string {
  if (piece === undefined || piece === false) return '';
  if (piece instanceof Markup) return piece.text;
  if (typeof piece === 'object') return piece.map(textOf).join('');
  return escapeMarkup(String(piece));
}

/** For HTML and XML alike. */
function escapeMarkup(text: string): string {
  return visibleText(text, Infinity)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

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
