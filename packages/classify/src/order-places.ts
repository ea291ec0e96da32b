import type { Lexer, Token } from './scan.ts';
import { isWord, tokensOf } from './tokens.ts';

/** What may follow the items of a select list. */
const clauses =
  /^(?:from|where|group|having|window|qualify|order|limit|offset|fetch|for|into|using)$/;
/** What may follow ORDER BY. */
const ends = /^(?:limit|offset|fetch|for|using)$/;
/** What ends the items of the first SELECT of several. */
const ofCompound = /^(?:from|where|group|having|window|qualify|union|intersect|except)$/;
const compounds = /^(?:union|intersect|except)$/;
const directions = /^(?:asc|desc|nulls|first|last)$/;
/** Words that end an expression. */
const noAlias = /^(?:end|null|true|false|unknown)$/;

interface Item {
  readonly expression: readonly Token[];
  readonly alias: string | undefined;
  /** The token of the alias. */
  readonly named: Token | undefined;
  readonly isStar: boolean;
  /** A column by itself, whose name is its own. */
  readonly isColumn: boolean;
}

const noItem: Item = {
  expression: [],
  alias: undefined,
  named: undefined,
  isStar: false,
  isColumn: false,
};

/**
 * The statement with one column more, the last: a number that rows have in common which are equal in its ORDER BY, and others don't, as the
 * engine itself compares them. Takes the same parameters.
 *
 * @returns undefined where there is no ORDER BY, or where the words don't vouch for it. What is given is a guess that the engine has to
 * take, and whose rows have to be those of the statement.
 */
export function withPlaces(sql: string, lexer: Lexer): string | undefined {
  const tokens = tokensOf(sql, lexer);
  if (tokens.some((token) => token.depth === 0 && isClause(token, compounds)))
    return aroundCompound(sql, tokens);
  const parts = partsOf(tokens);
  const last = parts?.items.at(-1)?.at(-1);
  if (parts === undefined || last === undefined) return undefined;
  const items = parts.items.map(itemOf);
  // PostgreSQL gives a call or a cast a name of its own making, by which ORDER BY may mean it.
  const isNamed = ({ alias, isStar, isColumn }: Item): boolean =>
    alias !== undefined || isStar || isColumn;
  const isTold = lexer === 'sqlite' || items.every(isNamed);
  const terms = parts.terms.map((term) =>
    isTold || !isName(withoutDirection(term)) ? meantBy(term, items, sql) : undefined,
  );
  if (terms.includes(undefined)) return undefined;
  const place = `, dense_rank() OVER (ORDER BY ${terms.join(', ')}\n) AS changeover_place`;
  return sql.slice(0, last.end) + place + sql.slice(last.end);
}

/** The same of UNION and the like, whose ORDER BY knows nothing but the columns of its answer: it is asked from outside. */
function aroundCompound(sql: string, tokens: readonly Token[]): string | undefined {
  const isWith = isWord(tokens[0], 'with');
  const begin = isWith ? nextClause(tokens, /^(?:select|values|from)$/, 0) : 0;
  const order = nextClause(tokens, /^order$/, begin);
  const first = tokens[begin];
  if (first === undefined || !isWord(tokens[order + 1], 'by')) return undefined;
  const end = nextClause(tokens, ends, order);
  const items = isWord(first, 'select')
    ? split(tokens.slice(begin + 1, nextClause(tokens, ofCompound, begin))).map(itemOf)
    : [];
  const terms = split(tokens.slice(order + 2, end).filter(({ text }) => text !== ';')).map((term) =>
    columnMeant(term, items, sql),
  );
  if (terms.length === 0 || terms.includes(undefined)) return undefined;
  const [head, body] = [sql.slice(0, first.start), sql.slice(first.start, tokens[order]?.start)];
  const tail = tokens.slice(end).filter(({ text }) => text !== ';');
  return (
    `${head}SELECT changeover_rows.*, dense_rank() OVER (ORDER BY ${terms.join(', ')}\n) AS changeover_place ` +
    `FROM (${body}\n) AS changeover_rows ORDER BY changeover_place ${textOf(tail, sql)}`
  );
}

/** The column of the answer that a term of UNION's ORDER BY names; undefined: nobody can be sure. */
function columnMeant(
  term: readonly Token[],
  items: readonly Item[],
  sql: string,
): string | undefined {
  const [first, collate, collation] = withoutDirection(term);
  const said = withoutDirection(term).length;
  const isCollated = said === 3 && isWord(collate, 'collate') && collation !== undefined;
  if (first === undefined || (said !== 1 && !isCollated) || isWord(first, 'all')) return undefined;
  const rest = textOf(term.slice(1), sql);
  if (nameOf(first) !== undefined) return `${textOf([first], sql)} ${rest}`.trimEnd();
  const number = first.type === 'literal' && /^\d+$/.test(first.text) ? Number(first.text) : 0;
  const name = items.slice(0, number).some(({ isStar }) => isStar)
    ? undefined
    : nameToken(items[number - 1]);
  return name === undefined ? undefined : `${textOf([name], sql)} ${rest}`.trimEnd();
}

/** What an item is called: its alias, or a column's own name. */
function nameToken({ named, expression, isColumn }: Item | undefined = noItem): Token | undefined {
  return named ?? (isColumn ? expression.at(-1) : undefined);
}

