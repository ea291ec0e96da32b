import type { Engine } from '../api/engine.ts';
import {
  lockingFunctions,
  postgresKeywords,
  settingFunctions,
  statelessFunctions,
} from './postgres-functions.ts';
import { quoteIdentifier } from '../dialect/dialect.ts';
import { type SqlToken, sqlTokens } from '../sql-text.ts';

/**
 * What a statement has to do with the state of its connection beyond the transaction: nothing, reads it, sets it, makes or uses
 * temporary objects, holds or frees locks. `unknown` counts as `sets`. `pending` is what will be known of later statements of that
 * text: it runs, nobody is lent its connection afterwards, and nothing else follows from it.
 */
export type SessionUse = 'none' | 'reads' | 'sets' | 'temporary' | 'locks' | 'unknown' | 'pending';

/** What becomes of statements that leave something on their connection: see `StorageBackendFactoryOptions.session`. */
export type SessionMode = 'pin' | 'refuse' | 'none';

/** What the calls of a dataset are known to rely on before the first of them is made: `writes` is what the last write left. */
export type KnownReliance = 'none' | 'writes' | 'all';

/** What rolling a statement back does not undo, the code of users' own that it runs included. */
export interface LastingEffect {
  /** Why it must not be rehearsed, in words for the report; undefined where it may. */
  readonly refusal?: string | undefined;
  /** Why the rows that it leaves may differ from run to run; undefined where nothing says that they do. */
  readonly variable?: string | undefined;
  /** The versions of the code of users' own that was looked into, as the classifiers tell them. */
  readonly code: readonly string[];
}

/** Tells what statements do to their connection. Its functions are asked for each call: they must be quick, and not throw. */
export interface SessionFacts {
  sessionUse(sql: string): SessionUse;
  /** Whether it asks for what the connection's last write left: `last_insert_rowid()`, `changes()`, `lastval()`. */
  readsLastWrite(sql: string): boolean;
  /**
   * What a statement does that a rollback does not take back. Undefined where nobody can tell. Asked for comparisons only, which wait for it;
   * must not reject. Default: nothing is told.
   */
  lastingEffect?(sql: string): Promise<LastingEffect | undefined>;
  /** The code that a statement would run is not that of which {@link lastingEffect} told: it is to be looked at anew. */
  codeChanged?(): void;
  /** Whether a statement may leave something on its connection, as far as is known now: true as well while that is being learned. Asked
   * behind a pooler that gives each transaction another connection, where it is taken away. Default: by `sessionUse`. */
  mayLeave?(sql: string): boolean;
  /** What a statement whose use is `pending` turns out to be; `pending` where it could not be learned. Must not reject. Default: it is never
   * learned. */
  learnedUse?(sql: string): Promise<SessionUse>;
}

/** Whether a statement of this use leaves something for the next one. */
export function keepsSession(use: SessionUse): boolean {
  return use !== 'none' && use !== 'reads';
}

/** The statement that `writeTable` stands for where it appends: what a table's triggers leave on the connection it leaves as well.
 * Undefined: it makes the table anew, or the arguments are none. */
export function appendingStatement(table: unknown, options: unknown): string | undefined {
  if (typeof table !== 'string' || typeof options !== 'object' || options === null)
    return undefined;
  if (Reflect.get(options, 'ifExists') !== 'append') return undefined;
  return insertingStatement(quoteIdentifier(table));
}

/** The statement that new rows of a table stand for.
 *
 * @param table as SQL names it. */
export function insertingStatement(table: string): string {
  return `INSERT INTO ${table} DEFAULT VALUES`;
}

interface Facts {
  readonly use: SessionUse;
  readonly readsLastWrite: boolean;
}

/** Texts remembered for one engine. */
const maxTexts = 2_000;
/** Longer texts are not remembered. */
const maxCharacters = 20_000;

/**
 * What can be told of a statement by its words and the engine's own functions. It does not look into views, triggers and
 * functions of a user's: a call of such a function is `unknown`, what the others do is not seen.
 */
