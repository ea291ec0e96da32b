import type { Statement } from './statement.ts';

/** Which statements may touch the session by code that they don't name: triggers and defaults run by writes, views and operators by all. */
export type HiddenUse = 'none' | 'by writes' | 'by all';

/** Tells what statements do. One for each set of objects that a text can mean: an engine's dataset, a PostgreSQL search path. */
export interface StatementClassifier {
  /**
   * What a statement does, at once: from the cache in well under a microsecond, else parsed now. `pending`: something that it
   * needs (the parser, a table's facts) is being fetched in the background; until then the statement counts as acting. Never
   * throws, never waits.
   */
  classify(sql: string): Statement | 'pending';
  /** As `classify`, for who can wait. Never rejects: what could not be learned is told as `unknown`. */
  learn(sql: string): Promise<Statement>;
  /**
   * Which statements may touch the session by code that they don't name: a trigger, a rule, a view, an operator. At once; undefined: it is
   * being fetched. Never throws. `none` where it could not be fetched.
   */
  hiddenUse(): HiddenUse | undefined;
  /** The same, once it is known. Never rejects. */
  learnHidden(): Promise<HiddenUse>;
  /** To be called once such code may have been made: it is looked for again. */
  codeChanged(): void;
  /** To be called once a statement that changes the schema has run: all that was learned is learned again. */
  schemaChanged(): void;
  /** Resolves when nothing is being fetched. */
  settled(): Promise<void>;
  /** Ends what the classifier opened itself; afterwards every statement is `unknown`. May be called twice. */
  close(): Promise<void>;
}

/** What every classifier takes. */
export interface ClassifierOptions {
  /**
   * The user's own functions that change nothing and whose answer depends on their arguments and the tables alone, as `schema.name`
   * or `schema.*` (SQLite: `name`). Default: none.
   */
  readonly pure?: readonly string[];
  /** How many texts are remembered. Default 5,000. */
  readonly maxStatements?: number;
  /** How many characters of text are remembered; a text that is longer than a tenth of it is not looked at and is `unknown`. Default 8,000,000. */
  readonly maxCharacters?: number;
  /** After how long facts are fetched again, for schema changes that nobody told. Default 60,000 ms. */
  readonly refreshAfterMs?: number;
  /** How long nothing is fetched after a failure. Default 1,000 ms. */
  readonly retryAfterMs?: number;
  /** The time in milliseconds. Default `Date.now`. */
  readonly now?: () => number;
  /** Calls `task` once after so many milliseconds, and keeps no process alive for it. What it returns keeps it from that. Default: a timer of
   * Node's. */
  readonly after?: (delayMs: number, task: () => void) => () => void;
}

// As it is when this is loaded: a program's fake timers mean its own.
const { setTimeout: startTimeout, clearTimeout: endTimeout } = globalThis;

function startTimer(delayMs: number, task: () => void): () => void {
  const timer = startTimeout(task, delayMs).unref();
  return () => {
    endTimeout(timer);
  };
}

/** The options with their defaults. */
export type ParsedOptions = Readonly<Required<ClassifierOptions>>;

const names = new Set([
  'pure',
  'maxStatements',
  'maxCharacters',
  'refreshAfterMs',
  'retryAfterMs',
  'now',
  'after',
]);

/**
 * Applies the defaults.
 *
 * @throws RangeError for an unknown option or a bound that is not a positive number.
 */
export function parseOptions(options: ClassifierOptions): ParsedOptions {
  const unknown = Object.keys(options).find((name) => !names.has(name));
  if (unknown !== undefined)
    throw new RangeError(`unknown option ${unknown}: expected one of ${[...names].join(', ')}`);
  const parsed = {
    pure: [...(options.pure ?? [])],
    maxStatements: options.maxStatements ?? 5_000,
    maxCharacters: options.maxCharacters ?? 8_000_000,
    refreshAfterMs: options.refreshAfterMs ?? 60_000,
    retryAfterMs: options.retryAfterMs ?? 1_000,
    now: options.now ?? Date.now,
    after: options.after ?? startTimer,
  };
  for (const name of ['maxStatements', 'maxCharacters', 'refreshAfterMs', 'retryAfterMs'] as const)
    if (!(parsed[name] > 0))
      throw new RangeError(`${name} must be above 0, but is ${String(parsed[name])}`);
  return Object.freeze(parsed);
}