/** The items and the terms of ORDER BY of a statement that is one SELECT, behind WITH or alone. */
function partsOf(
  tokens: readonly Token[],
):
  | { readonly items: readonly (readonly Token[])[]; readonly terms: readonly (readonly Token[])[] }
  | undefined {
  const next = (words: RegExp, from: number): number => nextClause(tokens, words, from);
  const select = next(/^(?:select|from)$/, 0);
  const isMarked = ['distinct', 'all'].some((word) => isWord(tokens[select + 1], word));
  const begin = select + (isMarked ? 2 : 1);
  const end = next(clauses, begin);
  const order = next(/^order$/, end);
  if (
    !isWord(tokens[select], 'select') ||
    isWord(tokens[begin], 'on') ||
    !isWord(tokens[order + 1], 'by')
  )
    return undefined;
  return {
    items: split(tokens.slice(begin, end)),
    terms: split(tokens.slice(order + 2, next(ends, order)).filter(({ text }) => text !== ';')),
  };
}

/** The first of these words from there on that no parenthesis holds; behind the last token where there is none. */
function nextClause(tokens: readonly Token[], words: RegExp, from: number): number {
  const found = tokens.findIndex(
    (token, at) =>
      at >= from &&
      token.depth === 0 &&
      isClause(token, words) &&
      !(isWord(token, 'from') && isWord(tokens[at - 1], 'distinct')),
  );
  return found === -1 ? tokens.length : found;
}

function isClause({ type, text }: Token, words: RegExp): boolean {
  return type === 'word' && words.test(text.toLowerCase());
}

function split(tokens: readonly Token[]): Token[][] {
  const parts: Token[][] = [[]];
  for (const token of tokens)
    if (token.text === ',' && token.depth === 0) parts.push([]);
    else parts.at(-1)?.push(token);
  return parts.filter((part) => part.length > 0);
}

function itemOf(tokens: readonly Token[]): Item {
  const isStar = tokens.some(
    ({ text }, at) => text === '*' && (at === 0 || tokens[at - 1]?.text === '.'),
  );
  const isColumn = tokens.every(({ text }, at) =>
    at % 2 === 1 ? text === '.' : nameOf(tokens[at]) !== undefined,
  );
  const [before, last] = tokens.slice(-2);
  const endsBefore = before?.type !== 'sign' || /^[)\]]$/.test(before.text);
  if (tokens.length < 2 || last === undefined || !endsBefore || isClause(last, noAlias))
    return { expression: tokens, alias: undefined, named: undefined, isStar, isColumn };
  // SQLite takes a text for a name here.
  const alias = last.type === 'literal' ? last.text.slice(1, -1).toLowerCase() : nameOf(last);
  const behind = alias === undefined ? 0 : isWord(before, 'as') ? 2 : 1;
  const named = behind === 0 || last.type === 'literal' ? undefined : last;
  return { expression: tokens.slice(0, tokens.length - behind), alias, named, isStar, isColumn };
}

function withoutDirection(term: readonly Token[]): readonly Token[] {
  const last = term.findLastIndex((token) => !isClause(token, directions));
  return term.slice(0, Math.max(last, 0) + 1);
}

function isName([first, ...more]: readonly Token[]): boolean {
  return more.length === 0 && nameOf(first) !== undefined;
}

/** A term as a window takes it, where numbers and names of items mean nothing; undefined: nobody can be sure. */
function meantBy(term: readonly Token[], items: readonly Item[], sql: string): string | undefined {
  // A parameter without a number would be one more.
  if (term.some(({ text }) => text.includes('?')) || isWord(term[0], 'all')) return undefined;
  const said = withoutDirection(term);
  const item = itemMeant(said, items);
  if (item === 'unsure') return undefined;
  const expression = item === undefined ? said : item.expression;
  return `(${textOf(expression, sql)}) ${textOf(term.slice(said.length), sql)}`.trimEnd();
}

/** The item whose number or name a term is; undefined: none. */
function itemMeant(said: readonly Token[], items: readonly Item[]): Item | 'unsure' | undefined {
  const [first] = said;
  if (said.length === 1 && first?.type === 'literal') {
    const number = /^\d+$/.test(first.text) ? Number(first.text) : 0;
    const isCounted = !items.slice(0, number).some(({ isStar }) => isStar);
    return (isCounted ? items[number - 1] : undefined) ?? 'unsure';
  }
  const names = said.flatMap((token, at) =>
    said[at - 1]?.text === '.' ? [] : (nameOf(token) ?? []),
  );
  const [item, ...more] = items.filter(({ alias }) => alias !== undefined && names.includes(alias));
  const isSure = said.length === 1 && more.length === 0 && !items.some(({ isStar }) => isStar);
  return item === undefined || isSure ? item : 'unsure';
}

function textOf(tokens: readonly Token[], sql: string): string {
  return sql.slice(tokens[0]?.start ?? 0, tokens.at(-1)?.end ?? 0);
}

/** In lower case: two names that only their letters' case tells apart are taken for one, about which nobody can be sure. */
function nameOf(token: Token | undefined): string | undefined {
  if (token?.type === 'word') return token.text.toLowerCase();
  return token?.type === 'name' ? token.text.slice(1, -1).toLowerCase() : undefined;
}
