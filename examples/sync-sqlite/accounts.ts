import Database from 'better-sqlite3';

/** An account, with its balance in cents. */
export interface Account {
  readonly id: number;
  readonly owner: string;
  readonly cents: number;
}

/** The singleton as it was before: one synchronous connection, made at the first use, for the whole program. */
export class Accounts {
  static #instance: Accounts | undefined;
  readonly #database: Database.Database;

  static getInstance(): Accounts {
    return (this.#instance ??= new Accounts(process.env['ACCOUNTS_FILE'] ?? 'accounts.sqlite'));
  }

  private constructor(file: string) {
    this.#database = new Database(file);
    this.#database.pragma('journal_mode = WAL');
    this.#database.exec(
      'create table if not exists account (id integer primary key, owner text not null, cents integer not null)',
    );
  }

  /** How many accounts there are. */
  get count(): number {
    return this.#database.prepare('select count(*) from account').pluck().get() as number;
  }

  list(): Account[] {
    return this.#database.prepare('select * from account').all() as Account[];
  }

  find(id: number): Account | undefined {
    return this.#database.prepare('select * from account where id = ?').get(id) as
      Account | undefined;
  }

  open(owner: string, cents: number): number {
    const { lastInsertRowid } = this.#database
      .prepare('insert into account (owner, cents) values (?, ?)')
      .run(owner, cents);
    return Number(lastInsertRowid);
  }

  add(id: number, cents: number): void {
    if (this.find(id) === undefined) throw new RangeError(`there is no account ${String(id)}`);
    this.#database.prepare('update account set cents = cents + ? where id = ?').run(cents, id);
  }

  /** Runs `work` in a transaction that is rolled back when it throws. */
  inTransaction<R>(work: () => R): R {
    return this.#database.transaction(work).immediate();
  }

  close(): void {
    this.#database.close();
  }
}
