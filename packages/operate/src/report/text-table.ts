import { visibleText } from '@changeover/bridge';

export interface TextColumn {
  readonly title: string;
  /** Set to the right. */
  readonly numeric?: boolean;
}

/** Letters, digits, dashes, quotes and ellipses of most texts: one column each, and no need of a segmenter, which takes 10 ms to make. */
const narrow = /^[\x20-\x7e\u00a1-\u02ff\u2010-\u2027]*$/;
let graphemes: Intl.Segmenter | undefined;
const wide =
  /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|\p{Emoji_Presentation}|[\u3000-\u303f\uff01-\uff60]/u;

/** Terminal columns that a text takes, near enough: two for East Asian characters and emoji, one for each other grapheme. */
export function textWidth(text: string): number {
  if (narrow.test(text)) return text.length;
  graphemes ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += wide.test(segment) ? 2 : 1;
  return width;
}

/** Lines of an aligned table. */
export function textTable(
  columns: readonly TextColumn[],
  rows: readonly (readonly string[])[],
): string[] {
  const cells = [columns.map(({ title }) => title), ...rows].map((row) =>
    row.map((cell) => visibleText(cell)),
  );
  const widths = columns.map((_, at) =>
    cells.reduce((most, row) => Math.max(most, textWidth(row[at] ?? '')), 0),
  );
  const lines = cells.map((row) =>
    columns
      .map(({ numeric }, at) => {
        const cell = row[at] ?? '';
        const space = ' '.repeat((widths[at] ?? 0) - textWidth(cell));
        return numeric === true ? space + cell : cell + space;
      })
      .join('  ')
      .trimEnd(),
  );
  return [
    ...lines.slice(0, 1),
    widths.map((width) => '─'.repeat(width)).join('  '),
    ...lines.slice(1),
  ];
}
