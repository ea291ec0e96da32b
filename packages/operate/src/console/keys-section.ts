import { keyTarget } from '@changeover/core';
import { countText, visibleText } from '@changeover/bridge';
import { isWhole } from '../command/ledger-lines.ts';
import type { KeyStatus } from '../command/migration.ts';
import { type KeyCell, keyCells, keyPath, keyTable } from '../report/html/key-table.ts';
import { markup, type Markup, name, type Piece, type Section } from '../report/markup.ts';
import { filteredKeys, type KeyLine, keySorts, sortedKeys } from '../report/key-line.ts';
import { changeButton } from './change-button.ts';
import type { WorkedFigures } from './console-figures.ts';
import type { PageRequest } from './page-request.ts';

const keysAPage = 50;
/** Fewer are found by looking. */
const fewestToFilter = 9;

/** A page of the keys in the order and with the filter that were asked for, each with its stage, the reason for it and its buttons. */
export function keysSection(figures: WorkedFigures, request: PageRequest): Section {
  const { lines } = figures;
  const found = sortedKeys(filteredKeys(lines, request.filter), request.sort);
  const pages = Math.max(1, Math.ceil(found.length / keysAPage));
  const page = Math.min(request.page, pages - 1);
  const shown = found.slice(page * keysAPage, (page + 1) * keysAPage);
  return {
    id: 'keys',
    title: 'Keys',
    content:
      lines.length === 0
        ? markup`<p class="empty">No key has been seen yet. The first call of a program that uses the bridge puts it here.</p>`
        : [
            lines.length >= fewestToFilter && [
              tools(request),
              countLine({ found, page, of: lines.length }),
            ],
            keyTable(
              shown.map((line) => ({
                id: `${line.backend}/${line.key}`,
                cells: rowCells(figures, line),
              })),
            ),
            pages > 1 && turnPage(page, pages),
          ],
  };
}

/** The page's script asks for another view where any of these is changed. */
function tools({ sort, filter }: PageRequest): Markup {
  return markup`<p class="tools" data-key="tools"><span><label for="sort">Order</label> <select id="sort">${keySorts.map(
    (one) =>
      markup`<option value="${one}"${one === sort && markup` selected`}>${one === 'problem' ? 'problems first' : one}</option>`,
  )}</select></span> <span><label for="filter">Show only</label> <input type="search" id="filter" autocomplete="off" placeholder="${'part of a name, stage or state'}" value="${filter}"></span></p>`;
}

function countLine({
  found,
  page,
  of,
}: {
  readonly found: readonly KeyLine[];
  readonly page: number;
  readonly of: number;
}): Markup {
  const from = page * keysAPage + 1;
  const to = Math.min(found.length, (page + 1) * keysAPage);
  const text =
    found.length === 0
      ? 'No key is called that.'
      : `${countText(from)} to ${countText(to)} of ${countText(found.length)} ${found.length === 1 ? 'key' : 'keys'}${
          found.length < of ? ` found in ${countText(of)}` : ''
        }`;
  return markup`<p id="filtered" class="soft small" data-key="filtered" role="status">${text}</p>`;
}

function turnPage(page: number, pages: number): Markup {
  return markup`<p class="tools" data-key="pages"><a href="?page=${Math.max(0, page - 1)}" data-page="${Math.max(0, page - 1)}">‹ Before</a> <span>Page ${countText(
    page + 1,
  )} of ${countText(pages)}</span> <a href="?page=${Math.min(pages - 1, page + 1)}" data-page="${Math.min(pages - 1, page + 1)}">Next ›</a></p>`;
}

function rowCells({ migration, readOnly }: WorkedFigures, line: KeyLine): readonly KeyCell[] {
  const { backend, key } = line;
  const status = migration.keyStatus(backend, key);
  const cells = keyCells(line, `/keys/${keyPath(backend, key)}`).map((cell) =>
    cell.kind === 'why'
      ? { ...cell, content: whyPiece(line, status) }
      : cell.kind === 'key-status'
        ? { ...cell, content: markup`${cell.content}${limitPiece(line, status)}` }
        : cell,
  );
  return readOnly
    ? cells
    : [...cells, { title: 'change', kind: 'change', content: keyButtons(status, line) }];
}

/** What the gates say; where they say nothing, who decides. */
function whyPiece({ why }: KeyLine, { why: decided }: KeyStatus): Piece {
  return name(why === '' ? decided : why);
}

/** That it is held, where its state doesn't say so, and what its flag asks, where that is not where it is. */
function limitPiece({ problem }: KeyLine, { stage, flag, line }: KeyStatus): Piece {
  return [
    line?.held === true && problem !== 'held' && markup` <span class="pill bad">held</span>`,
    flag.stage !== stage && markup`<span class="asks">flag asks ${flag.stage}</span>`,
  ];
}

/** What may be done with a key where it stands. A step that its gates would refuse says why. */
export function keyButtons(
  { backend, key, stage, line }: KeyStatus,
  { decision, why }: Pick<KeyLine, 'decision' | 'why'>,
): Markup {
  const held = line?.held === true && !isWhole(line);
  const target = keyTarget(key);
  const whyNot =
    decision === undefined || decision === 'PROMOTE'
      ? undefined
      : `Its gates say ${decision}: ${visibleText(why)}`;
  return markup`<span class="buttons">${line?.held !== true && stage !== 'pooled' && changeButton('promote', backend, target, 'Promote', whyNot)}${
    !held && changeButton('hold', backend, target, 'Hold')
  }${stage !== 'legacy' && changeButton('rollback', backend, target, 'Roll back')}${
    held && changeButton('resume', backend, target, 'Resume')
  }</span>`;
}
