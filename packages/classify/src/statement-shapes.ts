import type { Token } from './scan.ts';
import { shapeOf, tokensOf } from './tokens.ts';

/** Of a longer text only so much is looked at: a caller waits for it. */
const maxTextLength = 2_000;
/** The longest shape, in characters: what is longer ends in a digest of itself. */
const maxShapeLength = 900;
/** Texts and outlines remembered; the oldest are forgotten. */
const maxRemembered = 2_000;

/**
 * The shapes of statements: the text without its literals, parameters and the length of its lists, so that calls which differ in
 * values alone are counted as one. Synchronous; 0.1 µs for a text that was seen, about 2 µs for one that differs from a seen one in
 * plain values, some 20 µs at first sight. Bounded in memory and in the time for a long text. By the lexical rules of PostgreSQL,
 * which take every literal of the other engines out too.
 */
export class StatementShapes {
  readonly #byText = new Map<string, string>();
  readonly #byOutline = new Map<number, string>();

  /** The shape of a statement; '' for what is no text. Never throws, and never holds a value of the statement. */
  of(sql: unknown): string {
    if (typeof sql !== 'string') return '';
    const known = this.#byText.get(sql);
    if (known !== undefined) return known;
    const text = sql.length > maxTextLength ? sql.slice(0, maxTextLength) : sql;
    const outline = outlineOf(text);
    const alike = outline === undefined ? undefined : this.#byOutline.get(outline);
    if (alike !== undefined) return alike;
    const shape = shapeOfText(text);
    if (outline !== undefined) remember(this.#byOutline, outline, shape);
    // A part of a long text would keep all of it in memory. Of those with one outline the first is enough.
    if (text === sql) remember(this.#byText, sql, shape);
    return shape;
  }
}

function shapeOfText(sql: string): string {
  const tokens = tokensOf(sql, 'postgresql');
  // What is left of a literal that doesn't end here would be taken for words.
  const broken = tokens.findIndex(isOpenQuote);
  const shape = shapeOf(broken === -1 ? tokens : tokens.slice(0, broken));
  return shape.length <= maxShapeLength
    ? shape
    : `${shape.slice(0, maxShapeLength)} … ${digest(shape)}`;
}

/** What is left open, or is another engine's quote. */
function isOpenQuote({ type, text }: Token): boolean {
  return type === 'sign' && /['"$`]/.test(text);
}

function remember<Key>(map: Map<Key, string>, key: Key, shape: string): void {
  if (map.size >= maxRemembered) {
    const [oldest] = map.keys();
    if (oldest !== undefined) map.delete(oldest);
  }
  map.set(key, shape);
}

const [quote, dot, placeholder] = [39, 46, 63] as const;

/**
 * A digest, of 53 bits, of the text without its plain literals, so that texts which differ in those alone have one: a hundredth of
 * the time that taking the text apart needs. Undefined where a comment, an escape, a prefix or another quote may hide where literals begin.
 */
function outlineOf(sql: string): number | undefined {
  let high = 0x811c9dc5;
  let low = 0x01000193;
  let inWord = false;
  for (let at = 0; at < sql.length; at += 1) {
    const code = sql.charCodeAt(at);
    let kept = code;
    if (code === quote) {
      if (inWord) return undefined;
      const end = sql.indexOf("'", at + 1);
      at = end === -1 ? sql.length : end;
      kept = placeholder;
    } else if (isDigit(code) && !inWord) {
      while (isWordPart(sql.charCodeAt(at + 1)) || sql.charCodeAt(at + 1) === dot) at += 1;
      kept = placeholder;
    } else if (hides(code, sql.charCodeAt(at + 1))) return undefined;
    inWord = isWordPart(kept);
    high = Math.imul(high ^ kept, 0x01000193);
    low = Math.imul(low + kept, 0x85ebca6b) ^ (low >>> 13);
  }
  return (high >>> 11) * 0x100000000 + (low >>> 0);
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** Of a name, a number or a parameter: what follows it is no number of its own. */
function isWordPart(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 65 && code <= 90) ||
    isDigit(code) ||
    code === 95 ||
    code > 127
  );
}

/** `--`, a comment's begin, a backslash, another quote, a bracket and a dollar sign. */
function hides(code: number, next: number): boolean {
  if (code === 45) return next === 45;
  if (code === 47) return next === 42;
  return code === 92 || code === 96 || code === 91 || code === 36 || code === 34;
}

/** FNV-1a of 32 bits: tells long shapes apart that begin alike. */
function digest(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1)
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 0).toString(16);
}
