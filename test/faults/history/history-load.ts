import type { Engine, InputValue, StorageApi } from 'changeover';
import { caller } from 'changeover';
import { pick } from '../random.ts';
import type { CheckOptions } from './check-history.ts';
import { HistoryRecorder, type Step } from './history.ts';

/** What a caller's own function throws to have its transaction rolled back. */
class RolledBack extends Error {}

/** Whatever answers a query: the storage API on one dataset, or a transaction. */
interface Statements {
  query(sql: string, params: readonly InputValue[]): Promise<{ readonly rows: readonly object[] }>;
  execute(sql: string, params: readonly InputValue[]): Promise<number>;
}

export interface HistoryLoadOptions {
  readonly storage: StorageApi;
  readonly engine: Engine;
  readonly dataset: string;
  /** Tells the objects of this load from those of others on the dataset. */
  readonly epoch: number;
  readonly random: () => number;
  readonly callers: number;
  /** Turns of each caller; some are several calls. */
  readonly turns: number;
  /** What an error of the storage tells of the call. */
  readonly toldBy: (error: unknown) => 'refused' | 'unknown';
  /** Before each turn. */
  readonly onTurn: () => void;
  /** Told of each error of the storage. */
  readonly onError: (error: unknown) => void;
}

/** Makes the tables that loads use. */
export async function createHistoryTables(storage: StorageApi, dataset: string): Promise<void> {
  await storage.execute(dataset, 'CREATE TABLE registers (name TEXT, value BIGINT)');
  await storage.execute(dataset, 'CREATE TABLE members (holder TEXT, name TEXT)');
}

/** Callers at once on two registers, a counter and a set of one dataset, whose calls are noted. */
export class HistoryLoad {
  readonly recorder: HistoryRecorder = new HistoryRecorder();
  readonly initial: CheckOptions['initial'];
  readonly #options: HistoryLoadOptions;
  readonly #counter: string;
  readonly #registers: readonly [string, string];
  readonly #set: string;
  readonly #marks: readonly [string, string];
  #values = 0;

  constructor(options: HistoryLoadOptions) {
    const epoch = String(options.epoch);
    this.#options = options;
    this.#counter = `n${epoch}`;
    this.#registers = [`r${epoch}`, `q${epoch}`];
    this.#set = `s${epoch}`;
    this.#marks = options.engine === 'postgresql' ? ['$1', '$2'] : ['?', '?'];
    this.initial = {
      [this.#counter]: 0,
      [this.#registers[0]]: 0,
      [this.#registers[1]]: 0,
      [this.#set]: [],
    };
  }

  /** Makes the objects, lets the callers make their calls, and reads what is there in the end. Rejects where that can't be read. */
  async run(): Promise<void> {
    const { storage, dataset, callers, turns } = this.#options;
    const rows = [this.#counter, ...this.#registers].map((name) => ({ name, value: 0 }));
    await storage.writeTable(dataset, 'registers', rows, { ifExists: 'append' });
    await Promise.all(
      Array.from({ length: callers }, (_unused, at) =>
        caller(async () => {
          for (let turn = 0; turn < turns; turn += 1) {
            this.#options.onTurn();
            await this.#turn(`c${String(at)}`);
          }
        }),
      ),
    );
    await this.#readAll();
  }

  async #readAll(): Promise<void> {
    const reads = [
      (steps: Step[]) => this.#read(this.#outside, steps, this.#counter),
      ...this.#registers.map((name) => (steps: Step[]) => this.#read(this.#outside, steps, name)),
      (steps: Step[]) => this.#readSet(this.#outside, steps),
    ];
    for (const read of reads) {
      for (let attempt = 1; ; attempt += 1) {
        const error = await this.recorder.call('last', 'read', read, () => 'refused', true);
        if (error === undefined) break;
        if (attempt === 20) throw error as Error;
        await new Promise((resolve) => setTimeout(resolve, 50 * attempt));
      }
    }
  }

  async #turn(name: string): Promise<void> {
    const { random } = this.#options;
    const register = pick(random, this.#registers);
    const turns: readonly (() => Promise<unknown>)[] = [
      () => this.#call(name, 'read', (steps) => this.#read(this.#outside, steps, this.#counter)),
      () => this.#call(name, 'read', (steps) => this.#read(this.#outside, steps, register)),
      () => this.#call(name, 'read', (steps) => this.#readSet(this.#outside, steps)),
      () => this.#call(name, 'write', (steps) => this.#write(this.#outside, steps, register)),
      () => this.#call(name, 'increment', (steps) => this.#increment(this.#outside, steps)),
      () => this.#append(name),
      () => this.#unawaited(name, register),
      () => this.#countUp(name),
      () => this.#both(name),
      () => this.#rolledBack(name),
    ];
    await pick(random, turns)();
  }

  get #outside(): Statements {
    const { storage, dataset } = this.#options;
    return {
      query: (sql, params) => storage.query(dataset, sql, params),
      execute: (sql, params) => storage.execute(dataset, sql, params),
    };
  }

  async #call(
    name: string,
    operation: string,
    work: (steps: Step[]) => Promise<unknown>,
  ): Promise<void> {
    const { toldBy, onError } = this.#options;
    const error = await this.recorder.call(name, operation, work, (failure) =>
      failure instanceof RolledBack ? 'refused' : toldBy(failure),
    );
    if (error === undefined || error instanceof RolledBack) return;
    onError(error);
    // A refusal at once must not become a busy loop that starves what it waits for.
    await new Promise((resolve) => setTimeout(resolve, 2));
  }

  async #transaction(
    name: string,
    work: (inside: Statements, steps: Step[]) => Promise<void>,
  ): Promise<void> {
    const { storage, dataset } = this.#options;
    await this.#call(name, 'transaction', (steps) =>
      storage.transaction(dataset, (inside) => work(inside, steps)),
    );
  }

