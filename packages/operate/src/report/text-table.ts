import { visibleText } from '@changeover/bridge';

export interface TextColumn {
  readonly title: string;
  /** Set to the right. */
  readonly numeric?: boolean;
  /** Where it may be cut for want of room: a name in the middle, since names differ at their ends; a sentence at its end. Default:
   * it is never cut. */
  readonly cut?: 'middle' | 'end';
  /** Where there is no room it is left out, the lowest first. Default: it never is. */
  readonly spare?: number;
}

/** Cut columns keep so much, or what they have. */
const leastWidths = { middle: 12, end: 20 } as const;
const gap = 2;

/** Letters, digits, dashes, quotes and ellipses of most texts: one column each, and no need of a segmenter, which takes 10 ms to make. */
const narrow = /^[\x20-\x7e\u00a1-\u02ff\u2010-\u2027]*$/;
let graphemes: Intl.Segmenter | undefined;
const wide =
  /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|\p{Emoji_Presentation}|[\u3000-\u303f\uff01-\uff60]/u;

/** Terminal columns that a text takes, near enough: two for East Asian characters and emoji, one for each other grapheme. */
export function textWidth(text: string): number {
  if (narrow.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segmentsOf(text)) width += segmentWidth(segment);
  return width;
}

function segmentWidth(segment: string): number {
  return wide.test(segment) ? 2 : 1;
}

/**
 * Lines of an aligned table.
 *
 * @param width terminal columns that it may take, as far as its columns can be cut and left out; the last line then says what was
 * left out. Default: as many as it needs, for files and pipes.
 */
export function textTable(
  columns: readonly TextColumn[],
  rows: readonly (readonly string[])[],
  width?: number,
): string[] {
  const all = columns.map((column, at): FittedColumn => {
    const cells = [column.title, ...rows.map((row) => row[at] ?? '')].map((cell) =>
      visibleText(cell),
    );
    return {
      column,
      cells,
      width: cells.reduce((most, cell) => Math.max(most, textWidth(cell)), 0),
    };
  });
  const room = width ?? Infinity;
  const shown = shrunk(withoutSpare(all, room), room);
  const lines = [undefined, ...rows].map((_, line) =>
    shown
      .map((one) => {
        const cell = cutText(one.cells[line] ?? '', one.width, one.column.cut);
        const space = ' '.repeat(one.width - textWidth(cell));
        return one.column.numeric === true ? space + cell : cell + space;
      })
      .join(' '.repeat(gap))
      .trimEnd(),
  );
  const left = columns.filter((column) => !shown.some((one) => one.column === column));
  return [
    ...lines.slice(0, 1),
    shown.map((one) => '─'.repeat(one.width)).join(' '.repeat(gap)),
    ...lines.slice(1),
    ...(left.length === 0
      ? []
      : [`(no room here for: ${left.map(({ title }) => title).join(', ')})`]),
  ];
}

interface FittedColumn {
  readonly column: TextColumn;
  readonly cells: readonly string[];
  readonly width: number;
}

function totalOf(columns: readonly FittedColumn[], widthOf: (one: FittedColumn) => number): number {
  return columns.reduce((sum, one) => sum + widthOf(one) + gap, -gap);
}

function leastWidth({ column: { cut }, width }: FittedColumn): number {
  return cut === undefined ? width : Math.min(width, leastWidths[cut]);
}

function withoutSpare(columns: readonly FittedColumn[], room: number): readonly FittedColumn[] {
  if (totalOf(columns, leastWidth) <= room) return columns;
  const rank = ({ column: { spare = Infinity } }: FittedColumn): number => spare;
  const least = Math.min(...columns.map(rank));
  return least === Infinity
    ? columns
    : withoutSpare(
        columns.filter((one) => rank(one) !== least),
        room,
      );
}

/** Sentences give way first, then names, the widest of each first. */
function shrunk(columns: readonly FittedColumn[], room: number): readonly FittedColumn[] {
  const excess = totalOf(columns, ({ width }) => width) - room;
  if (excess <= 0) return columns;
  const spareOf = (one: FittedColumn): number => one.width - leastWidth(one);
  const [first] = (['end', 'middle'] as const).flatMap((cut) =>
    columns
      .filter((one) => one.column.cut === cut && spareOf(one) > 0)
      .sort((a, b) => spareOf(b) - spareOf(a)),
  );
  if (first === undefined) return columns;
  const width = first.width - Math.min(excess, spareOf(first));
  return shrunk(
    columns.map((one) => (one === first ? { ...one, width } : one)),
    room,
  );
}

/** As much of a text as fits, with … where something is missing. */
function cutText(text: string, width: number, cut: TextColumn['cut']): string {
  if (textWidth(text) <= width) return text;
  const segments = [...segmentsOf(text)].map(({ segment }) => segment);
  const tailWidth = cut === 'middle' ? Math.floor((width - 1) / 2) : 0;
  const tail = firstOfWidth(segments.toReversed(), tailWidth).toReversed();
  const head = firstOfWidth(segments, width - 1 - textWidth(tail.join('')));
  return `${head.join('')}…${tail.join('')}`;
}

function firstOfWidth(segments: readonly string[], width: number): string[] {
  const taken: string[] = [];
  let left = width;
  for (const segment of segments) {
    left -= segmentWidth(segment);
    if (left < 0) break;
    taken.push(segment);
  }
  return taken;
}

function segmentsOf(text: string): Iterable<{ readonly segment: string }> {
  graphemes ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  return graphemes.segment(text);
}
