import type { Token } from '../scan.ts';
import { isWord } from '../tokens.ts';
import { nameOf } from './select-text.ts';

/** Aggregates beside which a column without one is of any row. */
const aggregates =
  /^(?:avg|count|group_concat|jsonb?_group_\w+|max|median|min|percentile\w*|string_agg|sum|total)$/;

/**
 * The tokens of ORDER BY clauses that decide nothing but in which order the rows come, those of an aggregate or a window not among them.
 * Of which rows a LIMIT behind it takes is told apart. Where rows are put together in groups, the order inside of subqueries may
 * decide which of a group's rows a column shows.
 */
export function onlyOrder(body: readonly Token[]): ReadonlySet<Token> {
  const groups = body.some(
    (token, at) =>
      isWord(token, 'group') ||
      (aggregates.test(nameOf(token) ?? '') && body[at + 1]?.text === '('),
  );
  const found = new Set<Token>();
  body.forEach((token, at) => {
    if (!isWord(token, 'order') || !isWord(body[at + 1], 'by')) return;
    if (token.depth > 0 && (groups || !isOfSelect(body, at))) return;
    for (const inner of clauseFrom(body, at)) found.add(inner);
  });
  return found;
}

/** The parenthesis around it holds a query, and not a window or a call's arguments. */
function isOfSelect(body: readonly Token[], at: number): boolean {
  const depth = body[at]?.depth ?? 0;
  const open = body.findLastIndex((token, index) => index < at && token.depth < depth);
  return ['select', 'with', 'values'].some((word) => isWord(body[open + 1], word));
}

function clauseFrom(body: readonly Token[], at: number): readonly Token[] {
  const depth = body[at]?.depth ?? 0;
  const end = body.findIndex(
    (token, index) =>
      index > at && (token.depth < depth || (token.depth === depth && isWord(token, 'limit'))),
  );
  return body.slice(at, end === -1 ? body.length : end);
}
