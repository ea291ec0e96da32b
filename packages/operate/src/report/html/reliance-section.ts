import {
  countText,
  type RelianceText,
  relianceTexts,
  type ReportData,
  visibleText,
} from '@changeover/bridge';
import { type Column, firstOf, markup, name, type Piece, type Section, table } from '../markup.ts';

const mostLines = 200;

const nothing = markup`<p class="empty">No call was seen to rely on order, exclusion or session state.</p>`;

/**
 * What callers rely on, a guarantee a line.
 *
 * @param about what stands before each line of them.
 */
function relianceTable(
  caption: string,
  lines: readonly RelianceText[],
  about: readonly { readonly column: Column; readonly cell: (one: RelianceText) => Piece }[] = [],
): Piece {
  if (lines.length === 0) return nothing;
  return table(
    caption,
    [
      ...about.map(({ column }) => column),
      { title: 'what', kind: 'wide' },
      { title: 'calls', kind: 'number' },
      { title: 'on the pooled leg', kind: 'nowrap' },
      { title: 'call sites', kind: 'wide' },
      { title: 'what to write instead', kind: 'wide' },
    ],
    lines.map((one) => [
      ...about.map(({ cell }) => cell(one)),
      one.what,
      countText(one.count),
      one.kept
        ? markup`<span class="good">✓ kept</span>`
        : markup`<span class="bad">✕ not kept</span>`,
      one.sites.map((site, at) => markup`${at > 0 && markup`<br>`}<code>${site}</code>`),
      one.instead,
    ]),
  );
}

/** What the callers of one key rely on. */
export function relianceOfKey(lines: readonly RelianceText[]): Piece {
  return relianceTable('What callers rely on', lines);
}

/** What callers rely on of what the singleton guaranteed, with the call sites to change. */
export function relianceSection({ data }: { readonly data: ReportData }): Section {
  const { shown, rest } = firstOf(relianceTexts(data.reliance), mostLines, 'line', 'lines');
  const lines = relianceTable('What callers rely on, by key and guarantee', shown, [
    { column: { title: 'key', kind: 'name' }, cell: ({ key }) => name(key) },
    {
      column: { title: 'backend', kind: 'nowrap' },
      cell: ({ backend }) => name(visibleText(backend)),
    },
  ]);
  return {
    id: 'reliance',
    title: 'What callers rely on',
    content: shown.length === 0 ? lines : [lines, rest],
  };
}
