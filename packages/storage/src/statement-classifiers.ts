import { setTimeout } from 'node:timers/promises';
import {
  allRowsOf,
  countsChosen,
  type Statement,
  type StatementClassifier,
} from '@changeover/classify';
import type { DuckdbClassifierOptions } from '@changeover/classify/duckdb';
import type { PostgresClassifierOptions } from '@changeover/classify/postgresql';
import type { SqliteClassifierOptions } from '@changeover/classify/sqlite';
import { type AnswerFacts, lazyModule } from '@changeover/core';
import { keepsSession, type LastingEffect, type SessionUse } from '@changeover/engines/api';
import {
  type Engine,
  type InputValue,
  isOrderedSql,
  type ResultSet,
  undeterminedSql,
} from '@changeover/engines';
import { answerFacts } from './answer-facts.ts';
import type { SettingsSeen } from './session-reliance.ts';

// Each is several files of grammar: a program waits at its start for none of them, and loads those of its engines.
const loadSqlite = lazyModule(() => import('@changeover/classify/sqlite'));
const loadDuckdb = lazyModule(() => import('@changeover/classify/duckdb'));
const loadPostgres = lazyModule(() => import('@changeover/classify/postgresql'));

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
  /** Told where a dataset turns out to hold code that may touch the session and that statements run without naming it. */
  readonly onHidden?: ((dataset: string) => void) | undefined;
  /** Milliseconds that only go forward. Default: `performance.now`. */
  readonly now?: (() => number) | undefined;
}

