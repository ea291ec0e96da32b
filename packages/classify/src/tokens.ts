import { type Lexer, scan, type Token } from './scan.ts';

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
  for (const token of scan(sql, lexer)) {
    if (tokens.length === 0 && !begins(token)) continue;
    tokens.push(token);
    if (tokens.length >= most) break;
  }
  return tokens;
}

/** A statement's first words in upper case, opening brackets and empty statements skipped. Never the only judge of what it does. */
export function leadingWords(sql: string, count: number, lexer: Lexer): string[] {
  const words: string[] = [];
  for (const { type, text } of scan(sql, lexer)) {
    if (text === '(' || text === ';') continue;
    if (type !== 'word') break;
    words.push(text.toUpperCase());
    if (words.length === count) break;
  }
  return words;
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
