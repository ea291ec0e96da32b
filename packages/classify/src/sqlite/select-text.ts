import type { Cause } from '../statement.ts';
import type { Token } from '../scan.ts';
import { isWord } from '../tokens.ts';
import * as reviewed from './reviewed.ts';

/** What the text of one SELECT says at its own level. SQLite has no syntax tree to look at, but its tokens are exact. */
export interface SelectText {
  /** Each item of the select list. */
  readonly items: readonly (readonly Token[])[];
  readonly from: readonly Token[];
  readonly where: readonly Token[];
  readonly order: readonly (readonly Token[])[];
  readonly group: readonly (readonly Token[])[];
  /** Of GROUP BY, HAVING and WINDOW. */
  readonly rest: readonly Token[];
  readonly limited: boolean;
  /** GROUP BY, HAVING, DISTINCT, WINDOW, or a compound: rows are not those of FROM. */
  readonly plain: boolean;
  readonly distinct: boolean;
  readonly compound: boolean;
}

/** A cause, and the item in which it stands; undefined: elsewhere. */
export interface CauseAt {
  readonly cause: Cause;
  readonly item: number | undefined;
  /** The call, or the word. */
  readonly token: Token;
}

const clauses = [
  'from',
  'where',
  'group',
  'having',
  'window',
  'order',
  'limit',
  'union',
  'intersect',
  'except',
];

/** A name without its quotes, in lower case as SQLite compares it. */
export function nameOf(token: Token | undefined): string | undefined {
  if (token?.type === 'word') return token.text.toLowerCase();
  if (token?.type !== 'name') return undefined;
  const [open = ''] = token.text;
  const inner = token.text.slice(1, -1);
  return (open === '[' ? inner : inner.replaceAll(open + open, open)).toLowerCase();
}

/** Parts of a list, at the depth of its own commas. */
export function split(tokens: readonly Token[]): Token[][] {
  const depth = tokens[0]?.depth ?? 0;
  const parts: Token[][] = [[]];
  for (const token of tokens)
    if (token.text === ',' && token.depth === depth) parts.push([]);
    else parts.at(-1)?.push(token);
  return parts.filter((part) => part.length > 0);
}

/** Reads a SELECT, from its first token on; undefined if it begins with something else. */
export function readSelect(tokens: readonly Token[]): SelectText | undefined {
  const [first] = tokens;
  if (first === undefined || !isWord(first, 'select')) return undefined;
  const own = tokens
    .map((token, index) =>
      (token.depth === first.depth && token.type === 'word'
        ? clauses.indexOf(token.text.toLowerCase())
        : -1) === -1
        ? undefined
        : index,
    )
    .filter((index) => index !== undefined);
  const clause = (name: string): Token[] => {
    const at = own.find((index) => isWord(tokens[index], name));
    if (at === undefined) return [];
    return tokens.slice(at + 1, own.find((index) => index > at) ?? tokens.length);
  };
  const has = (name: string): boolean => own.some((index) => isWord(tokens[index], name));
  const distinct = isWord(tokens[1], 'distinct');
  const begin = distinct || isWord(tokens[1], 'all') ? 2 : 1;
  const compound = has('union') || has('intersect') || has('except');
  return {
    items: split(tokens.slice(begin, own[0] ?? tokens.length)),
    from: clause('from'),
    where: clause('where'),
    order: split(clause('order').slice(1)),
    group: split(clause('group').slice(1)),
    rest: [...clause('group'), ...clause('having'), ...clause('window')],
    limited: has('limit'),
    plain: !distinct && !compound && !has('group') && !has('having'),
    distinct,
    compound,
  };
}

/** Where an item's column is: from the front if no star stands before it, else from the end if none stands behind. */
export function columnIndex(select: SelectText, item: number): number | undefined {
  const stars = select.items.map((each) => each.at(-1)?.text === '*' && each.length <= 3);
  if (!stars.slice(0, item).includes(true)) return item;
  return stars.slice(item).includes(true) ? undefined : item - select.items.length;
}

/** The column that a term names, with nothing but its direction behind it. */
export function columnOf(term: readonly Token[]): string | undefined {
  const bare = term.filter(
    (token) => !['asc', 'desc', 'nulls', 'first', 'last'].some((word) => isWord(token, word)),
  );
  const [first, dot, second, ...rest] = bare;
  if (bare.length === 1) return nameOf(first);
  return bare.length === 3 && dot?.text === '.' && rest.length === 0 ? nameOf(second) : undefined;
}

/** Whether terms, columns by name, cover one of the keys. */
export function covers(
  terms: readonly (readonly Token[])[],
  keys: readonly (readonly string[])[],
): boolean {
  const columns = new Set(terms.map(columnOf));
  return keys.some((key) => key.length > 0 && key.every((column) => columns.has(column)));
}

