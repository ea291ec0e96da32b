/** A piece of a text: a word, a name, a literal, a parameter or a sign. Blanks and comments are none. */
export interface Token {
  readonly text: string;
  /** Where it begins and ends in the text, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
  readonly type: TokenType;
  /** How many parentheses and brackets are open around it. */
  readonly depth: number;
}

/** What a token is. */
export type TokenType = 'word' | 'name' | 'literal' | 'parameter' | 'sign';

/** Whose lexical rules: SQLite's `tokenize.c`, or PostgreSQL's `scan.l`, which DuckDB took over. */
export type Lexer = 'sqlite' | 'postgresql';

/** What is not closed reaches to the end of the text, so that no part of a text is looked at twice. */
interface Piece {
  readonly type: TokenType | 'skip';
  readonly end: number;
  /** The token is this sign alone, and what it opens is never closed. */
  readonly open?: string | undefined;
}

/**
 * The tokens of a text, one after the other, in time that grows with its length and nothing else: a caller waits, and the text may be
 * anyone's. A quote that nothing closes is a sign, and the last token.
 */
export function* scan(sql: string, lexer: Lexer): Generator<Token, void, undefined> {
  const piece = lexer === 'sqlite' ? sqlitePiece : postgresPiece;
  let depth = 0;
  for (let start = 0; start < sql.length;) {
    const { type, end, open } = piece(sql, start);
    if (type !== 'skip') {
      const text = open ?? sql.slice(start, end);
      if (text === ')' || text === ']') depth = Math.max(0, depth - 1);
      yield { text, start, end: open === undefined ? end : start + open.length, type, depth };
      if (text === '(' || text === '[') depth += 1;
    }
    start = end;
  }
}

/** PostgreSQL takes 2 s for 30,000 comments in each other, DuckDB for 8,000, and four times as long for twice as many. DuckDB can't be
 * interrupted there. */
const maxNestedComments = 1_000;

/** Whether a text for PostgreSQL or DuckDB has comments so deep inside each other that their parsers need too long for it. */
export function hasTooDeepComments(sql: string): boolean {
  return sql.length > 2 * maxNestedComments && commentDepth(sql) > maxNestedComments;
}

function commentDepth(sql: string): number {
  let deepest = 0;
  for (let at = 0; at < sql.length;) {
    if (sql.startsWith('/*', at)) {
      const comment = endOfNested(sql, at);
      deepest = Math.max(deepest, comment.deepest);
      at = comment.end;
    } else at = postgresPiece(sql, at).end;
  }
  return deepest;
}

function sqlitePiece(sql: string, at: number): Piece {
  const code = sql.charCodeAt(at);
  if (isSqliteSpace(code)) return { type: 'skip', end: endOf(sql, at + 1, isSqliteSpace) };
  if (isWordStart(code)) {
    if ((code | 32) === 120 && sql[at + 1] === "'") {
      const digits = endOf(sql, at + 2, isHex);
      if (sql[digits] === "'") return { type: 'literal', end: digits + 1 };
    }
    return { type: 'word', end: endOf(sql, at + 1, isWordPart) };
  }
  if (isDigit(code)) return { type: 'literal', end: endOfSqliteNumber(sql, at) };
  switch (sql[at]) {
    case '-':
      if (sql[at + 1] === '-') return { type: 'skip', end: indexOr(sql, '\n', at) };
      break;
    case '/':
      if (sql[at + 1] === '*') return { type: 'skip', end: after(sql, '*/', at + 2) };
      break;
    case "'":
      return quoted(sql, at + 1, 'literal');
    case '"':
    case '`':
      return quoted(sql, at + 1, 'name');
    case '[':
      return bracketed(sql, at);
    case '.':
      if (isDigit(sql.charCodeAt(at + 1)))
        return { type: 'literal', end: endOfSqliteNumber(sql, at) };
      break;
    case '?':
      return { type: 'parameter', end: endOf(sql, at + 1, isDigit) };
    case ':':
    case '@':
    case '$':
    case '#': {
      const end = endOf(sql, at + 1, isWordPart);
      if (end > at + 1) return { type: 'parameter', end };
      break;
    }
    default:
  }
  const long = sqliteSigns.find((sign) => sql.startsWith(sign, at));
  return { type: 'sign', end: at + (long?.length ?? lengthAt(sql, at)) };
}

const sqliteSigns = ['->>', '->', '<>', '<=', '>=', '==', '!=', '<<', '>>', '||'] as const;

function endOfSqliteNumber(sql: string, at: number): number {
  if (sql[at] === '0' && (sql.charCodeAt(at + 1) | 32) === 120) {
    const end = endOf(sql, at + 2, (code) => isHex(code) || code === underscore);
    if (end > at + 2) return end;
  }
  const isPart = (code: number): boolean => isDigit(code) || code === underscore;
  let end = endOf(sql, at, isPart);
  if (sql[end] === '.' && (end > at || isDigit(sql.charCodeAt(end + 1))))
    end = endOf(sql, end + 1, isPart);
  return endOfExponent(sql, end, isPart);
}

