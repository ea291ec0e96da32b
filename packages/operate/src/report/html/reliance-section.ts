import { countText, relianceTexts, type ReportData, visibleText } from '@changeover/bridge';
import { markup } from '../markup.ts';
import { firstOf, name, type Section, table } from './parts.ts';

const mostLines = 200;

/** What callers rely on of what the singleton guaranteed, with the call sites to change. */
export function relianceSection({ data }: { readonly data: ReportData }): Section {
  const { shown, rest } = firstOf(relianceTexts(data.reliance), mostLines, 'line', 'lines');
  return {
    id: 'reliance',
    title: 'What callers rely on',
    content:
      shown.length === 0
        ? markup`<p class="empty">No call was seen to rely on order, exclusion or session state.</p>`
        : [
            table(
              'What callers rely on, by key and guarantee',
              [
                { title: 'key', kind: 'name' },
                { title: 'backend', kind: 'nowrap' },
                { title: 'what', kind: 'wide' },
                { title: 'calls', kind: 'number' },
                { title: 'on the pooled leg', kind: 'nowrap' },
                { title: 'call sites', kind: 'wide' },
                { title: 'what to write instead', kind: 'wide' },
              ],
              shown.map((one) => [
                name(one.key),
                name(visibleText(one.backend)),
                one.what,
                countText(one.count),
                one.kept
                  ? markup`<span class="good">✓ kept</span>`
                  : markup`<span class="bad">✕ not kept</span>`,
                one.sites.map((site, at) => markup`${at > 0 && markup`<br>`}<code>${site}</code>`),
                one.instead,
              ]),
            ),
            rest,
          ],
  };
}
