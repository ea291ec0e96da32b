import type { Token } from '../scan.ts';
import { isWord, tokensOf } from '../tokens.ts';
import * as reviewed from './reviewed.ts';

// What json_serialize_sql refuses although it only reads. Read by tokens, and judged by the parser again.

/** A PRAGMA that only tells: one of the list, given nothing or arguments in parentheses, and alone. */
export function telling(tokens: readonly Token[]): boolean {
  const body = tokens.filter(({ text }, index) => text !== ';' || index < tokens.length - 1);
  if (body.some(({ text }) => text === ';' || text === '=') || !isWord(body[0], 'pragma'))
    return false;
  return reviewed.tellingPragmas.has(body[1]?.text.toLowerCase() ?? '');
}

/** PIVOT as a SELECT of all that it evaluates; undefined if the statement is none, or says something more. */
export function pivotAsSelect(sql: string, tokens: readonly Token[]): string | undefined {
  const body = tokens.at(-1)?.text === ';' ? tokens.slice(0, -1) : tokens;
  if (!isWord(body[0], 'pivot') && !isWord(body[0], 'pivot_wider')) return undefined;
  if (body.some(({ text }) => text === ';')) return undefined;
  const at = (word: string) => body.findIndex((token) => token.depth === 0 && isWord(token, word));
  const marks = ['on', 'using', 'group', 'order', 'limit']
    .map((word) => ({ word, index: at(word) }))
    .filter(({ index }) => index !== -1)
    .sort((a, b) => a.index - b.index);
  const text = (from: number, to: number | undefined): string =>
    sql.slice(body[from]?.end, to === undefined ? body.at(-1)?.end : body[to]?.start);
  const first = marks[0];
  if (first === undefined) return undefined;
  const from = text(0, first.index);
  const clause = (word: string): string | undefined => {
    const position = marks.findIndex((mark) => mark.word === word);
    const mark = marks[position];
    return mark === undefined ? undefined : text(mark.index, marks[position + 1]?.index);
  };
  const items = [clause('on'), clause('using')].filter((each) => each !== undefined);
  const order = clause('order');
  return `SELECT ${items.join(', ')} FROM ${from}${order === undefined ? '' : ` ORDER ${order}`}`;
}

/** The query of a view's `CREATE VIEW … AS query`; any other text as it is. */
export function viewQuery(sql: string): string {
  const tokens = tokensOf(sql, 'postgresql');
  if (!isWord(tokens[0], 'create')) return sql;
  const as = tokens.find((token) => token.depth === 0 && isWord(token, 'as'));
  return as === undefined ? sql : sql.slice(as.end).trim();
}
