import { noteCommand, unquoted } from './duckdb/command.ts';
import { telling } from './duckdb/not-selects.ts';
import { Findings } from './findings.ts';
import { judgePragma } from './sqlite/pragma.ts';
import { nameOf } from './sqlite/select-text.ts';
import type { Lexer, Token } from './scan.ts';
import { isWord, tokensOf } from './tokens.ts';

export { hasTooDeepComments, type Lexer, type Token } from './scan.ts';
export { leadingWords, tokensOf } from './tokens.ts';
export {
  eventTriggerVersion,
  firedBySchema,
  functionVersion,
  triggerVersion,
} from './code-versions.ts';

// What a statement's tokens alone tell, at once and without an engine: enough to refuse what must not even be prepared.

/** Tokens from the first that is no semicolon on: as many as tell what a statement is, unless it asks for all. */
function beginning(sql: string, lexer: Lexer, most: number): readonly Token[] {
  return tokensOf(sql, lexer, ({ text }) => text !== ';', most);
}

/** A PRAGMA, behind EXPLAIN as well, where SQLite runs it all the same. */
export interface Pragma {
  readonly name: string;
  /** Does it only tell, or change the file, or the connection. */
  readonly does: 'tells' | 'changes the file' | 'changes the connection';
}

/** What SQLite's tokens tell. */
export interface SqliteGlance {
  /** The first word in lower case, EXPLAIN skipped; empty: none. */
  readonly lead: string;
  readonly explains: boolean;
  readonly pragma: Pragma | undefined;
}

/** Looks at a statement for SQLite, which runs some PRAGMAs while it prepares them. */
export function glanceSqlite(sql: string): SqliteGlance {
  const head = beginning(sql, 'sqlite', 4);
  const explains = isWord(head[0], 'explain');
  const skip = !explains ? 0 : isWord(head[1], 'query') && isWord(head[2], 'plan') ? 3 : 1;
  const first = head[skip];
  const lead = first?.type === 'word' ? first.text.toLowerCase() : '';
  if (lead !== 'pragma') return { lead, explains, pragma: undefined };
  const all = beginning(sql, 'sqlite', Infinity);
  const end = all.findLastIndex(({ text }) => text !== ';') + 1;
  const body = all.slice(skip + 1, end);
  const statement = judgePragma(body, new Findings(), '');
  const file = statement.acts.every(({ kind }) => kind === 'maintains the database');
  const does =
    statement.effect === 'reads' ? 'tells' : file ? 'changes the file' : 'changes the connection';
  const name = nameOf(body[body[1]?.text === '.' ? 2 : 0]) ?? '';
  return { lead, explains, pragma: { name, does } };
}

/**
 * Whether a statement for SQLite or DuckDB gives rows of its own write: `INSERT`, `UPDATE`, `DELETE`, `REPLACE` or `MERGE` with RETURNING,
 * which DuckDB's grammar reserves, and of which SQLite says itself whether it gives rows.
 */
export function givesRowsOfWrite(sql: string, lexer: Lexer): boolean {
  const tokens = beginning(sql, lexer, Infinity);
  const [first] = tokens;
  return (
    first?.type === 'word' &&
    writingWords.has(first.text.toLowerCase()) &&
    tokens.some((token) => isWord(token, 'returning'))
  );
}

const writingWords: ReadonlySet<string> = new Set([
  ...['insert', 'update', 'delete', 'replace', 'merge', 'with'],
]);

/** What DuckDB's tokens tell. */
export interface DuckdbGlance {
  /** The first word in lower case, EXPLAIN skipped; `(` for a parenthesis; empty: none. */
  readonly lead: string;
  /** `runs`: EXPLAIN ANALYZE, which runs what it explains. */
  readonly explains: 'no' | 'plans' | 'runs';
  /** Where what is explained begins. */
  readonly start: number;
  /** It is, by its first word, a statement that acts. */
  readonly acts: boolean;
  /** A call of `nextval`, however it is written. */
  readonly takesNumber: boolean;
}