/** Datasets whose statements are remembered: those that were used last. */
const maxDatasets = 50;
const maxReadsWait = 10_000;
/** The bounds of one of them. A text longer than a tenth of the characters is not looked at. */
const bounds = { maxStatements: 1_000, maxCharacters: 2_000_000 };
/** A statement that ran and can't be understood speaks of what came after the facts: they are fetched anew, but not more often. */
const minRelearnMs = 2_000;
/** A call waits no longer for what is known of its dataset. */
const maxWaitMs = 1_000;
const unref = { ref: false } as const;

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
  /** Datasets in which this process made code that reads may run without naming it. */
  readonly #readsWait = new Set<string>();
  /** Makes a dataset's classifier; undefined until it is loaded. */
  #make: ((dataset: string) => StatementClassifier) | undefined;
  #loading: Promise<void> | undefined;
  /** There is no parser, so that only words are left to judge by. */
  #wordsOnly = false;
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
    const entry = await this.#parsed(dataset);
    if (entry === undefined) return factsByWords(sql);
    const statement = await this.#learn(entry, sql);
    await entry.classifier.learnHidden();
    const facts = answerFacts(
      statement,
      (all) => (params === undefined ? [dataset, all] : [dataset, all, params]),
      () => {
        const lexer = this.#options.engine === 'sqlite' ? 'sqlite' : 'postgresql';
        return countsChosen(sql, lexer) ? 'number' : allRowsOf(sql, lexer);
      },
    );
    const settings = (await this.#options.settings?.(dataset)) ?? 'nothing';
    const bound = boundToConnection(statement, settings);
    return facts.acts !== undefined || bound === undefined ? facts : { ...facts, acts: bound };
  }

  /** Why what a dataset's tables hold reads otherwise on another connection: a setting was changed that every answer may depend on. */
  async boundReads(dataset: string): Promise<string | undefined> {
    return (await this.#options.settings?.(dataset)) === 'anything' ? settingsChanged : undefined;
  }

  /**
   * What a statement does to its connection, at once. `pending`: it is being learned, or could not be for reasons that pass.
   * `unknown`: it can't be told.
   *
   * @param sql one about which its words tell nothing.
   */
  sessionUse(dataset: string, sql: string): SessionUse {
    if (this.#closed) return 'unknown';
    if (this.#wordsOnly) return 'unknown';
    const entry = this.#entry(dataset);
    if (entry === undefined) {
      void this.#load();
      return 'pending';
    }
    const statement = entry.classifier.classify(sql);
    return statement === 'pending' ? 'pending' : useOf(statement);
  }

  /** The same, once it is known. Never rejects. */
  async learnedUse(dataset: string, sql: string): Promise<SessionUse> {
    const statement = await this.learned(dataset, sql);
    return statement === undefined ? 'unknown' : useOf(statement);
  }

  /**
   * What a statement does to its connection by code that it doesn't name (a trigger, a rule, a view, an operator), at once. Undefined:
   * nothing, as far as is known.
   *
   * @param sql one that does nothing to it by its words.
   */
  hiddenUse(dataset: string, sql: string): SessionUse | undefined {
    if (this.#closed) return undefined;
    const entry = this.#entries.get(dataset);
    const hides = entry?.classifier.hiddenUse();
    if (entry === undefined || hides === undefined || hides === 'none') return undefined;
    if (hides === 'by writes' && readsByItsWords.test(sql)) return undefined;
    return hiddenUseOf(entry.classifier.classify(sql));
  }

  /** Whether a statement may do something to its connection by code that it doesn't name, as far as is known now: true as well until that
   * has been looked for. */
  mayHide(dataset: string, sql: string): boolean {
    if (this.#closed) return true;
    const entry = this.#entries.get(dataset) ?? this.#entry(dataset);
    if (entry === undefined) {
      void this.#load();
      return true;
    }
    const hides = entry.classifier.hiddenUse();
    if (hides === 'none' || (hides === 'by writes' && readsByItsWords.test(sql))) return false;
    if (hides === undefined || this.#wordsOnly) return true;
    const statement = entry.classifier.classify(sql);
    return statement === 'pending' || keepsSession(useOf(statement));
  }

  /**
   * What a pooled call has to wait for, so that {@link hiddenUse} tells of it: on PostgreSQL, once a dataset, for the answer whether its code
   * touches the session, but not longer than a second. A read waits only where this process made code that reads may run.
   *
   * @param sql undefined: it may be any statement.
   * @returns undefined where nothing has to be waited for. Never rejects.
   */
  ready(dataset: unknown, sql: unknown): Promise<unknown> | undefined {
    if (this.#closed || this.#options.engine !== 'postgresql' || typeof dataset !== 'string')
      return undefined;
    const reads = typeof sql === 'string' && readsByItsWords.test(sql);
    if (reads && !this.#readsWait.has(dataset)) return undefined;
    const entry = this.#entries.get(dataset) ?? this.#entry(dataset);
    if (entry !== undefined && entry.classifier.hiddenUse() !== undefined) return undefined;
    const learned = this.#loaded(dataset).then((loaded) => loaded?.classifier.learnHidden());
    return Promise.race([learned, setTimeout(maxWaitMs, undefined, unref)]);
  }

  /** The same, once it is known. Never rejects. */
  async learnedHiddenUse(dataset: string, sql: string): Promise<SessionUse | undefined> {
    const entry = this.#closed ? undefined : await this.#loaded(dataset);
    if (entry === undefined || (await entry.classifier.learnHidden()) === 'none') return undefined;
    return hiddenUseOf((await this.learned(dataset, sql)) ?? 'pending');
  }

  /** Whether a statement asks for what the last write left by code that it doesn't name, a view; undefined: not known yet. */
  hidesLastWrite(dataset: string, sql: string): boolean | undefined {
    if (this.#closed) return false;
    const classifier = this.#entries.get(dataset)?.classifier;
    const hides = classifier?.hiddenUse();
    if (classifier === undefined || hides === undefined) return undefined;
    if (hides !== 'by all') return false;
    const statement = classifier.classify(sql);
    return statement === 'pending' ? undefined : statement.readsLastWrite;
  }

  /** What a statement does that a rollback does not take back, once it is known: see `SessionFacts.lastingEffect`. */
  async lastingEffect(dataset: string, sql: string): Promise<LastingEffect | undefined> {
    const statement = await this.learned(dataset, sql);
    return statement === undefined ? undefined : lastingEffectOf(statement);
  }

  /** What a statement does, once it is known; undefined where it is judged by its words alone. */
  async learned(dataset: string, sql: string): Promise<Statement | undefined> {
    const entry = await this.#parsed(dataset);
    return entry === undefined ? undefined : await this.#learn(entry, sql);
  }

  /** To be told of each statement that has run by `execute`, or what else has changed in a dataset (`schema`). */
  hasRun(dataset: unknown, what: { readonly sql: unknown } | 'schema'): void {
    if (typeof dataset !== 'string') return;
    const sql = what === 'schema' ? undefined : what.sql;
    const makes = typeof sql === 'string' && makesCode.test(sql);
    if (makes && makesCodeOfReads.test(sql) && this.#readsWait.size < maxReadsWait)
      this.#readsWait.add(dataset);
    // A dataset about which nobody has asked has nothing to forget.
    const entry = this.#entries.get(dataset);
    if (entry === undefined) return;
    if (what === 'schema') {
      entry.classifier.schemaChanged();
      return;
    }
    if (typeof sql !== 'string') return;
    // At once: the next statement may run what was made.
    if (makes) this.#codeChanged(dataset, entry);
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

  #codeChanged(dataset: string, entry: Entry): void {
    entry.classifier.codeChanged();
    this.#watchHidden(dataset, entry);
  }

  #watchHidden(dataset: string, { classifier }: Entry): void {
    void classifier.learnHidden().then((hides) => {
      if (hides !== 'none') this.#options.onHidden?.(dataset);
    });
  }

  /** Undefined where statements are judged by their words. */
  async #parsed(dataset: string): Promise<Entry | undefined> {
    await this.#load();
    return this.#wordsOnly ? undefined : this.#entry(dataset);
  }

  async #loaded(dataset: string): Promise<Entry | undefined> {
    await this.#load();
    return this.#entry(dataset);
  }

  #load(): Promise<void> {
    this.#loading ??= this.#loadMaker();
    return this.#loading;
  }

  async #loadMaker(): Promise<void> {
    const { engine } = this.#options;
    if (engine === 'sqlite') {
      const { createSqliteClassifier } = await loadSqlite();
      this.#make = (dataset) => createSqliteClassifier(this.#sqliteOptions(dataset));
    } else if (engine === 'duckdb') {
      const { createDuckdbClassifier } = await loadDuckdb();
      this.#make = (dataset) => createDuckdbClassifier(this.#duckdbOptions(dataset));
    } else {
      const { createPostgresClassifier, hasPostgresParser } = await loadPostgres();
      this.#wordsOnly = !(await hasPostgresParser());
      // Without a parser too: that code hides something is asked of the catalogue.
      this.#make = (dataset) => createPostgresClassifier(this.#postgresOptions(dataset));
      if (!this.#wordsOnly) return;
      this.#options.onWordsOnly(
        'libpg-query is not installed: PostgreSQL statements are judged by their words',
      );
    }
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

  /** Undefined until classifiers are loaded. */
  #entry(dataset: string): Entry | undefined {
    const known = this.#entries.get(dataset);
    const make = this.#make;
    if (make === undefined) return undefined;
    const entry = known ?? {
      classifier: make(dataset),
      watching: Promise.resolve(),
      relearnedMs: this.#now(),
    };
    if (this.#closed) void entry.classifier.close();
    else if (known === undefined) this.#watchHidden(dataset, entry);
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

  #sqliteOptions(dataset: string): SqliteClassifierOptions {
    return {
      ...bounds,
      readSchema: async () => {
        const { rows } = await this.#options.ask(dataset, schemaSql, []);
        return rows.map(({ sql }) => (typeof sql === 'string' ? sql : ''));
      },
    };
  }

  #duckdbOptions(dataset: string): DuckdbClassifierOptions {
    return {
      ...bounds,
      connect: () =>
        Promise.resolve({
          runAndReadAll: async (sql, values = []) => {
            const { columns, rows } = await this.#options.ask(dataset, sql, values);
            return { getRows: () => rows.map((row) => columns.map((name) => row[name])) };
          },
        }),
    };
  }

  #postgresOptions(dataset: string): PostgresClassifierOptions {
    return {
      ...bounds,
      query: async (sql, params) => {
        const { rows } = await this.#options.ask(dataset, sql, params as readonly InputValue[]);
        return rows.map(withJson);
      },
    };
  }
}

const readsByItsWords = /^\s*(?:select|values|table|show|explain)\b/i;

/** Words of a statement that may make code which others then run without naming it. */
const makesCode =
  /\b(?:function|procedure|view|rule|policy|domain|default|check|generated|index|extension|operator|cast|trigger|macro|do|call)\b/i;
/** Those of them that a read may run. */
const makesCodeOfReads = /\b(?:view|rule|policy|domain|operator|cast|do|call)\b/i;

function lastingEffectOf(statement: Statement): LastingEffect {
  const { acts, anewInside, lasting, reached, session, code } = statement;
  const runsCode = acts.some(({ kind }) => kind === 'calls a function that acts');
  if (lasting.length > 0) return { refusal: lasting.join('; '), code };
  if (runsCode && session !== 'none')
    return { refusal: 'code that it runs depends on what its connection is set to', code };
  if (anewInside.some((cause) => cause !== 'time'))
    return {
      refusal: 'what it writes comes from something that answers differently each time',
      code,
    };
  if (anewInside.length > 0) return { variable: 'code that it runs asks for the time', code };
  // Which of them it takes nobody looks at.
  const reads = runsCode && reached.some(({ written }) => !written);
  return reads ? { variable: 'code that it runs reads rows by itself', code } : { code };
}

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

const settingsChanged = 'settings of its connection were changed';

/** Why a statement that reads has its answer on its caller's connection alone, so that another connection's says nothing of it. */
function boundToConnection(
  { session, readsLastWrite, undetermined, anewInside }: Statement,
  settings: SettingsSeen,
): string | undefined {
  if (readsLastWrite) return "it asks for what its connection's last write left";
  if (session === 'temporary') return 'it reads temporary objects, which its connection has alone';
  if (settings === 'anything') return settingsChanged;
  // To ask again, as comparing does, takes the next number, which a seed has made the caller's.
  const isRandom = anewInside.length > 0 || undetermined.some(({ what }) => what === 'random');
  if (settings === 'custom' && isRandom)
    return 'it draws random numbers on a connection whose seed may have been set';
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

/** What can't be understood is nothing hidden: the engine refuses it. */
function hiddenUseOf(statement: Statement | 'pending'): SessionUse | undefined {
  if (statement === 'pending') return 'pending';
  if (statement.effect === 'unknown') return undefined;
  const use = useOf(statement);
  return keepsSession(use) ? use : undefined;
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
