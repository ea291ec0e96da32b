import type { Token } from '../scan.ts';
import { isWord } from '../tokens.ts';
import { unquoted } from './command.ts';
import * as reviewed from './reviewed.ts';
import type { Walk } from './walk.ts';

/** First words of statements that write rows, or make a table of them. */
const writingWords: readonly string[] = [
  'insert',
  'update',
  'delete',
  'merge',
  'create',
  'with',
  'alter',
];

/**
 * What a statement that writes calls, which DuckDB's parser does not tell: functions, macros and views by their names in the text, and the
 * defaults of the table that it fills. A name that is something else in it (a column, an alias) is looked into for nothing.
 */
export function noteWriteEffects(walk: Walk, tokens: readonly Token[]): void {
  const [lead] = tokens;
  if (!writingWords.some((word) => isWord(lead, word)) && !isWord(lead, 'from')) return;
  tokens.forEach(({ type, text }, at) => {
    if (type !== 'word' && type !== 'name') return;
    const name = unquoted(text);
    if (tokens[at + 1]?.text === '(') noteCall(walk, name);
    else noteView(walk, name);
  });
  const written = writtenBy(tokens);
  if (written !== undefined) walk.findings.table(written, undefined, true);
  const target = targetOf(tokens);
  if (target === undefined) return;
  for (const { defaults } of walk.options.catalogue.relations.get(target) ?? [])
    for (const { column, sql } of defaults)
      walk.inside(`default ${column} of ${target}`, `select ${sql}`, true);
}

function noteCall(walk: Walk, name: string): void {
  const candidates = walk.options.catalogue.functions.get(name) ?? [];
  const isTable = candidates.some(({ type }) => type.startsWith('table'));
  const isScalar = candidates.some(({ type }) => !type.startsWith('table') && type !== 'pragma');
  if (isScalar) walk.call(name);
  // One that reads is none of a write's business.
  if (isTable && !(isScalar && reviewed.readingTableFunctions.has(name))) walk.tableFunction(name);
}

function noteView(walk: Walk, name: string): void {
  for (const { view } of walk.options.catalogue.relations.get(name) ?? [])
    if (view !== null) walk.inside(`view ${name}`, view);
}

/** The table whose rows a statement changes, where its first words say so. */
function writtenBy(tokens: readonly Token[]): string | undefined {
  const at = (index: number, word: string): boolean => isWord(tokens[index], word);
  if (at(0, 'update')) return nameAt(tokens, 1);
  if (at(0, 'delete') && at(1, 'from')) return nameAt(tokens, 2);
  if (!at(0, 'insert')) return undefined;
  const into = at(1, 'or') ? 3 : 1;
  return at(into, 'into') ? nameAt(tokens, into + 1) : undefined;
}

/** The last part of a name, which is what tells a table from another. */
function nameAt(tokens: readonly Token[], first: number): string | undefined {
  let last = first;
  while (tokens[last + 1]?.text === '.') last += 2;
  const name = tokens[last];
  return name === undefined ? undefined : unquoted(name.text);
}

/** The table that gets new rows, or that is asked for its defaults; undefined where there is none. */
function targetOf(tokens: readonly Token[]): string | undefined {
  const into = tokens.findIndex((token) => isWord(token, 'into'));
  const asksForDefault = tokens.some((token) => isWord(token, 'default'));
  const update = asksForDefault ? tokens.findIndex((token) => isWord(token, 'update')) : -1;
  const at = into === -1 ? update : into;
  if (at === -1 || isWord(tokens[0], 'create')) return undefined;
  return nameAt(tokens, at + 1);
}