/** Looks at a statement for DuckDB, which does some of the work of EXPORT and the like while it prepares them. */
export function glanceDuckdb(sql: string): DuckdbGlance {
  let tokens = beginning(sql, 'postgresql', 8);
  const explained = isWord(tokens[0], 'explain');
  const long = explained || isWord(tokens[0], 'pragma') || /nextval/i.test(sql);
  if (long) tokens = beginning(sql, 'postgresql', Infinity);
  const found = explained ? explainedBy(tokens) : undefined;
  const body = found === undefined ? tokens : tokens.filter(({ start }) => start >= found.start);
  const [first] = body;
  const lead = first?.text === '(' || first?.type === 'word' ? first.text.toLowerCase() : '';
  return {
    lead,
    explains: found === undefined ? 'no' : found.runs ? 'runs' : 'plans',
    start: first?.start ?? 0,
    acts: !telling(body) && isCommand(body),
    takesNumber:
      long &&
      tokens.some(({ text }, at) => unquoted(text) === 'nextval' && tokens[at + 1]?.text === '('),
  };
}

function isCommand(body: readonly Token[]): boolean {
  if (isWord(body[0], 'with')) return false;
  const findings = new Findings();
  noteCommand(body.slice(0, 1), findings);
  return findings.acts.some(({ kind }) => kind !== 'not understood') || isWord(body[0], 'execute');
}

/** EXPLAIN, whether it runs what it explains, and where that begins. */
export function explainedBy(
  tokens: readonly Token[],
): { readonly runs: boolean; readonly start: number } | undefined {
  if (!isWord(tokens[0], 'explain')) return undefined;
  let at = 1;
  let runs = false;
  if (isWord(tokens[at], 'analyze') || isWord(tokens[at], 'analyse')) {
    runs = true;
    at += 1;
  }
  if (tokens[at]?.text === '(') {
    const end = tokens.findIndex(
      (token, index) => index > at && token.depth === 0 && token.text === ')',
    );
    // A statement may begin with a parenthesis as well: then this holds no option of that name, or it runs for nothing.
    const options = tokens.slice(at, end);
    const query =
      isWord(options[1], 'select') ||
      isWord(options[1], 'with') ||
      isWord(options[1], 'from') ||
      isWord(options[1], 'values') ||
      options[1]?.text === '(';
    if (!query) {
      runs ||= options.some((token) => isWord(token, 'analyze') || isWord(token, 'analyse'));
      at = end + 1;
    }
  }
  return { runs, start: tokens[at]?.start ?? 0 };
}

/** What a statement for PostgreSQL does with rows beside giving them, which the tokens tell for certain: its grammar reserves the words. */
export interface PostgresGlance {
  /** The first word in lower case, parentheses skipped; empty: none. */
  readonly lead: string;
  /** It gives rows of its own write (RETURNING), or locks those that it gives (FOR UPDATE). */
  readonly givesAndActs: boolean;
}

/** Looks at a statement for PostgreSQL. */
export function glancePostgres(sql: string): PostgresGlance {
  const acts = /\breturning\b|\bfor\b/i.test(sql);
  const open = (token: Token): boolean => token.text !== ';' && token.text !== '(';
  const tokens = tokensOf(sql, 'postgresql', open, acts ? Infinity : 1);
  const lead = tokens[0]?.type === 'word' ? tokens[0].text.toLowerCase() : '';
  return {
    lead,
    givesAndActs:
      acts && tokens.some((token, at) => isWord(token, 'returning') || locks(tokens, at)),
  };
}

/** FOR UPDATE, FOR NO KEY UPDATE, FOR SHARE, FOR KEY SHARE; `substring(a FOR b)` is none. */
function locks(tokens: readonly Token[], at: number): boolean {
  const word = (offset: number, text: string): boolean => isWord(tokens[at + offset], text);
  if (!word(0, 'for')) return false;
  const strength =
    word(1, 'update') ||
    word(1, 'share') ||
    (word(1, 'no') && word(2, 'key') && word(3, 'update')) ||
    (word(1, 'key') && word(2, 'share'));
  if (!strength) return false;
  const depth = tokens[at]?.depth ?? 0;
  const paren = tokens.findLastIndex(
    (token, index) => index < at && token.text === '(' && token.depth === depth - 1,
  );
  const before = depth === 0 ? undefined : tokens[paren - 1];
  return !isWord(before, 'substring') && !isWord(before, 'overlay');
}