export function sessionFactsByWords(engine: Engine): SessionFacts {
  const known = new Map<string, Facts>();
  const factsOf = (sql: string): Facts => {
    const found = known.get(sql);
    if (found !== undefined) return found;
    const facts = look(engine, sql);
    if (sql.length > maxCharacters) return facts;
    if (known.size >= maxTexts) known.clear();
    known.set(sql, facts);
    return facts;
  };
  return {
    sessionUse: (sql) => factsOf(sql).use,
    readsLastWrite: (sql) => factsOf(sql).readsLastWrite,
  };
}

const lastWriteFunctions: Readonly<Record<Engine, ReadonlySet<string>>> = {
  sqlite: new Set(['last_insert_rowid', 'changes', 'total_changes']),
  duckdb: new Set(),
  postgresql: new Set(['lastval', 'currval']),
};

function look(engine: Engine, sql: string): Facts {
  const tokens = sqlTokens(sql, engine);
  const called = callsIn(tokens);
  return {
    use: useOf(engine, tokens, called),
    readsLastWrite: called.some(({ name }) => lastWriteFunctions[engine].has(name)),
  };
}

function useOf(engine: Engine, tokens: readonly SqlToken[], called: readonly Call[]): SessionUse {
  if (makesTemporary(tokens)) return 'temporary';
  switch (engine) {
    case 'sqlite':
      // Its flags are changed while EXPLAIN prepares them.
      return asksDataVersion(tokens) ||
        (isWord(tokens[0], 'explain') && tokens.some((token) => isWord(token, 'pragma')))
        ? 'sets'
        : 'none';
    case 'duckdb':
      return called.some(({ name }) => name === 'setseed') || isWord(tokens[0], 'call')
        ? 'sets'
        : 'none';
    case 'postgresql':
      return postgresUse(tokens, called);
  }
}

/** SQLite counts what others have committed since this connection was opened. Asked on another, the number says nothing: it would change by
 * own writes, and stay the same by others'. */
function asksDataVersion(tokens: readonly SqlToken[]): boolean {
  const isPragma = isWord(tokens[0], 'pragma');
  return tokens.some(
    ({ type, text }) =>
      type !== 'sign' && (isPragma ? /^data_version$/i : /^pragma_data_version$/i).test(text),
  );
}

const temporarySchemas = /^(?:temp|pg_temp(?:_\d+)?|sqlite_temp_(?:master|schema))$/i;

function makesTemporary(tokens: readonly SqlToken[]): boolean {
  return tokens.some(({ type, text }, at) => {
    const before = tokens[at - 1];
    const after = tokens[at + 1]?.text;
    if (type === 'word' && (text === 'temp' || text === 'temporary')) {
      if (['create', 'replace', 'local', 'global', 'into'].some((word) => isWord(before, word)))
        return true;
    }
    return (
      type !== 'sign' &&
      temporarySchemas.test(text) &&
      (after === '.' || text.startsWith('sqlite_temp_'))
    );
  });
}

/** Statements that run no code of a user's but in what they select. */
const definingWords: ReadonlySet<string> = new Set(['create', 'alter', 'drop', 'comment', 'grant']);
/** Statements that run what can't be seen here, or act on the connection itself. Other first words are queries, or no statement. */
const opaqueWords: ReadonlySet<string> = new Set([
  ...['do', 'call', 'execute', 'prepare', 'deallocate', 'discard', 'reset', 'listen', 'unlisten'],
  ...['load', 'declare', 'fetch', 'move', 'close', 'copy', 'import', 'security', 'reassign'],
]);
/** What SET changes for the transaction alone. */
const transactionSettings: ReadonlySet<string> = new Set(['local', 'constraints', 'transaction']);

/** What stores code and runs none of it. A table with rows already runs a new column's default. */
const storesCode =
  /^create (?:or replace )?(?:recursive )?(?:view|rule|domain|function|procedure|policy|trigger) /;
const storesDefaults = /^create (?:unlogged )?table (?!.* as )/;

