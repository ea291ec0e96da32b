import Database from 'better-sqlite3';

export interface Item {
  id: number;
  name: string;
}

export class ItemStore {
  static #instance: ItemStore | undefined;
  readonly #db: Database.Database;

  private constructor(file: string) {
    this.#db = new Database(file);
    this.#db.exec('create table if not exists item (id integer primary key, name text)');
  }

  static getInstance(): ItemStore {
    if (!ItemStore.#instance) {
      ItemStore.#instance = new ItemStore(process.env.DB_FILE ?? 'x.sqlite');
    }
    return ItemStore.#instance;
  }

  all(): Item[] {
    return this.#db.prepare('select id, name from item order by id').all() as Item[];
  }

  add(name: string): number {
    return Number(this.#db.prepare('insert into item (name) values (?)').run(name).lastInsertRowid);
  }

  get size(): number {
    return (this.#db.prepare('select count(*) as n from item').get() as { n: number }).n;
  }

  close(): void {
    this.#db.close();
  }
}
