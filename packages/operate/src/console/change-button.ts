import type { Target } from '@changeover/core';
import { markup, type Markup } from '../report/markup.ts';

/**
 * A button that the page's script opens its dialog for. One for a whole backend carries no key's name.
 *
 * @param whyNot why pressing it would be refused: it says so then, and opens nothing. Default: it would not.
 */
export function changeButton(
  action: string,
  backend: string,
  target: Target,
  label: string,
  whyNot?: string,
): Markup {
  const isKey = target.kind === 'key';
  const what = isKey ? `${label} ${backend} ${target.name}` : label;
  return markup`<button type="button" data-key="${action}" data-action="${action}" data-backend="${backend}"${
    isKey && markup` data-name="${target.name}"`
  }${
    whyNot === undefined
      ? markup` aria-haspopup="dialog"`
      : // It keeps the focus, and can be asked why.
        markup` aria-disabled="true" title="${whyNot}"`
  } aria-label="${what}">${isKey ? label : label.replace(/:.*/, '')}</button>`;
}
