import type { Lexer, Token } from './scan.ts';
import { isWord, tokensOf } from './tokens.ts';

/** All rows among which a statement's choice of rows is one. */
export interface AllRows {
  /** The statement without what chooses: its answer holds each row that the other may give. Takes the same parameters. */
  readonly sql: string;
  /** How many rows are chosen is determined. */
  readonly counted: boolean;
}

/** By which the rows of FROM are not simply shown, each by itself. */
const others =
  /^(?:group|having|distinct|union|intersect|except|limit|offset|fetch|window|over|qualify|with|left|right|full|asof|anti|positional)$/;

/**
 * Takes out what chooses rows where it stands in a statement that shows each row by itself, so that more rows inside give more rows outside
 * and change none: DISTINCT ON, a sample, and LIMIT in a subquery of FROM or behind IN. A LIMIT of the statement's own is not looked for.
 *
 * @returns undefined where there is none, or more, or where the words don't vouch for it. What is given is a guess that the engine has to
 * take: it may be no statement at all.
 */
export function allRowsOf(sql: string, lexer: Lexer): AllRows | undefined {
  const body = bodyOf(sql, lexer);
  if (!isWord(body[0], 'select')) return undefined;
  const own = body.filter(({ depth, type }) => depth === 0 && type === 'word');
  const has = (word: string): boolean => own.some((token) => isWord(token, word));
  const cut = (from: number, to: number): string =>
    sql.slice(0, body[from]?.start) + sql.slice(body[to - 1]?.end, body.at(-1)?.end);
  if (isWord(body[1], 'distinct') && isWord(body[2], 'on')) {
    const end = endOf(body, 3);
    const limited = ['limit', 'offset', 'fetch', 'union', 'intersect', 'except'].some(has);
    return limited ? undefined : { sql: cut(1, end), counted: true };
  }
  if (own.some(({ text }) => others.test(text.toLowerCase())) || callsAmongItems(body))
    return undefined;
  const limits = body.flatMap((token, at) => (isWord(token, 'limit') ? [at] : []));
  const [limit, ...more] = limits;
  if (limit === undefined) return sampleOf(body, cut);
  return more.length > 0 || body.some((token) => isWord(token, 'sample'))
    ? undefined
    : innerLimit(body, limit, cut);
}

/** Whether a statement tells nothing but how many rows a subquery with a LIMIT gives, which doesn't depend on which they are. */
export function countsChosen(sql: string, lexer: Lexer): boolean {
  const body = bodyOf(sql, lexer);
  const from = body.findIndex((token) => token.depth === 0 && isWord(token, 'from'));
  const counts = ['select', 'count', '(', '*', ')'].every(
    (text, at) => body[at]?.text.toLowerCase() === text,
  );
  const alias = body.slice(5, from);
  const limits = body.flatMap((token, at) => (isWord(token, 'limit') ? [at] : []));
  const [limit, ...more] = limits;
  if (!counts || !isAlias(alias) || limit === undefined || more.length > 0) return false;
  return innerLimit(body, limit, () => '')?.counted === true;
}

function isAlias(tokens: readonly Token[]): boolean {
  return (isWord(tokens[0], 'as') ? tokens.slice(1) : tokens).length <= 1;
}

function bodyOf(sql: string, lexer: Lexer): readonly Token[] {
  const tokens = tokensOf(sql, lexer);
  return tokens.at(-1)?.text === ';' ? tokens.slice(0, -1) : tokens;
}

/** A call in the list of columns may be an aggregate. */
function callsAmongItems(body: readonly Token[]): boolean {
  const from = body.findIndex((token) => token.depth === 0 && isWord(token, 'from'));
  return body
    .slice(1, from === -1 ? undefined : from)
    .some((token, at, items) => token.text === '(' && isName(items[at - 1]));
}

function isName(token: Token | undefined): boolean {
  return token?.type === 'word' || token?.type === 'name';
}

