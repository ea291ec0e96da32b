/** What a statement does to the transaction around it. DuckDB has no savepoints. */
export type Control = 'begin' | 'end';

// PostgreSQL's lexical rules, which DuckDB took over: of a text only what may hold a semicolon that ends no statement.
const piece =
  /(?<skip>\s+|--[^\n\r]*)|(?<comment>\/\*)|[eE]'(?:[^'\\]|''|\\[\s\S])*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?<tag>(?:[A-Za-z_\u0080-\u{10FFFF}][A-Za-z0-9_\u0080-\u{10FFFF}]*)?)\$[\s\S]*?\$\k<tag>\$|(?<end>;)|[A-Za-z_\u0080-\u{10FFFF}][A-Za-z0-9_$\u0080-\u{10FFFF}]*|[\s\S]/uy;

const controls: ReadonlyMap<string, Control> = new Map([
  ['begin', 'begin'],
  ['start', 'begin'],
  ['commit', 'end'],
  ['end', 'end'],
  ['abort', 'end'],
  ['rollback', 'end'],
]);
const mayControl = new RegExp(`\\b(?:${[...controls.keys()].join('|')})\\b`, 'i');

/** The statements of a text in their order, each without what ends it, and without blanks and comments before it. */
export function statementsIn(sql: string): readonly string[] {
  const statements: string[] = [];
  let start: number | undefined;
  const ends = (at: number): void => {
    if (start !== undefined) statements.push(sql.slice(start, at));
    start = undefined;
  };
  for (let at = 0; at < sql.length;) {
    piece.lastIndex = at;
    const groups = piece.exec(sql)?.groups;
    let next = piece.lastIndex;
    if (groups?.['comment'] !== undefined) next = endOfComment(sql, next);
    else if (groups?.['end'] !== undefined) ends(at);
    else if (groups?.['skip'] === undefined) start ??= at;
    at = Math.max(next, at + 1);
  }
  ends(sql.length);
  return statements;
}

/** What the statements of a text do to the transaction around them, in their order. */
export function controlsIn(sql: string): readonly Control[] {
  if (!mayControl.test(sql)) return [];
  return statementsIn(sql).flatMap(
    (statement) => controls.get((/^\w+/.exec(statement)?.[0] ?? '').toLowerCase()) ?? [],
  );
}

/** Comments nest. */
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
