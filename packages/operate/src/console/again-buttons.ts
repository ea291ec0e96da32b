import type { SampleGroup } from '@changeover/bridge';
import { markup, type Piece } from '../report/markup.ts';
import { visibleText } from '@changeover/bridge';

/** A button that copies a line to type. */
export function copyButton(command: string): Piece {
  return markup`<span class="buttons"><button type="button" data-key="copy ${command}" data-copy="${command}" aria-label="Copy: ${command}">Copy</button></span>`;
}

/**
 * Buttons of a mismatch: its call once more on both legs, by a program that has it, and the command that does the same. None for a
 * write, which is never made again.
 */
export function againButtons(group: SampleGroup, readOnly: boolean): Piece {
  const { id, operation, backend } = group;
  if (group.samples.at(-1)?.call?.kind === 'write') return undefined;
  const what = `${operation} on ${visibleText(backend)}, ${id}`;
  return markup`<span class="buttons again">${
    !readOnly &&
    markup`<button type="button" data-key="again-${id}" data-again="${id}" aria-haspopup="dialog" aria-label="Run again: ${what}">Run again</button>`
  }<button type="button" data-key="copy-${id}" data-copy="changeover reproduce ${id}" aria-label="Copy the command: ${what}">Copy the command</button></span>`;
}
