import Database from 'better-sqlite3';
import type { Account } from './accounts.ts';

/** What takes the singleton's place: one writing connection, some that only read, and each statement prepared once. */
export class PooledAccounts {
  readonly #writer: Connection;
  readonly #readers: readonly Connection[];
  #turn = 0;

  constructor(file: string, readers = 2) {
    this.#writer = new Connection(file, false);
    this.#readers = Array.from({ length: readers }, () => new Connection(file, true));
  }

  /** Inside a transaction the writer reads, because no other connection sees what is not committed. */
  get #reader(): Connection {
    if (this.#writer.database.inTransaction) return this.#writer;
    this.#turn = (this.#turn + 1) % this.#readers.length;
    return this.#readers[this.#turn] ?? this.#writer;
  }

  get count(): number {
    return this.#reader.statement('select count(*) as n from account').pluck().get() as number;
  }

  list(): Account[] {
    return this.#reader.statement('select * from account').all() as Account[];
  }

  find(id: number): Account | undefined {
    return this.#reader.statement('select * from account where id = ?').get(id) as
      Account | undefined;
  }

  open(owner: string, cents: number): number {
    const { lastInsertRowid } = this.#writer
      .statement('insert into account (owner, cents) values (?, ?)')
      .run(owner, cents);
    return Number(lastInsertRowid);
  }

  add(id: number, cents: number): void {
    const { changes } = this.#writer
      .statement('update account set cents = cents + ? where id = ?')
      .run(cents, id);
    if (changes === 0) throw new RangeError(`there is no account ${String(id)}`);
  }

  inTransaction<R>(work: () => R): R {
    return this.#writer.database.transaction(work).immediate();
  }

  close(): void {
    for (const { database } of [this.#writer, ...this.#readers]) database.close();
  }
}

class Connection {
  readonly database: Database.Database;
  readonly #statements = new Map<string, Database.Statement>();

  constructor(file: string, readonly: boolean) {
    this.database = new Database(file, { readonly });
  }

  statement(sql: string): Database.Statement {
    const known = this.#statements.get(sql) ?? this.database.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }
}
