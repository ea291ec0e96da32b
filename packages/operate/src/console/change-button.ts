import { markup, type Markup } from '../report/markup.ts';

/** A button that the page's script opens its dialog for. Without a dataset it is for a whole engine. */
export function changeButton(
  action: string,
  engine: string,
  dataset: string,
  label: string,
): Markup {
  const what = dataset === '' ? label : `${label} ${engine} ${dataset}`;
  return markup`<button type="button" data-key="${action}" data-action="${action}" data-engine="${engine}" data-dataset="${
    dataset
  }" aria-haspopup="dialog" aria-label="${what}">${dataset === '' ? label.replace(/:.*/, '') : label}</button>`;
}
