import type { Target } from '@changeover/core';
import { markup, type Markup } from '../report/markup.ts';

/** A button that the page's script opens its dialog for. One for a whole backend carries no key's name. */
export function changeButton(
  action: string,
  backend: string,
  target: Target,
  label: string,
): Markup {
  const isKey = target.kind === 'key';
  const what = isKey ? `${label} ${backend} ${target.name}` : label;
  return markup`<button type="button" data-key="${action}" data-action="${action}" data-backend="${backend}"${
    isKey && markup` data-name="${target.name}"`
  } aria-haspopup="dialog" aria-label="${what}">${isKey ? label : label.replace(/:.*/, '')}</button>`;
}
