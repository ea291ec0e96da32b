import { type LegName, NotComparableError } from '@changeover/core';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { HandleSettings } from './handle-settings.ts';
import { isInTransaction } from './session-facts.ts';
import type { Statement } from './statement.ts';

/** What a line is made of. */
export interface LineParts {
  readonly leg: LegName;
  readonly connection: DuckDBConnection;
  readonly settings: HandleSettings;
  /** Whether what it is given runs in turn. Else it is handed to the driver at once, which runs it in an order of its own. */
  readonly inTurn: boolean;
  /** Has to be done before the first statement. Never rejects. */
  readonly first?: () => Promise<void>;
  /** Called when a statement ended. */
  readonly changed?: () => void;
  /** Called when the schema may have changed for other connections. */
  readonly schemaChanged?: () => void;
}

/** Something of the adapter's own that is asked of a connection. */
type Question = (connection: DuckDBConnection) => Promise<void>;

/** One connection with its state: the open transaction, results that still read from it, statements under way. */
export class Line {
  readonly leg: LegName;
  readonly connection: DuckDBConnection;
  readonly #parts: LineParts;
  /** The end of what runs, or must run, before the next statement. */
  #turn: Promise<unknown> | undefined;
  /** Questions that wait for a later statement: to ask them now would end what a caller is reading, or be part of a transaction. */
  #questions: Question[] = [];
  #schemaTouched = false;
  /** Whether a transaction is open has to be asked before the next statement. */
  #mustProbe = false;
  /** What was run last, while that goes on. */
  #lastResult: Promise<unknown> | undefined;
  #applied: number;
  #first: (() => Promise<void>) | undefined;
  isInTransaction = false;
  /** A stream or pending result was handed out, and nothing was run since, which would end it. */
  hasOpenResult = false;
  /** Callers' statements that have not ended. */
  inFlight = 0;
  /** Those of them that may begin or end a transaction. */
  unclear = 0;

  /** @param applied the version of the callers' settings that the connection has. */
  constructor(parts: LineParts, applied: number) {
    this.#parts = parts;
    this.leg = parts.leg;
    this.connection = parts.connection;
    this.#applied = applied;
    this.#first = parts.first;
  }

  /** No transaction is open, and nothing that was sent can open one. */
  get isBetween(): boolean {
    return !this.isInTransaction && this.unclear === 0;
  }

  /** Nothing of a caller's runs, or is being read from it. */
  get isFree(): boolean {
    return this.isBetween && this.inFlight === 0 && !this.hasOpenResult;
  }

  /** Runs a statement of a caller's. */
  run(statement: Statement, values: unknown): Promise<unknown> {
    const controls = statement.controls.length > 0;
    this.inFlight += 1;
    if (controls) this.unclear += 1;
    if (this.#first !== undefined) this.#until(this.#first());
    this.#first = undefined;
    const result =
      this.#isReady() && !controls ? this.#hand(statement, values) : this.#later(statement, values);
    if (this.#parts.inTurn) this.#until(result);
    this.#lastResult = result;
    return result;
  }

  /** Nothing has to be done before the next statement. */
  #isReady(): boolean {
    return (
      this.#turn === undefined &&
      this.#questions.length === 0 &&
      this.#applied === this.#parts.settings.version &&
      !this.#mustProbe
    );
  }

  /** Hands the driver a statement at once, as most are. By no asynchronous function: each would be a promise more. */
  #hand(statement: Statement, values: unknown): Promise<unknown> {
    this.hasOpenResult = false;
    let answering: Promise<unknown>;
    try {
      answering = statement.work(this.connection, values, false);
    } catch (error) {
      answering = Promise.reject(error);
    }
    const result: Promise<unknown> = answering.then(
      (answer) => {
        this.#succeeded(statement);
        this.#ended(result, false);
        return answer;
      },
      (error: unknown) => {
        this.#ended(result, false);
        throw error;
      },
    );
    return result;
  }

