import type { ActKind, Statement, StatementClassifier } from '@changeover/classify';
import { createDuckdbClassifier } from '@changeover/classify/duckdb';
import { createPostgresClassifier, hasPostgresParser } from '@changeover/classify/postgresql';
import { createSqliteClassifier } from '@changeover/classify/sqlite';
import type { AnswerFacts } from '@changeover/core';
import { keepsSession, type SessionUse } from '@changeover/engines/api';
import {
  type Engine,
  type InputValue,
  isOrderedSql,
  type ResultSet,
  undeterminedSql,
} from '@changeover/engines';
import { answerFacts } from './answer-facts.ts';
import type { SettingsSeen } from './session-reliance.ts';

/** Asks a dataset's catalogue, on a connection that is not a caller's. Rejects where there is no such dataset. */
export type AskCatalogue = (
  dataset: string,
  sql: string,
  params: readonly InputValue[],
) => Promise<ResultSet>;

/** What the classifiers of one engine's datasets need. */
export interface StatementClassifiersOptions {
  readonly engine: Engine;
  readonly ask: AskCatalogue;
  /** Told once, where statements can't be classified and are judged by their words. */
  readonly onWordsOnly: (reason: string) => void;
  /** What callers were seen to set in a dataset's session. Default: nothing. */
  readonly settings?: ((dataset: string) => Promise<SettingsSeen>) | undefined;
  /** Milliseconds that only go forward. Default: `performance.now`. */
  readonly now?: (() => number) | undefined;
}

/** Datasets whose statements are remembered: those that were used last. */
const maxDatasets = 50;
/** The bounds of one of them. A text longer than a tenth of the characters is not looked at. */
const bounds = { maxStatements: 1_000, maxCharacters: 2_000_000 };
/** A statement that ran and can't be understood speaks of what came after the facts: they are fetched anew, but not more often. */
const minRelearnMs = 2_000;

/** What the classifier says of a statement that it could not learn now, and will try again. */
const passingFailure = 'facts could not be fetched';

interface Entry {
  readonly classifier: StatementClassifier;
  /** What has to be known first: whether a statement that has run changed the schema. */
  watching: Promise<void>;
  relearnedMs: number;
}

/** What each dataset's statements do: a classifier a dataset, made when a statement of it is first asked about. */
export class StatementClassifiers {
  readonly #options: StatementClassifiersOptions;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();
  #wordsOnly: Promise<boolean> | undefined;
  /** Both false: it has not been looked for, or the look is on its way. */
  #hasParser = false;
  #wordsTold = false;
  #closed = false;

