import { stages, type Stage } from '@changeover/core';
import { countText, timeText, visibleText } from '@changeover/bridge';
import { type KeyLine, type KeyProblem, needsPerson } from '../key-line.ts';
import { markup, type Markup, name, type Piece } from '../markup.ts';

/** One cell of a list of keys, with its column. */
export interface KeyCell {
  readonly title: string;
  readonly kind: string;
  readonly content: Piece;
}

/** Where a key's own page is: a path below the console's address, a place in a report. */
export function keyPath(backend: string, key: string): string {
  return `${encodeURIComponent(backend.toWellFormed())}/${encodeURIComponent(key.toWellFormed())}`;
}

/** A table of keys, which is cards where there is no room for one. The roles stay there, which the style sheet would take away. */
export function keyTable(
  rows: readonly { readonly id: string; readonly cells: readonly KeyCell[] }[],
): Markup {
  const heads = rows[0]?.cells ?? [];
  return markup`<table class="keys" role="table" aria-label="Keys"><thead role="rowgroup"><tr role="row">${heads.map(
    (cell) => markup`<th scope="col" role="columnheader" class="${cell.kind}">${cell.title}</th>`,
  )}</tr></thead><tbody role="rowgroup">${rows.map(
    ({ id, cells }) =>
      markup`<tr role="row" data-key="${id}">${cells.map(
        (cell, at) =>
          markup`<td role="${at === 0 ? 'rowheader' : 'cell'}" class="${cell.kind}" data-title="${cell.title}">${cell.content}</td>`,
      )}</tr>\n`,
  )}</tbody></table>`;
}

/** @param href where the key's own page is. */
export function keyCells(line: KeyLine, href: string): readonly KeyCell[] {
  return [
    {
      title: 'key',
      kind: 'subject',
      content: markup`<a href="${href}">${name(keyText(line.key))}</a> <span class="soft small">${visibleText(line.backend)}</span>`,
    },
    { title: 'stage', kind: 'key-status', content: stagePiece(line.stage) },
    { title: 'state', kind: 'state', content: problemPiece(line.problem) },
    { title: 'why', kind: 'why', content: name(line.why) },
    number('calls', line.calls),
    number('failed', line.failed, true),
    number('compared', line.compared),
    number('mismatches', line.mismatch, true),
    { title: 'last seen', kind: 'seen', content: seenPiece(line.lastSeen) },
  ];
}

/** What concerns no key has a line as well. */
export function keyText(key: string): string {
  return key === '' ? 'no key' : visibleText(key);
}

/** To the minute: rows are compared at a glance. */
function seenPiece(at: number | undefined): Piece {
  if (at === undefined) return '–';
  const [date = '', time = ''] = timeText(at).split(' ');
  return markup`<span class="nowrap">${date}</span> <span class="nowrap">${time.slice(0, 5)}</span>`;
}

export function problemClass(problem: KeyProblem): string {
  return needsPerson(problem) ? 'bad' : problem === 'may step' ? 'good' : 'quiet';
}

function problemPiece(problem: KeyProblem): Markup {
  return markup`<span class="pill ${problemClass(problem)}">${problem}</span>`;
}

/** How far it is on the way, and the word for it. */
function stagePiece(stage: Stage): Markup {
  const reached = stages.indexOf(stage);
  return markup`<span class="way" aria-hidden="true">${stages.map(
    (_, at) => markup`<i class="${at <= reached ? `fill-${stage}` : ''}"></i>`,
  )}</span><span class="stage ${stage}">${stage}</span>`;
}

function number(title: string, count: number, notable = false): KeyCell {
  const text = countText(count);
  const content = notable && count > 0 ? markup`<span class="bad">${text}</span>` : text;
  return { title, kind: 'number', content };
}