function postgresUse(tokens: readonly SqlToken[], called: readonly Call[]): SessionUse {
  if (isWord(tokens[0], 'create')) {
    const text = tokens.map((token) => (token.type === 'word' ? token.text : '"')).join(' ');
    if (storesCode.test(text) || storesDefaults.test(text)) return 'none';
  }
  if (called.some(({ name }) => lockingFunctions.has(name))) return 'locks';
  if (called.some((call) => settingFunctions.has(call.name) && !isLocalSetting(call, tokens)))
    return 'sets';
  const first = tokens.find(({ type }) => type === 'word')?.text;
  if (first === undefined) return 'none';
  if (first === 'set') return transactionSettings.has(tokens[1]?.text ?? '') ? 'none' : 'sets';
  if (definingWords.has(first) && !tokens.some((token) => isWord(token, 'select'))) return 'none';
  if (opaqueWords.has(first)) return 'unknown';
  const isUnknown = ({ name, isOwn }: Call): boolean =>
    !isOwn || !(statelessFunctions.has(name) || settingFunctions.has(name));
  return called.some(isUnknown) ? 'unknown' : 'none';
}

interface Call {
  readonly name: string;
  /** Called without a schema, or in PostgreSQL's own. */
  readonly isOwn: boolean;
  /** Where its brackets end. */
  readonly close: number;
}

function isKnownToAct(name: string): boolean {
  return (
    settingFunctions.has(name) ||
    lockingFunctions.has(name) ||
    Object.values(lastWriteFunctions).some((names) => names.has(name))
  );
}

/** Words after which a name with a bracket is a table with its columns. */
const beforeTables: ReadonlySet<string> = new Set(['into', 'table', 'references', 'exists', 'as']);

/** What looks like a call of a function. Where it can't be told from something else, it counts as one. */
function callsIn(tokens: readonly SqlToken[]): Call[] {
  const ends = bracketEnds(tokens);
  return tokens.flatMap((token, at): Call[] => {
    const name = tokens[at - 1];
    if (token.text !== '(' || token.type !== 'sign' || name === undefined || name.type === 'sign')
      return [];
    if (name.type === 'word' && postgresKeywords.has(name.text)) return [];
    let start = at - 1;
    while (tokens[start - 1]?.text === '.' && tokens[start - 2]?.type !== 'sign') start -= 2;
    const before = tokens[start - 1];
    // A type, an alias with its columns, a table's columns, a common table expression.
    if (before?.text === '::' || before?.text === ')' || before?.type === 'name') return [];
    if (before?.type === 'word' && beforeTables.has(before.text)) return [];
    if (before?.type === 'word' && !postgresKeywords.has(before.text) && !isKnownToAct(name.text))
      return [];
    const close = ends.get(at) ?? tokens.length;
    if (isCommonTable(tokens, close)) return [];
    const schema = start < at - 1 ? tokens[start]?.text : undefined;
    return [{ name: name.text, isOwn: schema === undefined || schema === 'pg_catalog', close }];
  });
}

function isCommonTable(tokens: readonly SqlToken[], close: number): boolean {
  if (!isWord(tokens[close + 1], 'as')) return false;
  const next = tokens[close + 2];
  return next?.text === '(' || isWord(next, 'materialized') || isWord(next, 'not');
}

/** `set_config(…, true)` ends with the transaction. */
function isLocalSetting({ name, close }: Call, tokens: readonly SqlToken[]): boolean {
  if (name !== 'set_config') return false;
  return isWord(tokens[close - 1], 'true') && tokens[close - 2]?.text === ',';
}

/** Where each opening bracket is closed. */
function bracketEnds(tokens: readonly SqlToken[]): ReadonlyMap<number, number> {
  const ends = new Map<number, number>();
  const open: number[] = [];
  tokens.forEach(({ type, text }, at) => {
    if (type !== 'sign') return;
    if (text === '(') open.push(at);
    const opened = text === ')' ? open.pop() : undefined;
    if (opened !== undefined) ends.set(opened, at);
  });
  return ends;
}

function isWord(token: SqlToken | undefined, word: string): boolean {
  return token?.type === 'word' && token.text === word;
}
