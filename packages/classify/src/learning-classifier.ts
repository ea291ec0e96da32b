import type { HiddenUse, ParsedOptions, StatementClassifier } from './classifier.ts';
import { StatementCache } from './statement-cache.ts';
import { unknownStatement } from './findings.ts';
import { hasTooDeepComments } from './scan.ts';
import type { Statement } from './statement.ts';

/** An engine's own part of a classifier. It knows facts, notes which it misses, and fetches these when told to. */
export interface Judge {
  /** What the statement does by the facts at hand; undefined: one is missing, and was noted. May throw: then nothing is told. */
  judge(sql: string): Statement | undefined;
  /** Fetches what was noted as missing. Rejects if it could not. */
  fetch(): Promise<void>;
  /** Which statements may touch the session by code that they don't name. Rejects if that could not be fetched. */
  hides(): Promise<HiddenUse>;
  /** Forgets all facts; a fetch that still runs must not bring back old ones. */
  forget(): void;
  close(): Promise<void>;
}

/** How often facts may lead to further facts (a view over a view) before a statement is given up on. */
const maxRounds = 24;
/** Texts that may wait for facts at once; beyond it they wait for being seen again. */
const maxWaiting = 1_000;

type Waiter = (statement: Statement) => void;

/** Facts could not be fetched. */
interface Failure {
  /** What is told of each text that needs them. */
  readonly statement: Statement;
  /** These do: they are not looked into anew at each call. */
  readonly texts: Set<string>;
  /** When it is tried again. */
  readonly until: number;
}

/** A classifier that answers from its cache or from a judge, and lets the judge fetch in the background what it misses. */
export class LearningClassifier implements StatementClassifier {
  readonly #judge: Judge;
  readonly #options: ParsedOptions;
  readonly #cache: StatementCache;
  readonly #waiting = new Map<string, Waiter[]>();
  readonly #hidden: HiddenCode;
  #learning: Promise<void> | undefined;
  /** Facts may be out of date. Told by a timer: to read a clock at each call would take longer than to look a statement up. */
  #isDue = false;
  #endWatch: (() => void) | undefined;
  #failure: Failure | undefined;
  #closed = false;

  constructor(judge: Judge, options: ParsedOptions) {
    this.#judge = judge;
    this.#options = options;
    this.#cache = new StatementCache(options);
    this.#hidden = new HiddenCode(() => judge.hides());
  }

  classify(sql: string): Statement | 'pending' {
    if (this.#isDue) this.#refresh();
    const known = this.#cache.get(sql);
    return known ?? this.#judged(sql);
  }

  #judged(sql: string): Statement | 'pending' {
    this.#watchAge();
    const failure =
      this.#failure !== undefined && this.#options.now() < this.#failure.until && this.#failure;
    if (failure && failure.texts.has(sql)) return failure.statement;
    const judged = this.#look(sql);
    if (judged !== undefined) return judged;
    if (failure) {
      if (failure.texts.size < maxWaiting) failure.texts.add(sql);
      return failure.statement;
    }
    this.#wait(sql);
    return 'pending';
  }

  learn(sql: string): Promise<Statement> {
    const known = this.classify(sql);
    if (known !== 'pending') return Promise.resolve(known);
    return new Promise((resolve) => {
      const waiters = this.#waiting.get(sql);
      if (waiters === undefined)
        resolve(unknownStatement('too many statements are being learned', ''));
      else waiters.push(resolve);
    });
  }

