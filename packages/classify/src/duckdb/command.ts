import type { Findings } from '../findings.ts';
import type { ActKind, SessionUse, TransactionControl } from '../statement.ts';
import type { Token } from '../scan.ts';
import { isWord } from '../tokens.ts';

interface Command {
  readonly kind: ActKind;
  readonly session?: SessionUse;
  readonly transaction?: TransactionControl;
}

const sets: Command = { kind: 'sets the session', session: 'sets' };
const writes: Command = { kind: 'writes rows' };
const schema: Command = { kind: 'changes the schema' };
const outside: Command = { kind: 'reaches outside the database' };
const maintains: Command = { kind: 'maintains the database' };
const control = (transaction: TransactionControl): Command => ({
  kind: 'controls a transaction',
  transaction,
});

// By the first word, which in DuckDB's grammar says what a statement is. That it acts is certain already: this only names it.
const commands: Readonly<Record<string, Command>> = {
  abort: control('rollback'),
  alter: schema,
  analyze: maintains,
  attach: sets,
  begin: control('begin'),
  checkpoint: maintains,
  comment: schema,
  commit: control('commit'),
  copy: outside,
  create: schema,
  deallocate: sets,
  delete: writes,
  detach: sets,
  drop: schema,
  end: control('commit'),
  execute: { kind: 'not understood', session: 'reads' },
  export: outside,
  force: maintains,
  import: outside,
  insert: writes,
  install: outside,
  load: sets,
  merge: writes,
  pragma: sets,
  prepare: sets,
  reset: sets,
  rollback: control('rollback'),
  set: sets,
  start: control('begin'),
  truncate: writes,
  update: writes,
  use: sets,
  vacuum: maintains,
};

/** Names what a statement does that is no query. */
export function noteCommand(tokens: readonly Token[], findings: Findings): void {
  const at = isWord(tokens[0], 'with')
    ? tokens.findIndex(
        (token) =>
          token.depth === 0 &&
          ['insert', 'update', 'delete', 'merge'].some((word) => isWord(token, word)),
      )
    : 0;
  const lead = tokens[at]?.text.toLowerCase() ?? '';
  const several = tokens.some(({ text }, index) => text === ';' && index < tokens.length - 1);
  if (several) findings.act('several statements', lead.toUpperCase());
  const command = commands[lead] ?? { kind: 'not understood' };
  findings.act(command.kind, lead.toUpperCase());
  if (command.session !== undefined) findings.uses(command.session);
  if (command.transaction !== undefined) findings.transaction = command.transaction;
  if (command === writes && tokens.some((token) => token.depth === 0 && isWord(token, 'returning')))
    findings.act('returns rows of a write', lead.toUpperCase());
  const words = tokens.slice(1, 4);
  const temporary = words.some((token) => isWord(token, 'temp') || isWord(token, 'temporary'));
  if (lead === 'create' && temporary) findings.uses('temporary');
}

/** A name without its quotes, in lower case as DuckDB compares it. */
export function unquoted(text: string): string {
  return (text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text).toLowerCase();
}

/** The table or view that CREATE TEMP makes. */
export function temporaryMade(
  tokens: readonly Token[],
): { readonly name: string; readonly view: boolean } | undefined {
  if (!isWord(tokens[0], 'create')) return undefined;
  const at = tokens.findIndex((token) => ['table', 'view'].some((kind) => isWord(token, kind)));
  const before = tokens.slice(1, at);
  if (at === -1 || at > 4) return undefined;
  if (!before.some((token) => isWord(token, 'temp') || isWord(token, 'temporary')))
    return undefined;
  const named = isWord(tokens[at + 1], 'if') ? at + 4 : at + 1;
  const last = tokens[named + 1]?.text === '.' ? named + 2 : named;
  const name = tokens[last];
  return name === undefined
    ? undefined
    : { name: unquoted(name.text), view: isWord(tokens[at], 'view') };
}