function postgresPiece(sql: string, at: number): Piece {
  const code = sql.charCodeAt(at);
  if (isSpace(code)) return { type: 'skip', end: endOf(sql, at + 1, isSpace) };
  if (isWordStart(code))
    return prefixed(sql, at, code) ?? { type: 'word', end: endOf(sql, at + 1, isPostgresPart) };
  if (isDigit(code)) return { type: 'literal', end: endOfPostgresNumber(sql, at) };
  const next = sql[at + 1];
  switch (sql[at]) {
    case '-':
      if (next === '-') return { type: 'skip', end: endOf(sql, at + 2, isInLine) };
      break;
    case '/':
      if (next === '*') {
        const { end, closed } = endOfNested(sql, at);
        return closed ? { type: 'skip', end } : { type: 'sign', end, open: '/*' };
      }
      break;
    case "'":
      return quoted(sql, at + 1, 'literal');
    case '"':
      return quoted(sql, at + 1, 'name');
    case '$':
      return dollar(sql, at);
    case '.':
      if (isDigit(sql.charCodeAt(at + 1)))
        return { type: 'literal', end: endOfPostgresNumber(sql, at) };
      break;
    case ':':
      return { type: 'sign', end: at + (next === ':' || next === '=' ? 2 : 1) };
    default:
  }
  if (!operatorSigns.includes(sql[at] ?? ' ')) return { type: 'sign', end: at + lengthAt(sql, at) };
  let end = at + 1;
  while (end < sql.length && operatorSigns.includes(sql[end] ?? ' ')) {
    if (sql.startsWith('--', end) || sql.startsWith('/*', end)) break;
    end += 1;
  }
  return { type: 'sign', end };
}

const operatorSigns = '+-*/<>=~!@#%^&|`?';

/** A text with letters before its quote. */
function prefixed(sql: string, at: number, code: number): Piece | undefined {
  const letter = String.fromCharCode(code | 32);
  if (sql[at + 1] === "'" && code < 128) {
    if (letter === 'e') return quoted(sql, at + 2, 'literal', true);
    if ('bxn'.includes(letter)) return quoted(sql, at + 2, 'literal');
  }
  if (letter !== 'u' || sql[at + 1] !== '&') return undefined;
  const quote = sql[at + 2];
  if (quote === "'") return quoted(sql, at + 3, 'literal');
  return quote === '"' ? quoted(sql, at + 3, 'name') : undefined;
}

/** `$1`, `$name`, `$tag$ … $tag$`. */
function dollar(sql: string, at: number): Piece {
  if (isDigit(sql.charCodeAt(at + 1)))
    return { type: 'parameter', end: endOf(sql, at + 1, isDigit) };
  const tag = isWordStart(sql.charCodeAt(at + 1)) ? endOf(sql, at + 2, isTagPart) : at + 1;
  if (sql[tag] === '$') {
    const close = sql.indexOf(sql.slice(at, tag + 1), tag + 1);
    return close === -1
      ? { type: 'sign', end: sql.length, open: '$' }
      : { type: 'literal', end: close + tag + 1 - at };
  }
  const end = isAsciiWordStart(sql.charCodeAt(at + 1)) ? endOf(sql, at + 2, isAsciiPart) : at + 1;
  return { type: end > at + 1 ? 'parameter' : 'sign', end };
}

function endOfPostgresNumber(sql: string, at: number): number {
  if (sql[at] === '0') {
    const digits = radixDigits[(sql[at + 1] ?? '').toLowerCase()];
    const end = digits === undefined ? at : endOfDigits(sql, at + 2, digits, true);
    if (end > at + 2) return end;
  }
  let end = endOfDigits(sql, at, isDigit, false);
  if (sql[end] === '.' && sql[end + 1] !== '.') {
    const more = endOfDigits(sql, end + 1, isDigit, false);
    if (more > end + 1 || end > at) end = Math.max(more, end + 1);
  }
  if ((sql.charCodeAt(end) | 32) !== 101) return end;
  const sign = sql[end + 1] === '+' || sql[end + 1] === '-' ? 1 : 0;
  return isDigit(sql.charCodeAt(end + 1 + sign))
    ? endOfDigits(sql, end + 1 + sign, isDigit, false)
    : end;
}

const radixDigits: Readonly<Record<string, (code: number) => boolean>> = {
  x: isHex,
  o: (code) => code >= 48 && code <= 55,
  b: (code) => code === 48 || code === 49,
};

