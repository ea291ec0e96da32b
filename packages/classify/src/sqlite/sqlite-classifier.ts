import {
  type ClassifierOptions,
  type HiddenUse,
  parseOptions,
  type StatementClassifier,
} from '../classifier.ts';
import { Findings } from '../findings.ts';
import { type Judge, LearningClassifier } from '../learning-classifier.ts';
import type { ActKind, Statement, TransactionControl } from '../statement.ts';
import type { Token } from '../scan.ts';
import { isWord, shapeOf, tokensOf } from '../tokens.ts';
import { judgePragma } from './pragma.ts';
import { type Compiled, SchemaCopy } from './schema-copy.ts';
import { nameOf } from './select-text.ts';
import { promisesOf } from './promises.ts';
import * as reviewed from './reviewed.ts';

/** What a classifier for SQLite takes. */
export interface SqliteClassifierOptions extends ClassifierOptions {
  /**
   * The statements of the file's schema: `SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid`, asked on a connection of
   * whoever has the file open already. Called in the background; the file itself is never opened here: a second SQLite library on
   * one file loses writes.
   */
  readonly readSchema: () => readonly string[] | Promise<readonly string[]>;
  /** False: as on a Node whose `node:sqlite` has no `setAuthorizer` (before 24.10). Default true. */
  readonly authorizer?: boolean;
}

/**
 * A classifier by SQLite itself, on a copy of the schema in memory (`node:sqlite`), on which statements are compiled and never run.
 *
 * @throws RangeError for an option that is out of bounds.
 */
export function createSqliteClassifier(options: SqliteClassifierOptions): StatementClassifier {
  const { readSchema, authorizer = true, ...rest } = options;
  const parsed = parseOptions(rest);
  const judge = new SqliteJudge({ readSchema, authorizer, pure: new Set(parsed.pure) });
  const classifier = new LearningClassifier(judge, parsed);
  judge.onNewTemporary = () => classifier.forgetStatements();
  return classifier;
}

interface JudgeOptions {
  readonly readSchema: SqliteClassifierOptions['readSchema'];
  readonly authorizer: boolean;
  readonly pure: ReadonlySet<string>;
}

const kinds: Readonly<Record<string, ActKind>> = {
  insert: 'writes rows',
  replace: 'writes rows',
  update: 'writes rows',
  delete: 'writes rows',
  create: 'changes the schema',
  drop: 'changes the schema',
  alter: 'changes the schema',
  attach: 'sets the session',
  detach: 'sets the session',
  vacuum: 'maintains the database',
  reindex: 'maintains the database',
  analyze: 'maintains the database',
};

const maxTemporary = 1_000;
const asksForLastWrite = /\b(?:last_insert_rowid|changes|total_changes)\b/i;

class SqliteJudge implements Judge {
  onNewTemporary: (() => void) | undefined;
  readonly #options: JudgeOptions;
  /** CREATE TEMP statements by the object's name; undefined where the copy can't have it (`… AS SELECT`). */
  readonly #temporary = new Map<string, Set<string>>();
  #copy: SchemaCopy | undefined;
  #generation = 0;

  constructor(options: JudgeOptions) {
    this.#options = options;
  }

  judge(sql: string): Statement | undefined {
    const copy = this.#copy;
    if (copy === undefined) return undefined;
    const tokens = tokensOf(sql, 'sqlite');
    const body = bodyOf(tokens);
    const shape = shapeOf(tokens);
    const findings = new Findings();
    const count = statementCount(body);
    if (count !== 1) {
      findings.act(count === 0 ? 'not understood' : 'several statements', `${count} statements`);
      return findings.statement({ shape });
    }
    const start = explainLength(body);
    const lead = body[start]?.type === 'word' ? body[start].text.toLowerCase() : '';
    this.#noteTemporary(body, sql, findings);
    if (lead === 'pragma') return judgePragma(body.slice(start + 1), findings, shape);
    // EXPLAIN compiles and runs nothing but a PRAGMA's own doing. Its bytecode tells how often this connection read the schema.
    if (start > 0) {
      const explained = new Findings();
      if (start === 1) explained.connectionFact('EXPLAIN');
      return explained.statement({ shape });
    }
    return this.#judgeBy(copy, { sql, body, lead, shape, findings });
  }

