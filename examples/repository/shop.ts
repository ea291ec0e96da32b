import Database from 'better-sqlite3';

/** A product and what is left of it. */
export interface Product {
  readonly sku: string;
  readonly title: string;
  readonly stock: number;
}

/** A sale, newest last. */
export interface Sale {
  readonly sku: string;
  readonly pieces: number;
}

/** The products of one shop. */
export interface Products {
  upsert(product: Product): Promise<void>;
  get(sku: string): Promise<Product | undefined>;
  list(): Promise<Product[]>;
}

/** The sales of one shop. */
export interface Sales {
  sell(sku: string, pieces: number): Promise<number>;
  list(): Promise<Sale[]>;
}

const tables = `
  create table if not exists product (sku text primary key, title text not null, stock integer not null);
  create table if not exists sale (sku text not null, pieces integer not null);
`;

/** The repository as it was: one connection, and an object inside for each kind of thing. */
export class Shop {
  readonly #database: Database.Database;
  readonly products: Products;
  readonly sales: Sales;

  constructor(file: string) {
    const database = new Database(file);
    database.pragma('journal_mode = WAL');
    database.exec(tables);
    this.#database = database;
    this.products = productsOf(() => database);
    this.sales = salesOf(
      () => database,
      () => database,
    );
  }

  async close(): Promise<void> {
    this.#database.close();
  }
}

/** What takes its place: reads and writes on connections of their own. */
export class PooledShop {
  readonly #writer: Database.Database;
  readonly #reader: Database.Database;
  readonly products: Products;
  readonly sales: Sales;

  constructor(file: string) {
    this.#writer = new Database(file);
    this.#reader = new Database(file, { readonly: true });
    const [writer, reader] = [() => this.#writer, () => this.#reader];
    this.products = productsOf(reader, writer);
    this.sales = salesOf(reader, writer);
  }

  async close(): Promise<void> {
    this.#writer.close();
    this.#reader.close();
  }
}

type Connection = () => Database.Database;

function productsOf(reader: Connection, writer: Connection = reader): Products {
  return {
    async upsert({ sku, title, stock }) {
      writer()
        .prepare('insert or replace into product (sku, title, stock) values (?, ?, ?)')
        .run(sku, title, stock);
    },
    get: async (sku) =>
      reader().prepare('select * from product where sku = ?').get(sku) as Product | undefined,
    list: async () => reader().prepare('select * from product').all() as Product[],
  };
}

function salesOf(reader: Connection, writer: Connection): Sales {
  return {
    async sell(sku, pieces) {
      const database = writer();
      return database
        .transaction(() => {
          const { changes } = database
            .prepare('update product set stock = stock - ? where sku = ? and stock >= ?')
            .run(pieces, sku, pieces);
          if (changes === 0) throw new RangeError(`there are not ${String(pieces)} of ${sku} left`);
          database.prepare('insert into sale (sku, pieces) values (?, ?)').run(sku, pieces);
          return database
            .prepare('select stock from product where sku = ?')
            .pluck()
            .get(sku) as number;
        })
        .immediate();
    },
    list: async () =>
      reader().prepare('select sku, pieces from sale order by rowid').all() as Sale[],
  };
}
