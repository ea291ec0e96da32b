import type { Token } from '../scan.ts';
import { isWord } from '../tokens.ts';
import { columnIndex, nameOf, readSelect, type SelectText, split } from './select-text.ts';

/** A SELECT in parentheses directly inside of a statement: in FROM, among the columns, in a condition, or behind WITH. */
export interface Subquery {
  readonly tokens: readonly Token[];
  /** Where its parenthesis opens in the statement. */
  readonly open: number;
}

/** The subqueries of a statement's own level. */
export function subqueriesOf(body: readonly Token[]): readonly Subquery[] {
  return body.flatMap((token, open): Subquery[] => {
    if (token.text !== '(' || token.depth !== 0 || !isWord(body[open + 1], 'select')) return [];
    const end = body.findIndex(({ text, depth }, at) => at > open && depth === 0 && text === ')');
    return [{ open, tokens: body.slice(open + 1, end === -1 ? body.length : end) }];
  });
}

/**
 * The columns of the answer into which an item of a subquery goes: by index from 0, or from the end. None: nothing shows it. Undefined:
 * it may decide which rows there are, or that can't be told.
 */
export function columnsOfItem(
  body: readonly Token[],
  subquery: Subquery,
  item: number,
): readonly number[] | undefined {
  const begin = body.findIndex((token) => token.depth === 0 && isWord(token, 'select'));
  const main = readSelect(body.slice(begin));
  const inner = readSelect(subquery.tokens);
  if (main === undefined || main.compound || inner === undefined) return undefined;
  if (inner.compound || inner.limited || !inner.plain) return undefined;
  const among = main.items.findIndex((each) => each.includes(body[subquery.open] as Token));
  if (among !== -1) return main.plain ? listed(columnIndex(main, among)) : undefined;
  const source = sourceOf(body, begin, main, subquery);
  if (source === undefined) return undefined;
  const name = source.names?.[item] ?? outputName(inner.items[item] ?? []);
  return columnsOfName(main, subquery, {
    name,
    alone: source.alone,
    place: columnIndex(inner, item),
  });
}

interface Source {
  /** Names that are given to its columns. */
  readonly names: readonly (string | undefined)[] | undefined;
  /** It is all of FROM. */
  readonly alone: boolean;
}

/** Where a subquery is read: in FROM, or by the name that WITH gives it. */
function sourceOf(
  body: readonly Token[],
  begin: number,
  main: SelectText,
  { open, tokens }: Subquery,
): Source | undefined {
  if (body.some((token) => isWord(token, 'natural') || isWord(token, 'recursive')))
    return undefined;
  if (open > begin) {
    if (!main.from.includes(body[open] as Token)) return undefined;
    const rest = main.from.length - tokens.length - 2;
    const alias = isWord(main.from.at(-2), 'as') ? 2 : 1;
    return {
      names: undefined,
      alone: main.from[0] === body[open] && (rest === 0 || rest === alias),
    };
  }
  // name [(columns)] AS [NOT] [MATERIALIZED] (
  let at = open - 1;
  while (isWord(body[at], 'materialized') || isWord(body[at], 'not')) at -= 1;
  if (!isWord(body[at], 'as')) return undefined;
  const columns =
    body[at - 1]?.text === ')'
      ? body.findLastIndex(({ text, depth }, index) => index < at && depth === 0 && text === '(')
      : at;
  const names =
    columns === at
      ? undefined
      : split(body.slice(columns + 1, at - 1)).map(([token]) => nameOf(token));
  const defined = body[columns - 1];
  const name = nameOf(defined);
  if (name === undefined) return undefined;
  const elsewhere = body.some(
    (token, index) =>
      nameOf(token) === name &&
      token !== defined &&
      body[index + 1]?.text !== '.' &&
      !(token.depth === 0 && main.from.includes(token)),
  );
  if (elsewhere) return undefined;
  const [first, ...rest] = main.from;
  const alone =
    nameOf(first) === name &&
    (rest.length === 0 || (rest.length <= 2 && isWord(rest.at(-2), 'as')) || rest.length === 1);
  return { names, alone };
}

/** The name by which a statement outside knows an item; undefined: none that is sure. */
function outputName(item: readonly Token[]): string | undefined {
  const last = item.at(-1);
  const before = item.at(-2);
  const isAlias = isWord(before, 'as') || before?.text === ')';
  return isAlias || item.length === 1 ? nameOf(last) : undefined;
}

function columnsOfName(
  main: SelectText,
  { tokens }: Subquery,
  column: {
    readonly name: string | undefined;
    readonly alone: boolean;
    readonly place: number | undefined;
  },
): readonly number[] | undefined {
  const own = new Set(tokens);
  const uses = (list: readonly Token[]): boolean =>
    list.some(
      (token) => !own.has(token) && column.name !== undefined && nameOf(token) === column.name,
    );
  if ([main.from, main.where, main.rest, ...main.order].some(uses)) return undefined;
  const stars = main.items.filter((item) => item.at(-1)?.text === '*' && item.length <= 3);
  if (stars.length > 0) {
    const isWhole = stars.length === 1 && main.items.length === 1 && column.alone && main.plain;
    return isWhole ? listed(column.place) : undefined;
  }
  const found = main.items.flatMap((item, index) => (uses(item) ? [index] : []));
  return found.length === 0 || main.plain ? found : undefined;
}

function listed(place: number | undefined): readonly number[] | undefined {
  return place === undefined ? undefined : [place];
}
