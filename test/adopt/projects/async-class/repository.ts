import pg from 'pg';

export class Repository {
  static #instance: Promise<Repository> | undefined;
  readonly #client: pg.Client;

  constructor(client: pg.Client) {
    this.#client = client;
  }

  static getInstance(): Promise<Repository> {
    return (Repository.#instance ??= (async () => {
      const client = new pg.Client({ connectionString: process.env['DATABASE_URL'] });
      await client.connect();
      return new Repository(client);
    })());
  }

  async setUp(): Promise<void> {
    await this.#client.query('create temporary table item (id serial, name text)');
  }

  async all(): Promise<{ id: number }[]> {
    const { rows } = await this.#client.query<{ id: number }>('select id from item');
    return rows;
  }

  async add(name: string): Promise<void> {
    await this.#client.query('insert into item (name) values ($1)', [name]);
  }

  async close(): Promise<void> {
    await this.#client.end();
  }
}
