import { visibleText } from '@changeover/bridge';

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
export function escapeMarkup(text: string): string {
  return visibleText(text, Infinity)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
