import { keyTarget, stages } from '@changeover/core';
import { isWhole } from '../command/ledger-lines.ts';
import { type Migration, type KeyStatus, keyStatuses } from '../command/migration.ts';
import { firstOf, name, type Section } from '../report/html/parts.ts';
import { markup, type Markup, type Piece } from '../report/markup.ts';
import { countText, visibleText } from '@changeover/bridge';
import { changeButton } from './change-button.ts';

const mostKeys = 1_000;
/** Fewer are found by looking. */
const fewestToFilter = 9;

/** Every key with its stage, the reason for it and its buttons: a table, and cards where there is no room for one. */
export function keysSection(migration: Migration, readOnly: boolean): Section {
  const { shown, rest } = firstOf(keyStatuses(migration), mostKeys, 'key', 'keys');
  return {
    id: 'keys',
    title: 'Keys',
    content: [
      shown.length === 0
        ? markup`<p class="empty">No key has been seen yet. The first call of a program that uses the bridge puts it here.</p>`
        : [shown.length >= fewestToFilter && filter, keyTable(migration, shown, readOnly)],
      rest,
    ],
  };
}

/** The page's script hides the rows that it doesn't name. */
const filter = markup`<p data-key="filter"><label>Show only <input type="search" id="filter" autocomplete="off" placeholder="${'part of a name, backend or stage'}"></label> <span id="filtered" class="soft small" role="status"></span></p>`;

interface Cell {
  readonly title: string;
  readonly kind: string;
  readonly content: Piece;
}

// The roles stay where the style sheet makes cards of the rows, which would take the table's meaning away.
function keyTable(migration: Migration, shown: readonly KeyStatus[], readOnly: boolean): Markup {
  const rows = shown.map((keyStatus) => ({
    keyStatus,
    cells: cellsOf(migration, keyStatus, readOnly),
  }));
  const heads = rows[0]?.cells ?? [];
  return markup`<table class="keys" role="table" aria-label="Keys"><thead role="rowgroup"><tr role="row">${heads.map(
    (cell) => markup`<th scope="col" role="columnheader" class="${cell.kind}">${cell.title}</th>`,
  )}</tr></thead><tbody role="rowgroup">${rows.map(
    ({ keyStatus: { backend, key }, cells }) =>
      markup`<tr role="row" data-key="${backend}/${key}">${cells.map(
        (cell, at) =>
          markup`<td role="${at === 0 ? 'rowheader' : 'cell'}" class="${cell.kind}" data-title="${cell.title}">${cell.content}</td>`,
      )}</tr>\n`,
  )}</tbody></table>`;
}

function cellsOf(migration: Migration, keyStatus: KeyStatus, readOnly: boolean): Cell[] {
  const { backend, key, by, why, flag, line } = keyStatus;
  const totals = migration.recordings?.byDataset.find(
    (one) => one.backend === backend && one.dataset === key,
  );
  const number = (title: string, count = 0, notable = false): Cell => ({
    title,
    kind: 'number',
    content:
      notable && count > 0
        ? markup`<span class="bad">${countText(count)}</span>`
        : countText(count),
  });
  return [
    {
      title: 'key',
      kind: 'subject',
      content: markup`${name(key)} <span class="soft small">${visibleText(backend)}</span>`,
    },
    { title: 'stage', kind: 'key-status', content: stageCell(keyStatus) },
    {
      title: 'why',
      kind: 'why',
      content: markup`${name(why)}${
        by !== 'hold' &&
        line?.held === true &&
        markup`<br><span class="soft">held by ${name(line.who)}: ${name(line.reason)}</span>`
      }`,
    },
    { title: 'flag asks', kind: 'asks', content: flag.stage },
    number('calls', totals?.calls),
    number('failed', totals?.failed, true),
    number('compared', totals?.compared),
    number('mismatches', totals?.mismatch, true),
    ...(readOnly ? [] : [{ title: 'change', kind: 'change', content: buttons(keyStatus) }]),
  ];
}

/** How far it is on the way, and the word for it. */
function stageCell({ stage, line }: KeyStatus): Markup {
  const reached = stages.indexOf(stage);
  return markup`<span class="way" aria-hidden="true">${stages.map(
    (_, at) => markup`<i class="${at <= reached ? `fill-${stage}` : ''}"></i>`,
  )}</span><span class="stage ${stage}">${stage}</span>${
    line?.held === true && markup` <span class="pill bad">held</span>`
  }`;
}

function buttons({ backend, key, stage, line }: KeyStatus): Markup {
  const held = line?.held === true && !isWhole(line);
  const target = keyTarget(key);
  return markup`<span class="buttons">${line?.held !== true && stage !== 'pooled' && changeButton('promote', backend, target, 'Promote')}${
    !held && changeButton('hold', backend, target, 'Hold')
  }${stage !== 'legacy' && changeButton('rollback', backend, target, 'Roll back')}${
    held && changeButton('resume', backend, target, 'Resume')
  }</span>`;
}
