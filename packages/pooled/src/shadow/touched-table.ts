import type { Engine } from '@changeover/engines/api';
import { type Lexer, type Token, tokensOf } from '@changeover/engines/sqlite';

/** The table that a statement writes to, as far as its words tell; undefined where they don't (a common table
 * expression that writes, a statement that defines something, a table of a schema that is named). */
export function touchedTable(sql: string, engine: Engine): string | undefined {
  const tokens = writeOf(sql, engine === 'sqlite' ? 'sqlite' : 'postgresql');
  const target = targetOf(tokens);
  if (target === undefined) return undefined;
  const at = wordAt(tokens, target) === 'only' ? target + 1 : target;
  const name = tokens[at];
  if (name === undefined || tokens[at + 1]?.text === '.') return undefined;
  if (name.type === 'name') {
    const quote = name.text.at(-1) ?? '';
    return name.text.slice(1, -1).replaceAll(quote + quote, quote);
  }
  if (name.type !== 'word') return undefined;
  return engine === 'postgresql' ? name.text.toLowerCase() : name.text;
}

/** The first tokens of what stands behind common table expressions, or of all where there are none. */
function writeOf(sql: string, lexer: Lexer): readonly Token[] {
  const tokens = tokensOf(sql, lexer, undefined, 10);
  if (wordAt(tokens, 0) !== 'with') return tokens;
  const all = tokensOf(sql, lexer);
  const isWrite = (at: number): boolean =>
    /^(?:insert|update|delete|merge|replace)$/.test(wordAt(all, at) ?? '');
  const writesInside = all.some(({ text }, at) => text === '(' && isWrite(at + 1));
  const behind = all.findIndex(
    ({ depth }, at) => depth === 0 && all[at - 1]?.text === ')' && isWrite(at),
  );
  return behind === -1 || writesInside ? [] : all.slice(behind);
}

/** Where the words before the table end. */
function targetOf(tokens: readonly Token[]): number | undefined {
  switch (wordAt(tokens, 0)) {
    case 'insert': {
      const into = wordAt(tokens, 1) === 'or' ? 3 : 1;
      return wordAt(tokens, into) === 'into' ? into + 1 : undefined;
    }
    case 'merge':
    case 'replace':
      return wordAt(tokens, 1) === 'into' ? 2 : undefined;
    case 'update':
      return 1;
    case 'delete':
      return wordAt(tokens, 1) === 'from' ? 2 : undefined;
    case 'truncate':
      return wordAt(tokens, 1) === 'table' ? 2 : 1;
    default:
      return undefined;
  }
}

function wordAt(tokens: readonly Token[], at: number): string | undefined {
  const token = tokens[at];
  return token?.type === 'word' ? token.text.toLowerCase() : undefined;
}
