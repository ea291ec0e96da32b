import type { Engine } from '@changeover/engines/api';
import { type Token, tokensOf } from '@changeover/engines/sqlite';

/** The table that a statement writes to, as far as its beginning tells; undefined where it doesn't (a common table
 * expression first, a statement that defines something, a table of a schema that is named). */
export function touchedTable(sql: string, engine: Engine): string | undefined {
  const tokens = tokensOf(sql, engine === 'sqlite' ? 'sqlite' : 'postgresql', undefined, 10);
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

/** Where the words before the table end. */
function targetOf(tokens: readonly Token[]): number | undefined {
  switch (wordAt(tokens, 0)) {
    case 'insert': {
      const into = wordAt(tokens, 1) === 'or' ? 3 : 1;
      return wordAt(tokens, into) === 'into' ? into + 1 : undefined;
    }
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