  hiddenUse(): HiddenUse | undefined {
    if (this.#closed) return 'none';
    if (this.#isDue) this.#refresh();
    this.#watchAge();
    return this.#hidden.known;
  }

  learnHidden(): Promise<HiddenUse> {
    if (this.#closed) return Promise.resolve('none');
    this.#watchAge();
    return this.#hidden.learn();
  }

  codeChanged(): void {
    this.#hidden.forget();
  }

  schemaChanged(): void {
    this.#cache.clear();
    this.#judge.forget();
    // A failure stays until it is time to try again: what can't be told counts as a change of the schema, at each call.
  }

  /** Forgets statements but not facts: the judge has come to know something else by which they are told. */
  forgetStatements(): void {
    this.#cache.clear();
  }

  async settled(): Promise<void> {
    while (this.#learning !== undefined) await this.#learning;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#endWatch?.();
    this.#cache.clear();
    await this.settled();
    await this.#judge.close();
  }

  /** For changes that nobody told of. */
  #refresh(): void {
    this.#isDue = false;
    this.schemaChanged();
    this.#hidden.refresh();
  }

  /** Only while something is known that may come to be out of date. */
  #watchAge(): void {
    if (this.#endWatch !== undefined || this.#closed) return;
    const { after, refreshAfterMs } = this.#options;
    this.#endWatch = after(refreshAfterMs, () => {
      this.#endWatch = undefined;
      this.#isDue = true;
    });
  }

  /** Judges and remembers; undefined: something is missing. */
  #look(sql: string): Statement | undefined {
    if (this.#closed) return unknownStatement('the classifier is closed', '');
    const reason = refusal(sql, this.#options);
    let statement: Statement | undefined;
    try {
      statement = reason === undefined ? this.#judge.judge(sql) : unknownStatement(reason, '');
    } catch (error) {
      // A RangeError of an expression too deep to walk, a parser's own failure.
      statement = unknownStatement(`can't be looked into: ${String(error)}`.slice(0, 300), '');
    }
    if (statement !== undefined && reason === undefined) this.#cache.set(sql, statement);
    return statement;
  }

  #wait(sql: string): void {
    if (this.#waiting.has(sql) || this.#waiting.size >= maxWaiting) return;
    this.#waiting.set(sql, []);
    this.#learning ??= this.#learn();
  }

  async #learn(): Promise<void> {
    const rounds = new Map<string, number>();
    // Out of the caller's tick: its own statement goes first.
    await Promise.resolve();
    while (this.#waiting.size > 0) {
      try {
        await this.#judge.fetch();
      } catch (error) {
        this.#fail(`facts could not be fetched: ${String(error)}`.slice(0, 300));
      }
      for (const sql of [...this.#waiting.keys()]) {
        const round = (rounds.get(sql) ?? 0) + 1;
        rounds.set(sql, round);
        const statement = this.#look(sql) ?? this.#givenUp(sql, round);
        if (statement !== undefined) this.#tell(sql, statement);
      }
    }
    // In the same tick as the last look at what waits: who comes now starts anew.
    this.#learning = undefined;
  }

  #givenUp(sql: string, round: number): Statement | undefined {
    if (round < maxRounds) return undefined;
    const statement = unknownStatement('what it uses leads to ever more', '');
    this.#cache.set(sql, statement);
    return statement;
  }

  #fail(reason: string): void {
    const statement = unknownStatement(reason, '');
    const texts = new Set(this.#waiting.keys());
    this.#failure = { statement, texts, until: this.#options.now() + this.#options.retryAfterMs };
    for (const sql of texts) this.#tell(sql, statement);
  }

  #tell(sql: string, statement: Statement): void {
    const waiters = this.#waiting.get(sql) ?? [];
    this.#waiting.delete(sql);
    for (const waiter of waiters) waiter(statement);
  }
}

/** Whether a database holds such code: fetched when it is first asked for, and again once it may be otherwise. */
class HiddenCode {
  readonly #fetch: () => Promise<HiddenUse>;
  #known: HiddenUse | undefined;
  #fetching: Promise<HiddenUse> | undefined;

  /** @param fetch may reject: then there is none, as far as is known. */
  constructor(fetch: () => Promise<HiddenUse>) {
    this.#fetch = fetch;
  }

  /** At once; undefined: it is being fetched. */
  get known(): HiddenUse | undefined {
    if (this.#known === undefined) void this.learn();
    return this.#known;
  }

  /** Never rejects. */
  learn(): Promise<HiddenUse> {
    return this.#known === undefined ? this.#look() : Promise.resolve(this.#known);
  }

  #look(): Promise<HiddenUse> {
    if (this.#fetching !== undefined) return this.#fetching;
    const fetching: Promise<HiddenUse> = Promise.resolve()
      .then(this.#fetch)
      .catch((): HiddenUse => 'none')
      .then((found) => {
        // What was made meanwhile is not in this answer.
        if (this.#fetching !== fetching) return this.learn();
        this.#known = found;
        this.#fetching = undefined;
        return found;
      });
    this.#fetching = fetching;
    return fetching;
  }

  /** Looks again, in the background; what is known holds until then. */
  refresh(): void {
    const before = this.#known;
    if (before === undefined) return;
    this.forget();
    this.#known = before;
    void this.#look();
  }

  forget(): void {
    this.#known = undefined;
    this.#fetching = undefined;
  }
}

/** Why a text is not even parsed. */
function refusal(sql: string, { maxCharacters }: ParsedOptions): string | undefined {
  // Parsers end silently at a NUL, drivers may not.
  if (sql.includes('\0')) return 'it holds a NUL';
  if (hasTooDeepComments(sql)) return 'it has too many comments inside each other';
  if (sql.length > maxCharacters / 10) return `it is longer than ${maxCharacters / 10} characters`;
  return undefined;
}