  /** Calls of one caller that it doesn't wait for one by one. */
  async #unawaited(name: string, register: string): Promise<void> {
    await Promise.all([
      this.#call(name, 'write', (steps) => this.#write(this.#outside, steps, register)),
      this.#call(name, 'write', (steps) => this.#write(this.#outside, steps, register)),
      this.#call(name, 'read', (steps) => this.#read(this.#outside, steps, register)),
      this.#call(name, 'increment', (steps) => this.#increment(this.#outside, steps)),
    ]);
  }

  /** Read, compute, write: what is lost where two may do it at once. */
  async #countUp(name: string): Promise<void> {
    await this.#transaction(name, async (inside, steps) => {
      const was = await this.#read(inside, steps, this.#counter);
      await this.#write(inside, steps, this.#counter, was + 1);
    });
  }

  async #both(name: string): Promise<void> {
    const [first, second] = this.#registers;
    await this.#transaction(name, async (inside, steps) => {
      await this.#read(inside, steps, second);
      await this.#write(inside, steps, first);
      await this.#increment(inside, steps);
      await this.#write(inside, steps, second);
      await this.#read(inside, steps, first);
    });
  }

  async #rolledBack(name: string): Promise<void> {
    await this.#transaction(name, async (inside, steps) => {
      await this.#read(inside, steps, this.#counter);
      await this.#increment(inside, steps);
      await this.#write(inside, steps, this.#registers[0]);
      throw new RolledBack('as the caller wants it');
    });
  }

  async #append(name: string): Promise<void> {
    const { storage, dataset, random } = this.#options;
    const member = `m${String((this.#values += 1))}`;
    const rows = [{ holder: this.#set, name: member }];
    const [first, second] = this.#marks;
    await this.#call(name, 'append', async (steps) => {
      steps.push({ kind: 'insert', object: this.#set, member });
      if (random() < 0.5)
        await storage.writeTable(dataset, 'members', rows, { ifExists: 'append' });
      else
        await storage.execute(dataset, `INSERT INTO members VALUES (${first}, ${second})`, [
          this.#set,
          member,
        ]);
    });
  }

  async #read(on: Statements, steps: Step[], object: string): Promise<number> {
    const { rows } = await on.query(`SELECT value FROM registers WHERE name = ${this.#marks[0]}`, [
      object,
    ]);
    const told = Number(Object.values(rows[0] ?? {})[0]);
    steps.push({ kind: 'read', object, told });
    return told;
  }

  async #readSet(on: Statements, steps: Step[]): Promise<void> {
    const { rows } = await on.query(
      `SELECT name FROM members WHERE holder = ${this.#marks[0]} ORDER BY name`,
      [this.#set],
    );
    steps.push({
      kind: 'members',
      object: this.#set,
      told: rows.map((row) => String(Object.values(row)[0])),
    });
  }

  async #write(
    on: Statements,
    steps: Step[],
    object: string,
    value: number = 100 + (this.#values += 1),
  ): Promise<void> {
    const [first, second] = this.#marks;
    steps.push({ kind: 'write', object, value });
    await on.execute(`UPDATE registers SET value = ${first} WHERE name = ${second}`, [
      value,
      object,
    ]);
  }

  async #increment(on: Statements, steps: Step[]): Promise<void> {
    const object = this.#counter;
    steps.push({ kind: 'add', object, amount: 1 });
    await on.execute(`UPDATE registers SET value = value + 1 WHERE name = ${this.#marks[0]}`, [
      object,
    ]);
  }
}