  async fetch(): Promise<void> {
    if (this.#copy !== undefined) return;
    const generation = this.#generation;
    const [sqlite, schema] = await Promise.all([
      import('node:sqlite'),
      Promise.resolve().then(() => this.#options.readSchema()),
    ]);
    if (generation !== this.#generation) return;
    const { pure, authorizer } = this.#options;
    const copy = new SchemaCopy(sqlite, schema, { pure, authorizer });
    for (const definitions of this.#temporary.values())
      for (const sql of definitions) copy.add(sql);
    this.#copy = copy;
  }

  /** Only by asking for what the last write left; with the copy, so that statements are judged at once. */
  async hides(): Promise<HiddenUse> {
    const schema = await this.#options.readSchema();
    const found = schema.some((sql) => asksForLastWrite.test(sql));
    if (found) await this.fetch();
    return found ? 'by all' : 'none';
  }

  forget(): void {
    this.#generation += 1;
    this.#copy?.close();
    this.#copy = undefined;
  }

  close(): Promise<void> {
    this.forget();
    return Promise.resolve();
  }

  #judgeBy(
    copy: SchemaCopy,
    at: { sql: string; body: readonly Token[]; lead: string; shape: string; findings: Findings },
  ): Statement {
    const { sql, body, lead, shape, findings } = at;
    noteLead(lead, body, findings);
    if (findings.transaction !== undefined) return findings.statement({ shape });
    let compiled: Compiled | undefined;
    try {
      compiled = copy.compile(sql);
    } catch (error) {
      findings.act('not understood', error instanceof Error ? error.message : String(error));
    }
    if (compiled === undefined) return findings.statement({ shape });
    const reads = lead === 'select' || lead === 'values' || lead === 'with';
    noteCompiled(compiled, reads, findings);
    for (const name of compiled.functions) this.#noteFunction(name, findings);
    if (!reads || findings.acts.length > 0) return findings.statement({ shape });
    return findings.statement({ shape, ...promisesOf({ sql, body, compiled, copy }) });
  }

  #noteFunction(name: string, findings: Findings): void {
    if (reviewed.readsLastWrite.has(name)) findings.readsLastWrite();
    if (reviewed.setsSession.has(name)) findings.uses('sets');
    if (!reviewed.harmlessFunctions.has(name) && !this.#options.pure.has(name))
      findings.act('calls a function that acts', name);
  }

  /** Remembers what CREATE TEMP makes, and tells where a name may mean such an object. */
  #noteTemporary(body: readonly Token[], sql: string, findings: Findings): void {
    const made = temporaryMade(body);
    if (made !== undefined) {
      findings.uses('temporary');
      const known = this.#temporary.get(made.name) ?? new Set();
      if (!known.has(sql) && this.#temporary.size < maxTemporary) {
        this.#temporary.set(made.name, known.add(sql));
        // A copy of it, as of the rest of the schema; what it is filled with is nobody's business here.
        if (!made.filled) this.#copy?.add(sql);
        this.onNewTemporary?.();
      }
    }
    const full = this.#temporary.size >= maxTemporary;
    if (full || body.some((token) => this.#temporary.has(nameOf(token) ?? ''))) {
      findings.uses('temporary');
      const unclear =
        full || body.some((token) => (this.#temporary.get(nameOf(token) ?? '')?.size ?? 0) > 1);
      const filled = body.some((token) =>
        [...(this.#temporary.get(nameOf(token) ?? '') ?? [])].some(
          (each) => temporaryMade(bodyOf(tokensOf(each, 'sqlite')))?.filled === true,
        ),
      );
      if ((unclear || filled) && made === undefined)
        findings.act('not understood', 'a name means a temporary object that is not known');
    }
  }
}

function bodyOf(tokens: readonly Token[]): readonly Token[] {
  const first = tokens.findIndex(({ text }) => text !== ';');
  const last = tokens.findLastIndex(({ text }) => text !== ';');
  return first === -1 ? [] : tokens.slice(first, last + 1);
}

/** Semicolons part statements, but for those inside CREATE TRIGGER. */
function statementCount(body: readonly Token[]): number {
  if (body.length === 0) return 0;
  const trigger =
    isWord(body[0], 'create') && body.slice(1, 3).some((token) => isWord(token, 'trigger'));
  return trigger ? 1 : 1 + body.filter(({ text }) => text === ';').length;
}

/** How many tokens EXPLAIN or EXPLAIN QUERY PLAN takes. */
function explainLength(body: readonly Token[]): number {
  if (!isWord(body[0], 'explain')) return 0;
  return isWord(body[1], 'query') && isWord(body[2], 'plan') ? 3 : 1;
}

function transactionOf(body: readonly Token[]): TransactionControl | undefined {
  const word = body[0]?.text.toLowerCase();
  if (word === 'begin' || word === 'savepoint' || word === 'release' || word === 'commit')
    return word;
  if (word === 'end') return 'commit';
  if (word !== 'rollback') return undefined;
  return body.some((token) => isWord(token, 'to')) ? 'rollback to' : 'rollback';
}

function noteLead(lead: string, body: readonly Token[], findings: Findings): void {
  const transaction = transactionOf(body);
  if (transaction !== undefined) {
    findings.act('controls a transaction', lead.toUpperCase());
    findings.transaction = transaction;
    return;
  }
  if (lead === 'select' || lead === 'values' || lead === 'with') return;
  const kind = kinds[lead] ?? 'not understood';
  findings.act(kind, lead.toUpperCase());
  if (kind === 'sets the session') findings.uses('sets');
  if (
    kind === 'writes rows' &&
    body.some((token) => token.depth === 0 && isWord(token, 'returning'))
  )
    findings.act('returns rows of a write', lead.toUpperCase());
}

function noteCompiled(compiled: Compiled, reads: boolean, findings: Findings): void {
  for (const { table, temporary } of compiled.reads) {
    if (temporary) findings.uses('temporary');
    const pragma = /^pragma_(.*)$/.exec(table)?.[1];
    if (pragma === undefined) findings.table(table, undefined, false);
    else if (!reviewed.tellingPragmas.has(pragma))
      findings.act('calls a function that acts', table);
    else if (reviewed.connectionPragmas.has(pragma)) {
      findings.uses('reads');
      findings.connectionFact(table);
    }
  }
  for (const { action, object, temporary } of compiled.others) {
    const schema = /^sqlite_(temp_)?(schema|master)$/.test(object);
    if (temporary) findings.uses('temporary');
    const write = /^(INSERT|UPDATE|DELETE)$/.test(action);
    if (write && !schema) findings.table(object, undefined, true);
    // A WITH may lead to a write.
    if (reads)
      findings.act(
        write || action === 'WRITE' ? 'writes rows' : 'changes the schema',
        `${action} ${object}`,
      );
  }
}

/** The object that CREATE TEMP makes, and whether it is filled by a query. */
function temporaryMade(
  body: readonly Token[],
): { readonly name: string; readonly filled: boolean } | undefined {
  if (!isWord(body[0], 'create')) return undefined;
  const rest = body.slice(1);
  const marked = isWord(rest[0], 'temp') || isWord(rest[0], 'temporary');
  const words = marked ? rest.slice(1) : rest;
  const afterKind = words.findIndex((token) =>
    ['table', 'view', 'trigger', 'index'].some((kind) => isWord(token, kind)),
  );
  if (afterKind === -1 || afterKind > 2) return undefined;
  const table = isWord(words[afterKind], 'table');
  const named = words.slice(afterKind + 1);
  const skip = isWord(named[0], 'if') ? 3 : 0;
  const qualified = named[skip + 1]?.text === '.';
  if (!marked && !(qualified && nameOf(named[skip]) === 'temp')) return undefined;
  const name = nameOf(named[skip + (qualified ? 2 : 0)]);
  const after = named[skip + (qualified ? 3 : 1)];
  return name === undefined ? undefined : { name, filled: table && isWord(after, 'as') };
}