/** Behind the parenthesis that opens there. */
function endOf(body: readonly Token[], open: number): number {
  const depth = body[open]?.depth;
  return (
    body.findIndex((token, at) => at > open && token.depth === depth && token.text === ')') + 1
  );
}

type Cut = (from: number, to: number) => string;

/** TABLESAMPLE method (…) [REPEATABLE (…)], or USING SAMPLE at the end. */
function sampleOf(body: readonly Token[], cut: Cut): AllRows | undefined {
  const at = body.findIndex(
    (token, index) =>
      token.depth === 0 &&
      (isWord(token, 'tablesample') ||
        (isWord(token, 'using') && isWord(body[index + 1], 'sample'))),
  );
  if (at === -1) return undefined;
  if (isWord(body[at], 'using')) {
    const rest = body.slice(at + 2);
    const isNumber = rest[0]?.type === 'literal' && (rest.length === 1 || isWord(rest[1], 'rows'));
    const isLast = !rest.some((token) => token.depth === 0 && isWord(token, 'order'));
    return isLast
      ? { sql: cut(at, body.length), counted: isNumber && rest.length <= 2 }
      : undefined;
  }
  if (!isName(body[at + 1]) || body[at + 2]?.text !== '(') return undefined;
  const end = endOf(body, at + 2);
  const to = isWord(body[end], 'repeatable') ? endOf(body, end + 1) : end;
  return { sql: cut(at, to), counted: false };
}

/** `LIMIT n [OFFSET n]` at the end of a subquery in FROM, or of one behind IN that decides by itself whether a row is there. */
function innerLimit(body: readonly Token[], limit: number, cut: Cut): AllRows | undefined {
  const depth = body[limit]?.depth;
  if (depth !== 1) return undefined;
  const end = body.findIndex((token, at) => at > limit && token.depth === 0);
  const clause = body.slice(limit, end);
  const isPlain =
    clause[1]?.type === 'literal' &&
    (clause.length === 2 ||
      (clause.length === 4 && isWord(clause[2], 'offset') && clause[3]?.type === 'literal'));
  const open = body.findLastIndex((token, at) => at < limit && token.depth === 0);
  if (!isPlain || body[end]?.text !== ')' || !isWord(body[open + 1], 'select')) return undefined;
  const clauseAt = (word: string): number =>
    body.findIndex((token) => token.depth === 0 && isWord(token, word));
  const [from, where] = [clauseAt('from'), clauseAt('where')];
  const sql = cut(limit, end);
  if (from === -1 || open < from) return undefined;
  if (where === -1 || open < where) {
    const isAlone = open === from + 1 && where === -1 && isAllOfFrom(body, end);
    return inFrom(body[open - 1]) ? { sql, counted: isAlone } : undefined;
  }
  return decidesAlone(body, open, end) ? { sql, counted: false } : undefined;
}

/** A table's place, and not an argument's. */
function inFrom(before: Token | undefined): boolean {
  return before?.text === ',' || ['from', 'join', 'lateral'].some((word) => isWord(before, word));
}

/** Nothing follows a subquery but its alias and an order. */
function isAllOfFrom(body: readonly Token[], end: number): boolean {
  const rest = body.slice(end + 1);
  const order = rest.findIndex((token) => token.depth === 0 && isWord(token, 'order'));
  return isAlias(order === -1 ? rest : rest.slice(0, order));
}

/** `WHERE column IN (…)`, joined to others by AND, or by OR. */
function decidesAlone(body: readonly Token[], open: number, end: number): boolean {
  if (!isWord(body[open - 1], 'in')) return false;
  const column = body[open - 3]?.text === '.' ? open - 4 : open - 2;
  const before = body[column - 1];
  const after = body[end + 1];
  return (
    isName(body[open - 2]) &&
    ['where', 'and', 'or'].some((word) => isWord(before, word)) &&
    !body.some(
      (token, at) => at < column && token.depth === 0 && /^(?:between|case)$/i.test(token.text),
    ) &&
    (after === undefined || ['and', 'or', 'order'].some((word) => isWord(after, word)))
  );
}
