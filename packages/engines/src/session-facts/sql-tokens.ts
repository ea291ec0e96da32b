/** A word in lower case, a quoted name without its quotes, or a sign. Literals, parameters, blanks and comments are left out. */
export interface SqlToken {
  readonly type: 'word' | 'name' | 'sign';
  readonly text: string;
}

const piece =
  /(?<skip>\s+|--[^\n]*|[eE]'(?:[^'\\]|''|\\[\s\S])*'|'(?:[^']|'')*'|\$(?<tag>(?:[A-Za-z_][A-Za-z0-9_]*)?)\$[\s\S]*?\$\k<tag>\$|\d[\w.]*|[$?:@]\w+)|(?<open>\/\*)|(?<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`)|(?<word>[\p{L}_][\p{L}\p{N}_$]*)|(?<sign>::|[\s\S])/uy;

/** The tokens of a statement, as far as is needed to see what it calls. An SQLite name in `[…]` is read as signs and words. */
export function sqlTokens(sql: string): SqlToken[] {
  const tokens: SqlToken[] = [];
  piece.lastIndex = 0;
  while (piece.lastIndex < sql.length) {
    const groups = piece.exec(sql)?.groups;
    if (groups === undefined) break;
    const { open, name, word, sign } = groups;
    if (open !== undefined) piece.lastIndex = endOfComment(sql, piece.lastIndex);
    else if (word !== undefined) tokens.push({ type: 'word', text: word.toLowerCase() });
    else if (name !== undefined) tokens.push({ type: 'name', text: name.slice(1, -1) });
    else if (sign !== undefined) tokens.push({ type: 'sign', text: sign });
  }
  return tokens;
}

/** PostgreSQL's and DuckDB's comments nest. Where SQLite's end earlier, what follows is missed only in a text that no program writes. */
function endOfComment(sql: string, from: number): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = from;
  for (let depth = 1; depth > 0;) {
    const mark = marks.exec(sql);
    if (mark === null) return sql.length;
    depth += mark[0] === '/*' ? 1 : -1;
  }
  return marks.lastIndex;
}