/** What stands between a call's parentheses, which open at `index`. */
function argumentsAt(tokens: readonly Token[], index: number): Token[] {
  const depth = tokens[index]?.depth ?? 0;
  const end = tokens.findIndex(
    (token, at) => at > index && token.depth === depth && token.text === ')',
  );
  return tokens.slice(index + 1, end === -1 ? tokens.length : end);
}

/** Why a call or a word at this place may give another answer from run to run. */
function causeAt(
  tokens: readonly Token[],
  index: number,
  keys: readonly (readonly string[])[],
  isInteger: (column: string) => boolean,
): Cause | undefined {
  const name = nameOf(tokens[index]);
  if (name === undefined || tokens[index - 1]?.text === '.') return undefined;
  if (reviewed.clockWords.has(name) && isWord(tokens[index], name)) return 'time';
  if (tokens[index + 1]?.text !== '(') return undefined;
  const inside = argumentsAt(tokens, index + 1);
  if (reviewed.randomSource.has(name)) return 'random';
  if (reviewed.clockArgument.has(name)) return mayBeNow(name, inside) ? 'time' : undefined;
  const over = tokens.slice(index + 2 + inside.length);
  if (framesByRows(over, tokens) && !windowCovers(over, keys)) return 'order of rows';
  if (reviewed.roundingAggregates.has(name))
    return adds(inside, isInteger) ? undefined : 'rounding';
  if (reviewed.positionWindows.has(name))
    return windowCovers(over, keys) ? undefined : 'order of rows';
  if (!reviewed.orderAggregates.has(name)) return undefined;
  if (windowCovers(over, keys)) return undefined;
  const by = inside.findIndex(
    (token) => isWord(token, 'order') && token.depth === inside[0]?.depth,
  );
  return by !== -1 && covers(split(inside.slice(by + 2)), keys) ? undefined : 'order of rows';
}

function mayBeNow(name: string, inside: readonly Token[]): boolean {
  const position = reviewed.clockArgument.get(name) ?? 0;
  const values = split(inside).slice(position, name === 'timediff' ? 2 : position + 1);
  if (values.length === 0) return true;
  return values.some((value) =>
    value.some(
      ({ type, text }) =>
        type === 'parameter' ||
        (type === 'literal' && /^'\s*(?:now|subsec(?:ond)?)\s*'$/i.test(text)),
    ),
  );
}

/** A sum of whole numbers has no last digits to differ in. */
function adds(inside: readonly Token[], isInteger: (column: string) => boolean): boolean {
  return inside.every((token, index) => {
    if (token.type === 'sign') return ['+', '-', '*', '(', ')', '.'].includes(token.text);
    if (token.type === 'literal') return /^\d+$/.test(token.text);
    if (inside[index + 1]?.text === '.') return true;
    return isWord(token, 'distinct') || isInteger(nameOf(token) ?? '');
  });
}

/** Where OVER stands behind a call's `)`, and perhaps FILTER (…); undefined: the call has no window. */
function overAt(after: readonly Token[]): number | undefined {
  const at = isWord(after[1], 'filter') ? argumentsAt(after, 2).length + 4 : 1;
  return isWord(after[at], 'over') ? at : undefined;
}

/** Whether a call has a window whose frame counts rows: which of two equals comes first then matters to any function. */
function framesByRows(after: readonly Token[], whole: readonly Token[]): boolean {
  const at = overAt(after);
  if (at === undefined) return false;
  const named = after[at + 1]?.text !== '(';
  return (named ? whole : argumentsAt(after, at + 1)).some((token) => isWord(token, 'rows'));
}

/** Whether a call has a window whose order tells all rows apart. */
function windowCovers(after: readonly Token[], keys: readonly (readonly string[])[]): boolean {
  const over = overAt(after);
  if (over === undefined || after[over + 1]?.text !== '(') return false;
  const inside = argumentsAt(after, over + 1);
  const by = inside.findIndex((token) => isWord(token, 'order'));
  // Rows of different partitions are never told apart by a window.
  const partition = isWord(inside[0], 'partition') ? split(inside.slice(2, by)) : [];
  const frame = inside.findIndex((token) =>
    ['rows', 'range', 'groups'].some((word) => isWord(token, word)),
  );
  const terms = split(inside.slice(by + 2, frame === -1 ? undefined : frame));
  return by !== -1 && covers([...partition, ...terms], keys);
}

/** All causes in a text, each with the item of its own SELECT that it stands in. */
export function causesIn(
  tokens: readonly Token[],
  keys: readonly (readonly string[])[],
  isInteger: (column: string) => boolean,
): CauseAt[] {
  const select = readSelect(tokens);
  return tokens.flatMap((token, index): CauseAt[] => {
    const cause = causeAt(tokens, index, keys, isInteger);
    if (cause === undefined) return [];
    const item = select?.items.findIndex((each) => each.includes(token)) ?? -1;
    return [{ cause, item: item === -1 ? undefined : item, token }];
  });
}
