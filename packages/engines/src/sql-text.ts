import { leadingWords as wordsOf, type Lexer, tokensOf } from '@changeover/classify/glance';
import type { Engine } from './api/engine.ts';

/** Whose lexical rules an engine's statements follow. */
function lexerOf(engine: Engine): Lexer {
  return engine === 'sqlite' ? 'sqlite' : 'postgresql';
}

/** A statement's first words in upper case, comments and opening brackets skipped: for refusing early and clearly what the
 * engine itself is asked about afterwards. Never the only judge of whether a statement writes. */
export function leadingWords(sql: string, count: number, engine: Engine): string[] {
  return wordsOf(sql, count, lexerOf(engine));
}

/** Whether there is nothing to run in a text but comments. */
export function isBlankSql(sql: string, engine: Engine): boolean {
  return tokensOf(sql, lexerOf(engine), ({ text }) => text !== '(' && text !== ';', 1).length === 0;
}

/** A word in lower case, a quoted name without its quotes, or a sign. */
export interface SqlToken {
  readonly type: 'word' | 'name' | 'sign';
  readonly text: string;
}

/** The tokens of a statement, as far as is needed to see what it calls: literals and parameters are left out. */
export function sqlTokens(sql: string, engine: Engine): SqlToken[] {
  return tokensOf(sql, lexerOf(engine)).flatMap(({ type, text }): SqlToken[] => {
    if (type === 'word') return [{ type, text: text.toLowerCase() }];
    if (type === 'name') return [{ type, text: unquoted(text) }];
    return type === 'sign' ? [{ type, text }] : [];
  });
}

function unquoted(name: string): string {
  const prefix = name.startsWith('"') || !name.endsWith('"') ? 0 : name.indexOf('"');
  return name.slice(prefix + 1, -1);
}