  constructor(options: StatementClassifiersOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /**
   * What is known of the answer of `query(dataset, sql, params)`, once it has been given. For comparisons, which can wait. Never
   * rejects: what can't be told counts as acting.
   */
  async factsOf(
    dataset: string,
    sql: string,
    params?: readonly InputValue[],
  ): Promise<AnswerFacts> {
    if (await this.#judgesByWords()) return factsByWords(sql);
    const statement = await this.#learn(this.#entry(dataset), sql);
    const facts = answerFacts(statement, (all) =>
      params === undefined ? [dataset, all] : [dataset, all, params],
    );
    const settings = (await this.#options.settings?.(dataset)) ?? 'nothing';
    const bound = boundToConnection(statement, settings);
    return facts.acts !== undefined || bound === undefined ? facts : { ...facts, acts: bound };
  }

  /**
   * What a statement does to its connection, at once. `pending`: it is being learned, or could not be for reasons that pass.
   * `unknown`: it can't be told.
   *
   * @param sql one about which its words tell nothing.
   */
  sessionUse(dataset: string, sql: string): SessionUse {
    if (this.#closed) return 'unknown';
    if (this.#options.engine === 'postgresql' && !this.#hasParser) {
      void this.#judgesByWords();
      return this.#wordsTold ? 'unknown' : 'pending';
    }
    const statement = this.#entry(dataset).classifier.classify(sql);
    return statement === 'pending' ? 'pending' : useOf(statement);
  }

  /** The same, once it is known. Never rejects. */
  async learnedUse(dataset: string, sql: string): Promise<SessionUse> {
    const statement = await this.learned(dataset, sql);
    return statement === undefined ? 'unknown' : useOf(statement);
  }

  /** What a statement does that a rollback does not take back, once it is known: see `SessionFacts.lastingEffect`. */
  async lastingEffect(dataset: string, sql: string): Promise<string | undefined> {
    const statement = await this.learned(dataset, sql);
    const lasting = statement?.acts.filter(({ kind }) => lastingActs.has(kind)) ?? [];
    if (lasting.length === 0)
      return statement?.anewInside === true
        ? 'what it writes comes from something that answers differently each time'
        : undefined;
    return lasting.map(({ kind, detail }) => `${kind}: ${detail}`).join('; ');
  }

  /** What a statement does, once it is known; undefined where it is judged by its words alone. */
  async learned(dataset: string, sql: string): Promise<Statement | undefined> {
    if (await this.#judgesByWords()) return undefined;
    return await this.#learn(this.#entry(dataset), sql);
  }

  /** To be told of each statement that has run by `execute`, or what else has changed in a dataset (`schema`). */
  hasRun(dataset: unknown, what: { readonly sql: unknown } | 'schema'): void {
    // A dataset about which nobody has asked has nothing to forget.
    const entry = typeof dataset === 'string' ? this.#entries.get(dataset) : undefined;
    if (entry === undefined) return;
    if (what === 'schema') {
      entry.classifier.schemaChanged();
      return;
    }
    const { sql } = what;
    if (typeof sql !== 'string') return;
    const before = entry.watching;
    entry.watching = entry.classifier.learn(sql).then((statement) => {
      if (changesSchema(statement)) entry.classifier.schemaChanged();
      return before;
    });
  }

  /** Closes all classifiers. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.all(entries.map(({ classifier }) => classifier.close()));
  }

  #judgesByWords(): Promise<boolean> {
    if (this.#options.engine !== 'postgresql') return Promise.resolve(false);
    this.#wordsOnly ??= hasPostgresParser().then((found) => {
      this.#hasParser = found;
      this.#wordsTold = !found;
      if (!found)
        this.#options.onWordsOnly(
          'libpg-query is not installed: PostgreSQL statements are judged by their words',
        );
      return !found;
    });
    return this.#wordsOnly;
  }

  async #learn(entry: Entry, sql: string): Promise<Statement> {
    await entry.watching;
    const statement = await entry.classifier.learn(sql);
    const now = this.#now();
    if (statement.effect !== 'unknown' || now - entry.relearnedMs < minRelearnMs) return statement;
    entry.relearnedMs = now;
    entry.classifier.schemaChanged();
    return await entry.classifier.learn(sql);
  }

  #entry(dataset: string): Entry {
    const known = this.#entries.get(dataset);
    const entry = known ?? {
      classifier: this.#make(dataset),
      watching: Promise.resolve(),
      relearnedMs: this.#now(),
    };
    if (this.#closed) void entry.classifier.close();
    // The last one used goes last.
    this.#entries.delete(dataset);
    this.#entries.set(dataset, entry);
    for (const [oldest, { classifier }] of this.#entries) {
      if (this.#entries.size <= maxDatasets) break;
      this.#entries.delete(oldest);
      void classifier.close();
    }
    return entry;
  }

  #make(dataset: string): StatementClassifier {
    const ask = (sql: string, params: readonly InputValue[]): Promise<ResultSet> =>
      this.#options.ask(dataset, sql, params);
    switch (this.#options.engine) {
      case 'sqlite':
        return createSqliteClassifier({
          ...bounds,
          readSchema: async () =>
            (await ask(schemaSql, [])).rows.map(({ sql }) => (typeof sql === 'string' ? sql : '')),
        });
      case 'duckdb':
        return createDuckdbClassifier({
          ...bounds,
          connect: () =>
            Promise.resolve({
              runAndReadAll: async (sql, values = []) => {
                const { columns, rows } = await ask(sql, values);
                return { getRows: () => rows.map((row) => columns.map((name) => row[name])) };
              },
            }),
        });
      case 'postgresql':
        return createPostgresClassifier({
          ...bounds,
          query: async (sql, params) =>
            (await ask(sql, params as readonly InputValue[])).rows.map(withJson),
        });
    }
  }
}

/** Whatever becomes of the transaction. What can't be understood the engine refuses, on both legs. */
const lastingActs: ReadonlySet<ActKind> = new Set<ActKind>([
  'calls a function that acts',
  'reaches outside the database',
  'maintains the database',
  'several statements',
]);

const schemaSql = 'SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid';

/** The storage API gives JSON as text, which the classifier asks for in these columns. */
function withJson(row: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { columns, keys } = row;
  if (typeof columns !== 'string' && typeof keys !== 'string') return row;
  const parsed = (text: unknown): unknown => (typeof text === 'string' ? JSON.parse(text) : text);
  return { ...row, columns: parsed(columns), keys: parsed(keys) };
}

/** A write of rows calls functions by defaults and triggers, which define nothing, as far as anybody has seen. */
function changesSchema({ acts }: Statement): boolean {
  const writes = acts.some(({ kind }) => kind === 'writes rows');
  return acts.some(
    ({ kind }) =>
      kind !== 'writes rows' &&
      kind !== 'returns rows of a write' &&
      kind !== 'locks rows' &&
      !(writes && kind === 'calls a function that acts'),
  );
}

/** Why a statement that reads has its answer on its caller's connection alone, so that another connection's says nothing of it. */
function boundToConnection(
  { session, readsLastWrite }: Statement,
  settings: SettingsSeen,
): string | undefined {
  if (readsLastWrite) return "it asks for what its connection's last write left";
  if (session === 'temporary') return 'it reads temporary objects, which its connection has alone';
  if (settings === 'anything') return 'settings of its connection were changed';
  return settings === 'custom' && session === 'reads'
    ? 'it asks for settings of its connection, which were changed'
    : undefined;
}

/** Code that nobody can look into may do anything to the session. */
function useOf({ acts, effect, opaque, session }: Statement): SessionUse {
  if (effect === 'unknown') {
    return acts.some(({ detail }) => detail.startsWith(passingFailure)) ? 'pending' : 'unknown';
  }
  return opaque && !keepsSession(session) ? 'unknown' : session;
}

/** The rule without a parser, which misses much and suspects more. */
function factsByWords(sql: string): AnswerFacts {
  return {
    acts: undefined,
    ordered: isOrderedSql(sql),
    open: undefined,
    undetermined: undeterminedSql(sql),
  };
}