  #later(statement: Statement, values: unknown): Promise<unknown> {
    const result =
      this.#turn === undefined
        ? this.#execute(statement, values)
        : this.#turn.then(() => this.#execute(statement, values));
    const ended = (): void => {
      this.#ended(result, statement.controls.length > 0);
    };
    result.then(ended, ended);
    return result;
  }

  #ended(result: Promise<unknown>, controls: boolean): void {
    if (this.#lastResult === result) this.#lastResult = undefined;
    this.inFlight -= 1;
    if (controls) this.unclear -= 1;
    this.#parts.changed?.();
    this.#askWhenFree();
  }

  /** Asks something of the adapter's own, as soon as that disturbs nobody. What it rejects with is asked again later. */
  ask(question: Question): void {
    this.#questions.push(question);
    this.#askWhenFree();
  }

  #askWhenFree(): void {
    if (this.#questions.length > 0 && this.isFree) this.#until(this.#putQuestions());
  }

  /** Runs a statement again for comparison, with callers' statements waiting. To be admitted by {@link isFree}. */
  again(statement: Statement, values: unknown): Promise<unknown> {
    if (!this.isFree)
      return Promise.reject(new NotComparableError('the connection is used by callers'));
    const before = this.#turn ?? Promise.resolve();
    const result = before.then(async () => {
      await this.#bringUp();
      this.#parts.settings.mustBe(statement.settings);
      return statement.work(this.connection, values, true);
    });
    this.#until(result);
    return result;
  }

  #until(work: Promise<unknown>): void {
    const done = (): void => {
      if (this.#turn === turn) this.#turn = undefined;
    };
    const before = this.#turn;
    const turn: Promise<unknown> = work.then(
      () => before,
      () => before,
    );
    this.#turn = turn;
    void turn.then(done);
  }

  async #execute(statement: Statement, values: unknown): Promise<unknown> {
    if (this.#mayAskBefore()) await this.#putQuestions();
    if (this.#applied !== this.#parts.settings.version) await this.#bringUp();
    if (this.#mustProbe) await this.#probe();
    this.hasOpenResult = false;
    try {
      const answer = await statement.work(this.connection, values, false);
      this.#succeeded(statement);
      return answer;
    } catch (error) {
      if (statement.controls.length > 0) await this.#probe();
      throw error;
    }
  }

  /** What a caller was reading ends with the next statement, but what another one opens meanwhile must live. */
  #mayAskBefore(): boolean {
    const isAlone = this.#parts.inTurn || this.inFlight === 1;
    // What fails in a transaction ends it.
    return this.#questions.length > 0 && isAlone && !this.isInTransaction;
  }

  #succeeded(statement: Statement): void {
    if (statement.opens !== 'nothing') this.hasOpenResult = true;
    if (statement.controls.length > 0) {
      // What is pending will be run by its caller, or never.
      this.#mustProbe = statement.opens === 'pending';
      this.isInTransaction = this.#mustProbe || statement.controls.at(-1) === 'begin';
    }
    this.#noteSchema(statement);
  }

  async #probe(): Promise<void> {
    this.#mustProbe = false;
    this.isInTransaction = await isInTransaction(this.connection);
  }

  /** A caller was handed a pending result of a prepared statement at once. */
  started(statement: Statement): void {
    this.#succeeded(statement);
  }

  /** What a transaction changed is seen by other connections at its end. */
  #noteSchema(statement: Statement): void {
    const { known, changesSchema: changes } = statement.traits;
    if (known && !changes && !this.#schemaTouched) return;
    statement.whenKnown(({ changesSchema }) => {
      this.#schemaTouched ||= changesSchema && !statement.prepares;
      if (!this.#schemaTouched || this.isInTransaction) return;
      this.#schemaTouched = false;
      this.#parts.schemaChanged?.();
    });
  }

  async #putQuestions(): Promise<void> {
    const questions = this.#questions;
    this.#questions = [];
    for (const question of questions) {
      try {
        await question(this.connection);
      } catch {
        this.#questions.push(question);
      }
    }
  }

  /** Gives the connection what callers set on another one. */
  async #bringUp(): Promise<void> {
    const { settings } = this.#parts;
    const { version } = settings;
    if (this.#applied === version || this.isInTransaction) return;
    await settings.apply(this.connection);
    this.#applied = version;
  }

  /**
   * Closes the connection: at once, or when what runs on it has ended, for what is closed while it runs takes the process down.
   *
   * @returns when it is closed; undefined where it is.
   */
  close(): Promise<void> | undefined {
    const running = this.#turn ?? this.#lastResult;
    if (running === undefined) {
      this.connection.closeSync();
      return undefined;
    }
    const again = (): Promise<void> | undefined => this.close();
    return running.then(again, again);
  }

  /** What was set here is what the others have to be given. */
  standsOn(version: number): void {
    this.#applied = version;
  }
}
