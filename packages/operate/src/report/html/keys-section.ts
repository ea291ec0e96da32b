import { stages } from '@changeover/core';
import { countText, type ReportVerdict, visibleText } from '@changeover/bridge';
import { KeyFinder, keyLines } from '../key-figures.ts';
import { type KeyLine, keyProblems, keySorts } from '../key-line.ts';
import { markup, type Markup, type Piece, rawMarkup, type Section } from '../markup.ts';
import type { Report } from '../report.ts';
import { keyDetail } from './key-detail.ts';
import { keyCells, keyPath, keyTable, keyText, problemClass } from './key-table.ts';
import { keysScript, keysAPage } from './keys-script.ts';

/** Keys whose rows are in the page; more are in the JSON report. */
const mostKeys = 3_000;
/** Characters of all details together: the page is sent by mail, and opened on a phone. */
const mostDetail = 250_000;
const mostWhy = 240;

/**
 * Every key, problems first, in pages, with a filter and the order that the reader wants. The page holds the rows as data and shows a
 * few of them; where no script may run those that need a look stand there all the same.
 */
export function keysSection(report: Report, verdict: ReportVerdict): Section {
  const lines = keyLines(report, verdict);
  return {
    id: 'keys',
    title: 'Keys',
    content:
      lines.length === 0 ? markup`<p>No key was called.</p>` : keyList(lines, report, verdict),
  };
}

function keyList(lines: readonly KeyLine[], report: Report, verdict: ReportVerdict): Piece {
  const shown = lines.slice(0, mostKeys);
  const first = shown.slice(0, keysAPage);
  return [
    markup`<div id="keys-list"><p id="keys-tools" class="tools" hidden><span><label for="keys-sort">Order</label> <select id="keys-sort">${keySorts.map(
      (sort) =>
        markup`<option value="${sort}">${sort === 'problem' ? 'problems first' : sort}</option>`,
    )}</select></span> <span><label for="keys-filter">Show only</label> <input type="search" id="keys-filter" autocomplete="off" placeholder="${'part of a name, stage or state'}"></span></p>`,
    markup`<p class="soft small" id="keys-count" role="status">${
      shown.length > first.length
        ? `The first ${countText(first.length)} of ${countText(lines.length)} keys, problems first. Where scripts may run, all of them are here.`
        : `${countText(lines.length)} ${lines.length === 1 ? 'key' : 'keys'}, problems first.`
    }</p>`,
    keyTable(
      first.map((line) => ({
        id: `${visibleText(line.backend)}/${visibleText(line.key)}`,
        cells: keyCells(
          { ...line, why: line.why.slice(0, mostWhy) },
          `#key/${keyPath(visibleText(line.backend), visibleText(line.key))}`,
        ),
      })),
    ),
    markup`<p id="keys-pages" class="buttons" hidden><button type="button" id="keys-before">‹ Before</button> <span id="keys-page"></span> <button type="button" id="keys-next">Next ›</button></p>`,
    lines.length > shown.length &&
      markup`<p class="soft small">${countText(lines.length - shown.length)} more keys are in the JSON report.</p>`,
    markup`</div><div id="key-view" hidden><p><a href="#keys">‹ All keys</a></p><h3 id="key-name"></h3><div id="key-detail"></div></div>`,
    dataBlock('keys-data', { ...rowsOf(shown), details: detailsOf(shown, report, verdict) }),
    markup`<script>${rawMarkup(keysScript)}</script>`,
  ];
}

/** Numbers in place of words that come again and again. */
function rowsOf(lines: readonly KeyLine[]): object {
  const backends = [...new Set(lines.map(({ backend }) => visibleText(backend)))];
  return {
    backends,
    stages,
    problems: keyProblems.map((problem) => [problem, problemClass(problem)]),
    rows: lines.map((line) => [
      backends.indexOf(visibleText(line.backend)),
      visibleText(line.key),
      keyText(line.key),
      stages.indexOf(line.stage),
      keyProblems.indexOf(line.problem),
      line.calls,
      line.failed,
      line.compared,
      line.mismatch,
      line.lastSeen === undefined ? 0 : Math.floor(line.lastSeen / 1_000),
      visibleText(line.why, mostWhy),
    ]),
  };
}

/** As many as there is room for, those with problems first. */
function detailsOf(lines: readonly KeyLine[], report: Report, verdict: ReportVerdict): string[] {
  const finder = KeyFinder.of(report, verdict);
  const details: string[] = [];
  let room = mostDetail;
  for (const line of lines) {
    const { text } = markup`${keyDetail(finder.figures(line))}`;
    room -= text.length;
    if (room < 0) break;
    details.push(text);
  }
  return details;
}

/** Data for the page's script. Nothing in it can end the element it is in. */
function dataBlock(id: string, value: object): Markup {
  const text = JSON.stringify(value).replaceAll('</', '<\\/').replaceAll('<!--', '\\u003c!--');
  return markup`<script type="application/json" id="${id}">${rawMarkup(text)}</script>`;
}
