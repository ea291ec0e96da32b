import { type LedgerChange, visibleText } from '@changeover/bridge';
import { changeText } from '../command/history.ts';
import { isWhole, lineSubject } from '../command/ledger-lines.ts';
import type { Migration } from '../command/migration.ts';
import { firstOf, markup, type Markup, moment, name, type Section } from '../report/markup.ts';

const mostLines = 100;

/** What was moved, by whom, when and why, the latest first. */
export function ledgerSection(migration: Migration): Section {
  const { shown, rest } = firstOf(migration.ledger.toReversed(), mostLines, 'line', 'lines');
  return {
    id: 'ledger',
    title: 'Ledger',
    content: [
      markup`<p class="soft small">${name(migration.ledgerPlace)}</p>`,
      shown.length === 0
        ? markup`<p class="empty">Nothing has been moved yet.</p>`
        : markup`<ol class="timeline">${shown.map(lineMarkup)}</ol>`,
      rest,
    ],
  };
}

function lineMarkup(line: LedgerChange): Markup {
  const whole = isWhole(line);
  const dot = whole && !line.held ? 'idle' : line.to;
  return markup`<li data-key="${line.sequence}"><i class="fill-${dot}" aria-hidden="true"></i><p><strong>${visibleText(line.backend)} ${
    whole ? 'as a whole' : name(lineSubject(line))
  }</strong> ${changeText(line)}</p><p class="reason">${name(line.reason)}</p><p class="${'soft small'}">${moment(line.at)} by ${name(line.who)}</p></li>`;
}
