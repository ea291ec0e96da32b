/** A piece of a text: a word, a name, a literal, a parameter or a sign. Blanks and comments are none. */
export interface Token {
  readonly text: string;
  /** Where it begins and ends in the text, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
  readonly type: 'word' | 'name' | 'literal' | 'parameter' | 'sign';
  /** How many parentheses and brackets are open around it. */
  readonly depth: number;
}

/** An engine's lexical rules, of which a sticky expression has the groups `skip`, `literal`, `name`, `parameter`, `word`, `sign`. */
export type Lexer = RegExp;

/** SQLite's `tokenize.c`. */
export const sqliteLexer: Lexer =
  /(?<skip>[\s\u{FEFF}]+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|(?<literal>'(?:[^']|'')*'|[xX]'[0-9a-fA-F]*'|0[xX][0-9a-fA-F_]+|(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?)|(?<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])|(?<parameter>\?\d*|[:@$#][A-Za-z0-9_$\u0080-\u{10FFFF}]+)|(?<word>[A-Za-z_\u0080-\u{10FFFF}][A-Za-z0-9_$\u0080-\u{10FFFF}]*)|(?<sign>->>|->|<>|<=|>=|==|!=|<<|>>|\|\||[\s\S])/uy;

/** PostgreSQL's `scan.l`, which DuckDB took over. Comments nest, so what opens one is closed by hand. */
export const postgresqlLexer: Lexer =
  /(?<skip>\s+|--[^\n\r]*|\/\*)|(?<literal>[eE]'(?:[^'\\]|''|\\[\s\S])*'|[uU]&'(?:[^']|'')*'|[bBxXnN]?'(?:[^']|'')*'|\$(?<tag>(?:[A-Za-z_\u0080-\u{10FFFF}][A-Za-z0-9_\u0080-\u{10FFFF}]*)?)\$[\s\S]*?\$\k<tag>\$|0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|(?:\d(?:_?\d)*(?:\.(?!\.)(?:\d(?:_?\d)*)?)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d(?:_?\d)*)?)|(?<name>(?:[uU]&)?"(?:[^"]|"")*")|(?<parameter>\$\d+|\$[A-Za-z_]\w*)|(?<word>[A-Za-z_\u0080-\u{10FFFF}][A-Za-z0-9_$\u0080-\u{10FFFF}]*)|(?<sign>::|:=|(?:(?!--|\/\*)[+\-*/<>=~!@#%^&|`?])+|[\s\S])/uy;

/**
 * The tokens of a text. An end in the middle of a literal or a comment is none of its business: the parser has seen the text.
 *
 * @param begins of the first token that counts. Default: any.
 * @param most how many are looked for. Default: all.
 */
export function tokensOf(
  sql: string,
  lexer: Lexer,
  begins: (token: Token) => boolean = () => true,
  most: number = Number.POSITIVE_INFINITY,
): Token[] {
  const tokens: Token[] = [];
  let depth = 0;
  lexer.lastIndex = 0;
  while (lexer.lastIndex < sql.length && tokens.length < most) {
    const start = lexer.lastIndex;
    const groups = lexer.exec(sql)?.groups;
    if (groups === undefined) break;
    const type = (['literal', 'name', 'parameter', 'word', 'sign'] as const).find(
      (each) => groups[each] !== undefined,
    );
    if (type === undefined) {
      if (groups['skip'] === '/*') lexer.lastIndex = endOfComment(sql, lexer.lastIndex);
      continue;
    }
    const end = lexer.lastIndex;
    const text = sql.slice(start, end);
    if (text === ')' || text === ']') depth = Math.max(0, depth - 1);
    const token = { text, start, end, type, depth };
    if (tokens.length > 0 || begins(token)) tokens.push(token);
    if (text === '(' || text === '[') depth += 1;
  }
  return tokens;
}

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

/** Whether a token is this keyword, which must be given in lower case. */
export function isWord(token: Token | undefined, word: string): boolean {
  return token?.type === 'word' && token.text.toLowerCase() === word;
}

/** The text with literals and parameters as `?`, lists of them as one, words in lower case, without blanks and comments. */
export function shapeOf(tokens: readonly Token[]): string {
  const parts = tokens.map(({ type, text }) => {
    if (type === 'literal' || type === 'parameter') return '?';
    return type === 'word' ? text.toLowerCase() : text;
  });
  while (parts.at(-1) === ';') parts.pop();
  const list = /\(\s\?(?: , \?)+\s\)/g;
  return parts
    .join(' ')
    .replace(list, '( ? )')
    .replace(/\( \? \)(?: , \( \? \))+/g, '( ? )')
    .slice(0, 10_000);
}

/**
 * The texts that may be the same statement without its top-level LIMIT and OFFSET, which `words` begin and which end it. Where they
 * hold parameters a clause that keeps every row stays, so that the statement takes the same parameters. Whether one is right only
 * the parser can tell: a word may be an alias.
 */
export function withoutLimit(
  sql: string,
  tokens: readonly Token[],
  words: readonly string[],
  everyRow: (parameters: readonly string[]) => string,
): string[] {
  const body = tokens.at(-1)?.text === ';' ? tokens.slice(0, -1) : tokens;
  return body.flatMap((token, index) => {
    if (token.depth !== 0 || !words.some((word) => isWord(token, word))) return [];
    const clause = body.slice(index);
    const parameters = clause.filter(({ type, text }) => type === 'parameter' || text === '?');
    const before = sql.slice(0, token.start).trimEnd();
    if (parameters.length === 0) return [before];
    return [`${before} ${everyRow(parameters.map(({ text }) => text))}`];
  });
}