/** Digits with single underscores between them, or before the first where `leading`. */
function endOfDigits(
  sql: string,
  at: number,
  isOne: (code: number) => boolean,
  leading: boolean,
): number {
  let end = at;
  for (;;) {
    const skip = sql.charCodeAt(end) === underscore && (leading || end > at) ? 1 : 0;
    if (!isOne(sql.charCodeAt(end + skip))) return end;
    end += skip + 1;
  }
}

function endOfExponent(sql: string, end: number, isPart: (code: number) => boolean): number {
  if ((sql.charCodeAt(end) | 32) !== 101) return end;
  const sign = sql[end + 1] === '+' || sql[end + 1] === '-' ? 1 : 0;
  return isDigit(sql.charCodeAt(end + 1 + sign)) ? endOf(sql, end + 1 + sign, isPart) : end;
}

/** From a quote at `from - 1` to the one that closes it; two of them are one of the text. */
function quoted(
  sql: string,
  from: number,
  type: 'literal' | 'name',
  escapes: boolean = false,
): Piece {
  const quote = sql.charCodeAt(from - 1);
  for (let at = from; at < sql.length; at += 1) {
    const code = sql.charCodeAt(at);
    if (escapes && code === backslash) at += 1;
    else if (code === quote) {
      if (sql.charCodeAt(at + 1) !== quote) return { type, end: at + 1 };
      at += 1;
    }
  }
  return { type: 'sign', end: sql.length, open: sql[from - 1] };
}

function bracketed(sql: string, at: number): Piece {
  const close = sql.indexOf(']', at);
  return close === -1
    ? { type: 'sign', end: sql.length, open: '[' }
    : { type: 'name', end: close + 1 };
}

/** PostgreSQL's comments nest. */
function endOfNested(
  sql: string,
  at: number,
): { readonly end: number; readonly closed: boolean; readonly deepest: number } {
  let depth = 0;
  let deepest = 0;
  for (let end = at; end < sql.length; end += 1) {
    const code = sql.charCodeAt(end);
    if (code === slashCode && sql.charCodeAt(end + 1) === starCode) {
      depth += 1;
      deepest = Math.max(deepest, depth);
      end += 1;
    } else if (code === starCode && sql.charCodeAt(end + 1) === slashCode) {
      depth -= 1;
      end += 1;
      if (depth === 0) return { end: end + 1, closed: true, deepest };
    }
  }
  return { end: sql.length, closed: false, deepest };
}

function endOf(sql: string, from: number, isPart: (code: number) => boolean): number {
  let end = from;
  while (end < sql.length && isPart(sql.charCodeAt(end))) end += 1;
  return end;
}

function indexOr(sql: string, found: string, from: number): number {
  const at = sql.indexOf(found, from);
  return at === -1 ? sql.length : at;
}

function after(sql: string, found: string, from: number): number {
  const at = sql.indexOf(found, from);
  return at === -1 ? sql.length : at + found.length;
}

/** One for a unit, two for a pair of surrogates. */
function lengthAt(sql: string, at: number): number {
  return (sql.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
}

const [underscore, slashCode, starCode, dollarCode, backslash] = [95, 47, 42, 36, 92] as const;

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function isHex(code: number): boolean {
  const lower = code | 32;
  return isDigit(code) || (lower >= 97 && lower <= 102);
}

function isAsciiWordStart(code: number): boolean {
  const lower = code | 32;
  return (lower >= 97 && lower <= 122 && code < 128) || code === underscore;
}

function isWordStart(code: number): boolean {
  return isAsciiWordStart(code) || code > 127;
}

function isAsciiPart(code: number): boolean {
  return isAsciiWordStart(code) || isDigit(code);
}

function isTagPart(code: number): boolean {
  return isWordStart(code) || isDigit(code);
}

function isWordPart(code: number): boolean {
  return isTagPart(code) || code === dollarCode;
}

function isPostgresPart(code: number): boolean {
  return isWordPart(code) && (code < 128 || !isWideSpace(code));
}

function isInLine(code: number): boolean {
  return code !== 10 && code !== 13;
}

/** ASCII's blanks, and the mark of byte order that SQLite skips. */
function isSqliteSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13) || code === 0xfeff;
}

/** DuckDB takes Unicode's blanks for blanks; to PostgreSQL they are letters, which its parser then refuses or not. */
function isSpace(code: number): boolean {
  return code < 128 ? code === 32 || (code >= 9 && code <= 13) : isWideSpace(code);
}

function isWideSpace(code: number): boolean {
  return (
    code === 0xa0 ||
    code === 0x1680 ||
    (code >= 0x2000 && code <= 0x200a) ||
    code === 0x2028 ||
    code === 0x2029 ||
    code === 0x202f ||
    code === 0x205f ||
    code === 0x3000 ||
    code === 0xfeff
  );
}
